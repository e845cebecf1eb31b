#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where the library gets less than it needs: folders, disks, descriptors, memory, timers, kernel
filters. The program's output and status are as without the library, and a file that has its final
name is whole.
"""

# timeout: 300

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_AS, RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_SIGPENDING, RLIMIT_STACK, setrlimit  # fmt: skip

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import KINDS, case, environment, files_in, finish, folder, injected, judged, ok, program, start

FIRST_LINES = 400
PROC = Path("/proc/self")


def both(name: str, argv: list[str], prepare: Callable[[], object], out: Path | None = None,
         extra: dict[str, str] | None = None, files: bool | None = None) -> None:  # fmt: skip
    """Runs argv without and with the library; the child calls prepare() before its exec."""
    place = out or folder() / "out"

    def run(env: dict[str, str]) -> tuple[int, bytes, bytes]:
        done = subprocess.run(argv, env=env, preexec_fn=prepare, capture_output=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    plain = run(environment())
    got = run(injected(place, extra))
    # At start one line says that the folder cannot be written; the rest is the program's.
    lines = got[2].splitlines(keepends=True)
    told = [line for line in lines if line.startswith(b"pprofinject: no profile can be written to ")]
    got = (*got[:2], b"".join(line for line in lines if line not in told))
    ok(f"{name}: at most a line about it", len(told) <= 1 and (not told or not files), told)
    ok(f"{name}: as bare", got == plain, got[0], f"{got} for {plain}"[:FIRST_LINES])
    found = files_in(place) if place.is_dir() and place != PROC else []
    for f in found:
        judged(f.path)
    if files is not None:
        ok(f"{name}: {'its files' if files else 'no file'}", bool(found) == files, len(found))


CODE = """
import os, signal, threading, time
signal.signal(signal.SIGUSR2, signal.SIG_IGN) # ignored by the program: the dump is made all the same
def work(): sum(i * i for i in range(300000))
t = [threading.Thread(target=work) for _ in range(3)]
for x in t: x.start()
os.kill(os.getpid(), signal.SIGUSR2)
for x in t: x.join()
time.sleep(0.1)
print(sum(range(1000)), os.waitstatus_to_exitcode(os.system('exit 3')), flush=True)
os.write(2, b'said')
os._exit(5)
"""
PYTHON = ["/usr/bin/python3", "-S", "-E", "-c", CODE]


def folders() -> None:
    place = folder()
    both("folder missing, three deep", PYTHON, lambda: None, place / "a/b/c", files=True)
    (place / "file").write_text("mine")
    both("folder is a file", PYTHON, lambda: None, place / "file")
    ok("folder is a file: still what it was", (place / "file").read_text() == "mine")
    both("folder below a file", PYTHON, lambda: None, place / "file/out")
    both("folder is a device", PYTHON, lambda: None, Path("/dev/null"))
    (place / "loop").symlink_to("loop")
    both("folder is a loop", PYTHON, lambda: None, place / "loop")
    both("folder is /proc", PYTHON, lambda: None, PROC, files=False)
    both("path of 4,000 bytes", PYTHON, lambda: None, Path("/" + "x" * 200 + "/y" * 1900))


def disk() -> None:
    """A file system of 32 KiB, in a mount namespace of its own; and one that is read-only."""
    for name, options in (("full", "size=32k"), ("read-only", "ro")):
        place = folder()
        script = f"mount -t tmpfs -o {options} none {place} && exec env LD_PRELOAD=$ours PPROF_OUT={place}/out PPROF_MEM_RATE=1 PPROF_LOG={place}.log \"$@\""  # fmt: skip
        env = injected(place / "out")
        ours = env.pop("LD_PRELOAD")
        argv = ["unshare", "-m", "sh", "-c", script, "sh", *PYTHON]
        got = subprocess.run(argv, env=env | {"ours": ours}, capture_output=True, timeout=60)
        plain = subprocess.run(PYTHON, env=environment(), capture_output=True, timeout=60)
        same = (got.returncode, got.stdout, got.stderr) == (plain.returncode, plain.stdout, plain.stderr)
        ok(f"disk {name}: as bare", same, got.returncode, got.stderr[-200:])
        log = Path(f"{place}.log")
        said = log.read_text() if log.exists() else ""
        log.unlink(missing_ok=True)
        ok(f"disk {name}: the log says so", "ENOSPC" in said or "EROFS" in said, said[-120:])


def removed() -> None:
    live = start([program("on_command")])
    live.line()
    live.dump()
    shutil.rmtree(live.out)
    live.tell("work 1")
    live.line()
    result = live.end()
    ok("folder removed while it runs: made again", result.status == 0 and result.numbers() == [2], result.numbers())


def descriptors() -> None:
    def close(*fds: int) -> Callable[[], None]:
        return lambda: [os.close(fd) for fd in fds] and None

    copy = ["/usr/bin/python3", "-S", "-E", "-c", "import os\nfd = os.open('%s', os.O_RDWR | os.O_CREAT | os.O_TRUNC)\n"
            "os.write(fd, b'mine %%d' %% fd)\nos.kill(os.getpid(), 12)\nsum(range(3000000))\nos._exit(0)"]  # fmt: skip
    for fds in ((0,), (2,), (0, 1, 2)):
        place = folder()
        argv = [*copy[:-1], copy[-1] % (place / "data")]
        out = place / "out"
        env = injected(out, {"PPROF_CPU_RATE": "nonsense"} if 2 not in fds else {})
        done = subprocess.run(argv, env=env, preexec_fn=close(*fds), stderr=None if 2 in fds else subprocess.DEVNULL)
        said = (place / "data").read_bytes()
        ok(f"descriptors {fds} closed: its file is its own", done.returncode == 0 and said == b"mine %d" % fds[0], said)
        ok(f"descriptors {fds} closed: profiled", len(files_in(out)) == 2 * len(KINDS))


def limits() -> None:
    def limit(which: int, soft: int, hard: int | None = None) -> Callable[[], None]:
        return lambda: setrlimit(which, (soft, soft if hard is None else hard))

    both("4 descriptors", ["/usr/bin/expr", "2", "+", "3"], limit(RLIMIT_NOFILE, 4))
    both("64 descriptors", PYTHON, limit(RLIMIT_NOFILE, 64), files=True)
    both("files of 1,000 bytes", PYTHON, limit(RLIMIT_FSIZE, 1000))
    both("files of 0 bytes", PYTHON, limit(RLIMIT_FSIZE, 0), files=False)
    both("no pending signals", PYTHON, limit(RLIMIT_SIGPENDING, 0), files=True)
    both("stack of 256 KiB", PYTHON, limit(RLIMIT_STACK, 256 << 10), files=True)
    both("stack without limit", PYTHON, limit(RLIMIT_STACK, RLIM_INFINITY), files=True)
    calm = [*PYTHON[:-1], "import os; x = [str(i) for i in range(50000)]; print(len(x))"]
    for mib in (32, 40, 48, 64, 96, 128, 256):
        both(f"{mib} MiB of addresses", calm, limit(RLIMIT_AS, mib << 20), extra={"PPROF_MEM_RATE": "1"})

    def nobody() -> None:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        setrlimit(RLIMIT_NPROC, (0, 0))

    place = folder()
    os.chmod(place, 0o777)
    both("no process more", ["/usr/bin/expr", "2", "+", "3"], nobody, place / "out", files=True)


def never_a_torn_name() -> None:
    """kill -9 at a random instant of a dump, of the program or of the scribe, 200 times."""
    draw = random.Random(1)
    out = folder() / "out"
    for turn in range(200):
        child = subprocess.Popen([program("big_profile"), "main", "3000"], env=injected(out, {"PPROF_MEM_RATE": "1"}, symbolize=turn % 4 == 0), stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
        assert child.stdout
        child.stdout.readline()
        os.kill(child.pid, signal.SIGUSR2)
        time.sleep(draw.random() * 0.03)
        if turn % 2:
            for task in Path(f"/proc/{child.pid}/task").iterdir():
                for scribe in (task / "children").read_text().split():
                    try:
                        os.kill(int(scribe), signal.SIGKILL)
                    except ProcessLookupError:
                        pass
        child.kill()
        child.wait()
    time.sleep(1)  # for scribes that outlive their program
    whole = [p for p in out.iterdir() if not p.name.startswith(".")]
    for path in whole:
        judged(path)
    ok("kill -9 of 200 dumps: what has its name is whole", True, f"{len(whole)} files")


for part in (folders, disk, removed, descriptors, limits, never_a_torn_name):
    with case(part.__name__):
        part()
finish()
