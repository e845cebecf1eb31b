#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each system call that the library makes is made to fail: one call at a time with each error that it can give,
and all calls of a number. Each time the program's output and status are as without the library, and a file
that has its final name is whole. `faults_syscalls.py all` lets every single call fail; without "all" it is
some calls of each number.
"""

# timeout: 280

from __future__ import annotations

import array
import errno
import fcntl
import os
import random
import select
import socket
import struct
import subprocess
import sys
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import BUILD, Failure, case, environment, files_in, finish, folder, injected, judged, ok

FILTER = BUILD / "test/faults/filter.so"
CODE = """
import os, signal, threading, time
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
def work(): sum(i * i for i in range(60000))
t = [threading.Thread(target=work) for _ in range(2)]
for x in t: x.start()
os.kill(os.getpid(), signal.SIGUSR2)
for x in t: x.join()
pid = os.fork()
if pid == 0:
    data = [str(i) for i in range(20000)]
    os._exit(7)
print(os.waitpid(pid, 0)[1] >> 8, os.waitstatus_to_exitcode(os.system('exit 3')), flush=True)
try: os.wait()
except ChildProcessError: os.write(2, b'no child')
"""
ARGV = ["/usr/bin/python3", "-S", "-E", "-c", CODE]
SETTINGS = {"PPROF_MEM_RATE": "4096", "PPROF_CPU_RATE": "1000", "PPROF_EXIT_WAIT": "2"}
# As many filters as the parent has: the library then does not ask what they do, and stays active.
KNOWN = {"PPROF_PARENT": "9"}

# By number: name and the errors it can give. Calls that cannot fail are not here, such as
# clock_gettime, whose clocks all exist except that of a dead thread.
E = errno
CALLS = {
    0: ("read", (E.EIO, E.EISDIR)), 1: ("write", (E.ENOSPC, E.EIO, E.EDQUOT)), 3: ("close", (E.EIO,)),
    9: ("mmap", (E.ENOMEM, E.EAGAIN)), 10: ("mprotect", (E.ENOMEM, E.EACCES)), 11: ("munmap", (E.ENOMEM,)),
    14: ("rt_sigprocmask", (E.EFAULT,)), 13: ("rt_sigaction", (E.EINVAL,)), 28: ("madvise", (E.ENOMEM,)),
    35: ("nanosleep", (E.EINTR,)), 38: ("setitimer", (E.EPERM,)), 56: ("clone", (E.EAGAIN, E.ENOMEM, E.EPERM)), 61: ("wait4", (E.ECHILD, E.EINTR)),
    62: ("kill", (E.EPERM,)), 72: ("fcntl", (E.EINVAL,)), 79: ("getcwd", (E.ENOENT, E.ERANGE)),
    80: ("chdir", (E.EACCES,)), 91: ("fchmod", (E.EPERM,)),
    97: ("getrlimit", (E.EPERM,)), 98: ("getrusage", (E.EPERM,)), 144: ("sched_setscheduler", (E.EPERM,)), 157: ("prctl", (E.EPERM,)),
    158: ("arch_prctl", (E.EPERM,)), 160: ("setrlimit", (E.EPERM,)), 202: ("futex", (E.EAGAIN, E.EINTR, E.ENOSYS)),
    217: ("getdents64", (E.ENOENT,)), 222: ("timer_create", (E.EAGAIN, E.ENOMEM)), 223: ("timer_settime", (E.EINVAL,)),
    226: ("timer_delete", (E.EINVAL,)), 5: ("fstat", (E.EIO,)), 17: ("pread64", (E.EIO,)), 234: ("tgkill", (E.ESRCH,)),
    257: ("openat", (E.EMFILE, E.ENFILE, E.EACCES, E.ENOENT, E.ENOMEM, E.EINTR)), 262: ("newfstatat", (E.ENOENT, E.EACCES)),
    258: ("mkdirat", (E.ENOSPC, E.EACCES, E.EROFS)), 263: ("unlinkat", (E.EACCES,)), 264: ("renameat", (E.EACCES,)), 265: ("linkat", (E.EPERM,)), 269: ("faccessat", (E.EACCES,)),
    272: ("unshare", (E.EPERM,)), 297: ("rt_tgsigqueueinfo", (E.EAGAIN, E.ESRCH)), 310: ("process_vm_readv", (E.EPERM, E.EFAULT)),
    316: ("renameat2", (E.ENOSPC, E.EINVAL, E.EPERM, E.ENOSYS)), 436: ("close_range", (E.ENOSYS, E.ENOMEM)),
}  # fmt: skip
RECV, SEND = 0xC0502100, 0xC0182101  # _IOWR('!', 0, 80 bytes), _IOWR('!', 1, 24 bytes)
CONTINUE = 1
PLACES = 4  # calls of each number that fail in the gate


def others_lines(stderr: bytes) -> bytes:
    """The program's stderr without the library's lines at start, such as that it cannot take stacks."""
    return b"\n".join(x for x in stderr.split(b"\n") if not x.startswith(b"pprofinject: "))


class Asked:
    """A run in which this script decides each call: the nth call of one number fails, all others are let through."""

    def __init__(self, out: Path, number: int, nth: int, error: int) -> None:
        self.count: dict[int, int] = {}
        self.number, self.nth, self.error = number, nth, error
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        os.set_inheritable(there.fileno(), True)
        env = injected(out, SETTINGS | KNOWN | {"FAULT": f"ask {there.fileno()}"}, after=[FILTER])
        self.child = subprocess.Popen(ARGV, env=env, pass_fds=[there.fileno()], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        there.close()
        _, ancillary, _, _ = here.recvmsg(1, socket.CMSG_SPACE(4))
        here.close()
        self.listener = array.array("i", ancillary[0][2])[0]

    def answer(self) -> bool:
        notice = bytearray(80)
        try:
            fcntl.ioctl(self.listener, RECV, notice)
        except OSError:  # it was killed while it waited
            return True
        (number_id,) = struct.unpack_from("Q", notice, 0)
        (number,) = struct.unpack_from("i", notice, 16)
        self.count[number] = self.count.get(number, 0) + 1
        fails = number == self.number and self.count[number] == self.nth
        reply = struct.pack("QqiI", number_id, 0, -self.error if fails else 0, 0 if fails else CONTINUE)
        try:
            fcntl.ioctl(self.listener, SEND, reply)
        except OSError:
            pass
        return True

    def result(self) -> tuple[int, bytes, bytes]:
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        for _ in range(100000):
            ready = poll.poll(20000)
            if not ready:
                self.child.kill()
                self.child.communicate()
                os.close(self.listener)
                raise Failure("hangs")
            if ready[0][1] & select.POLLIN:
                self.answer()
            elif ready[0][1] & select.POLLHUP:  # no process has the filter any more
                break
        os.close(self.listener)
        stdout, stderr = self.child.communicate(timeout=20)
        return self.child.returncode, stdout, others_lines(stderr)


def whole(out: Path) -> None:
    for path in out.iterdir() if out.exists() else []:
        if path.name.endswith(".pb.gz") and not path.name.startswith("."):
            judged(path)


def bare() -> tuple[int, bytes, bytes]:
    done = subprocess.run(ARGV, env=environment(), capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def always(want: tuple, every: bool) -> None:
    for number, (name, errors) in CALLS.items():
        bad = []
        # No kernel interrupts each call of a number always.
        errors = tuple(e for e in errors if e != E.EINTR)[: None if every else 1]
        for error, known in product(errors, (KNOWN, {})):
            out = folder() / "out"
            env = injected(out, SETTINGS | known | {"FAULT": f"always {number} {error}"}, after=[FILTER])
            try:
                done = subprocess.run(ARGV, env=env, capture_output=True, timeout=15)
                got = (done.returncode, done.stdout, others_lines(done.stderr))
                if got != want:
                    bad.append(f"{errno.errorcode[error]}: {got}")
                whole(out)
            except (Failure, subprocess.TimeoutExpired) as failure:
                bad.append(f"{errno.errorcode[error]}: {failure}")
        ok(f"{name} fails always, {len(errors)} errors", not bad, "", bad)


def once(want: tuple, every: bool) -> None:
    draw = random.Random(1)
    first = Asked(folder() / "out", -1, 0, 0)
    ok("asked of each call: as bare", first.result() == want, f"{sum(first.count.values())} calls")
    unknown = set(first.count) - set(CALLS) - {24, 39, 60, 95, 107, 110, 127, 128, 186, 228, 312}
    ok("each call that can fail is in the table", not unknown, unknown)
    runs = 0
    bad = []
    for number, (name, errors) in CALLS.items():
        places = list(range(1, first.count.get(number, 0) + 1))
        chosen = places if every else sorted({1, *draw.sample(places, min(PLACES, len(places)))})
        for nth in chosen if places else []:
            for error in errors if every else [draw.choice(errors)]:
                out = folder() / "out"
                runs += 1
                try:
                    got = Asked(out, number, nth, error).result()
                    if got != want:
                        bad.append(f"{name} {nth} {errno.errorcode[error]}: {got}")
                    whole(out)
                except (Failure, subprocess.TimeoutExpired) as failure:
                    bad.append(f"{name} {nth} {errno.errorcode[error]}: {failure}")
    ok("one call fails", not bad and runs > 100, f"{runs} runs", bad)


with case("system calls"):
    TRUTH = bare()
    EVERY = sys.argv[1:] == ["all"]
    always(TRUTH, EVERY)
    once(TRUTH, EVERY)
finish()
