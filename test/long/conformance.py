#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests that other projects have written of signals, processes, threads, timers and filters end as without the library:
CPython's own (libpython3-testsuite), stress-ng's stressors with --verify, the Open POSIX test suite, and LTP's.

    LTP_SRC=/path/to/ltp test/long/conformance.py [python|stress|posix|ltp [NAME…]]

Debian has no package of the last two. LTP_SRC is a clone of https://github.com/linux-test-project/ltp, in which this
has been built (autoconf, automake, m4, bison and flex are needed; what does not build is left out):

    make autotools && ./configure && make -C lib
    (cd testcases/open_posix_testsuite && autoconf && ./configure && make -k all)
    for d in testcases/kernel/syscalls/*/; do make -k -C $d; done

What was run in November 2026 on 2 cores of x86-64, glibc 2.36, while the library changed from build to build: all 1,636
tests of the Open POSIX suite (87 of them fail bare), of which one differed, sigaction 8-21 (a handler's mask holds back
SIGPROF; mended since); all 98 stressors, of which one differed, pthread (1,024 threads that enter a namespace, each with
a dump; mended since); of CPython's modules all but concurrent_futures, multiprocessing_spawn, multiprocessing_forkserver
and asyncio; 506 of the 527 tests of LTP's list, without most of futex, membarrier01 and timerfd_settime02. Of these,
waitpid01 differs because a SIGUSR2 that is left at its default is the dump signal, and rt_sigtimedwait01 because a
SIGUSR2 that it ignores is so, too, and cuts a wait made by syscall(); with PPROF_SIGNAL=none they do not. signal06 makes
its alternate signal stack read-only by turns, and ends by SIGSEGV unless PPROF_CPU_RATE=0: while its handler runs there,
the kernel cannot write the frame of our tick. It ends so with any timer (see Stacks in doc/unnoticed.md). All others
were as bare.

Tests that set the machine's clock are left out: whatever else runs on the machine would see it jump.

A test that passes with the library is not run without it. One that does not is compared with a bare run, up to ROUNDS
times, since tests that depend on time fail now and then.
"""

# timeout: 14400
# alone

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / d) for d in ("lib", "suites")]
from compare import sessions_end
from harness import environment, finish, folder, injected, ok

ROUNDS = 3
ACTIVE = 0.8  # of the tests that pass leave files: others end by a signal, _exit in the first process, or a filter
SOURCE = Path(os.environ.get("LTP_SRC", "/nonexistent"))
POSIX = SOURCE / "testcases" / "open_posix_testsuite"
SYSCALLS = SOURCE / "testcases" / "kernel" / "syscalls"
base = folder()
base.chmod(0o755)  # tests change their user


@dataclass
class Test:
    name: str
    argv: list[str]
    cwd: Path | None = None
    timeout: float = 120.0
    env: dict[str, str] = field(default_factory=dict)
    cases: Callable[[Path, str], Counter[str]] = lambda home, text: Counter()  # results of its parts
    passed: tuple[int, ...] = (0,)
    always_bare: bool = False  # its parts are compared even if it passes


@dataclass
class Outcome:
    status: int | str
    cases: Counter[str]
    text: str
    active: bool = False

    def as_told(self) -> tuple[int | str, frozenset[tuple[str, int]]]:
        return self.status, frozenset(self.cases.items())


def run(test: Test, inject: bool, place: str) -> Outcome:
    home = base / place
    home.mkdir()
    home.chmod(0o1777)
    out = home / "profiles"
    out.mkdir()
    mine = {"TMPDIR": str(home), "HOME": str(home), **test.env}
    env = injected(out, mine, symbolize=True) if inject else environment(mine)
    argv = [x.replace("HOME", str(home)) for x in test.argv]
    with open(home / "text", "wb") as text:
        child = subprocess.Popen(
            argv, env=env, cwd=test.cwd or home, stdin=subprocess.DEVNULL, stdout=text, stderr=text,
            start_new_session=True,
        )  # fmt: skip
        status: int | str
        try:
            status = child.wait(test.timeout)
        except subprocess.TimeoutExpired:
            status = "still running"
            sessions_end(child.pid)
            child.wait()
    said = (home / "text").read_text(errors="replace")
    result = Outcome(status, test.cases(home, said), said)
    result.active = any(out.rglob("*.pb.gz"))
    shutil.rmtree(home, ignore_errors=True)
    return result


def differs(ours: Outcome, bare: list[Outcome]) -> str:
    if ours.as_told() in [b.as_told() for b in bare]:
        return ""
    last = bare[-1]
    parts = f"{dict(ours.cases - last.cases)} for {dict(last.cases - ours.cases)}" if ours.cases or last.cases else ""
    return f"{ours.status}, bare {last.status}; {parts} {ours.text[-300:]!r}"


def judge(group: str, tests: list[Test], jobs: int) -> None:
    chosen = [t for t in tests if not sys.argv[2:] or any(re.search(x, t.name) for x in sys.argv[2:])]
    began, active, again = time.monotonic(), 0, []

    def first(numbered: tuple[int, Test]) -> Outcome:
        return run(numbered[1], True, f"{group}.{numbered[0]}")

    with ThreadPoolExecutor(jobs) as pool:
        for test, ours in zip(chosen, pool.map(first, enumerate(chosen))):
            active += ours.active
            if ours.status in test.passed and not test.always_bare:
                ok(f"{group}: {test.name}", True)
            else:
                again.append((test, ours))
    count: Counter[str] = Counter()
    for n, (test, ours) in enumerate(again):
        bare: list[Outcome] = []
        for round in range(ROUNDS):
            bare.append(run(test, False, f"{group}.{n}.{round}.bare"))
            if not (why := differs(ours, bare)):
                break
            if round + 1 < ROUNDS:
                ours = run(test, True, f"{group}.{n}.{round}")
                if ours.status in test.passed and not test.always_bare:
                    why = ""
                    break
        count["fail bare"] += bare[-1].status not in test.passed
        ok(f"{group}: {test.name}", not why, f"{ours.status} as bare", why)
    share = active / max(1, len(chosen))
    ok(f"{group}: the library was active", share >= ACTIVE or bool(sys.argv[2:]), f"{share:.0%} left files")
    seconds = time.monotonic() - began
    print(f"# {group}: {len(chosen)} tests, {count['fail bare']} fail bare, {seconds:.0f} s", flush=True)


# ------------------------------------------------------------------------------------------------- CPython

PYTHON = "/usr/bin/python3"
MODULES = """test_signal test_threading test_threadsignals test_thread test_threading_local test_subprocess
    test_faulthandler test_fork1 test_wait3 test_wait4 test_eintr test_posix test_os test_popen test_pty test_select
    test_selectors test_poll test_epoll test_mmap test_resource test_time test_queue test_sched test_atexit
    test_concurrent_futures test_multiprocessing_fork test_multiprocessing_spawn test_multiprocessing_forkserver
    test_asyncio""".split()


def unittest_cases(home: Path, text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    report = home / "report.xml"
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else []:
        inside = {child.tag for child in case} & {"failure", "error", "skipped"}
        found[f"{case.get('name')}: {' '.join(sorted(inside)) or case.get('result')}"] += 1
    return found


def python() -> Iterator[Test]:
    for module in MODULES:
        argv = [PYTHON, "-m", "test", "-u", "none", "--junit-xml", "HOME/report.xml", module]
        yield Test(module, argv, None, 900, {}, unittest_cases, always_bare=True)


# ----------------------------------------------------------------------------------------------- stress-ng

STRESSORS = """sigabrt sigchld sigfd sigfpe sigio signal signest sigpending sigpipe sigq sigrt sigsegv sigsuspend sigtrap
    kill fork vfork forkheavy clone daemon zombie wait exec session pidfd timer timerfd itimer alarm hrtimers nanosleep
    clock seccomp prctl personality mmap munmap mremap mmapaddr mmapfixed mmapfork mmapmany mprotect madvise brk stack
    stackmmap bad-altstack mutex futex sem sem-sysv mq msg rseq usersyscall context dynlib env set fault userfaultfd
    schedpolicy sched-prio pthread tsc poll epoll pipe pipeherd switch yield eventfd fd-race chroot
    close rlimit resched malloc remap mincore mlock memfd shm cgroup dnotify inotify ptrace procfs get
    landlock funccall longjmp setcontext vm-segv regs tree judy atomic priv-instr noop nop goto""".split()


def complaints(home: Path, text: str) -> Counter[str]:
    lines = re.findall(r"^stress-ng: (?:fail|error): +\[\d+\] (.*)$", text, re.M)
    return Counter({re.sub(r"0x[0-9a-f]+|\d+", "N", line): 1 for line in lines})


def stress() -> Iterator[Test]:
    known = subprocess.run(["stress-ng", "--stressors"], capture_output=True, text=True).stdout.split()
    for name in STRESSORS:
        if name in known:
            argv = ["stress-ng", f"--{name}", "2", "-t", "2s", "--verify", "--temp-path", "HOME"]
            yield Test(name, argv, None, 60, {}, complaints, passed=(0, 3))


# ---------------------------------------------------------------------------------------------------- LTP


SETS_CLOCK = re.compile(r"clock_settime|settimeofday|stime|adjtime")


def posix() -> Iterator[Test]:
    for path in sorted(POSIX.rglob("*.run-test")):
        if "stress" not in path.parts and not SETS_CLOCK.search(str(path)):
            args = path.with_suffix(".args")
            more = args.read_text().split() if args.exists() else []
            name = str(path.relative_to(POSIX).with_suffix(""))
            yield Test(name, [str(path), *more], path.parent, 300)


# The folders of testcases/kernel/syscalls whose tests are run.
PARTS = r"""signal|rt_sig\w+|sigaction|sigaltstack|sighold|sigpending|sigprocmask|sigrelse|sigsuspend|sigtimedwait|sigwait|
    sigwaitinfo|signalfd\d*|kill|tkill|tgkill|pause|alarm|[sg]etitimer|timer_\w+|timerfd|clock_\w+|nanosleep|fork|vfork|
    clone3?|exec\w+|wait4?|waitp?id|exit|exit_group|prctl|capset|set\w*id\w*|setgroups|chroot|pivot_root|unshare|setns|
    getp?pid|ptrace|pidfd_\w+|futex|mmap|munmap|mremap|fcntl|getrusage|times|p?poll|p?select|epoll_p?wait|msgrcv|semop|
    umount2?|abort|sched_\w+|membarrier|rseq|personality|close_range|brk|mprotect|mlock\w*|madvise"""
PART = re.compile("".join(PARTS.split()))
# They fill the machine, or want hours.
LEFT_OUT = ("fork13", "fork14", "mmap10_3", "sched_setscheduler")


def tally(home: Path, text: str) -> Counter[str]:
    """How many parts of a test came out how."""
    return Counter(re.findall(r"\b(TPASS|TFAIL|TBROK|TCONF)\b", text))


def ltp() -> Iterator[Test]:
    for line in (SOURCE / "runtest" / "syscalls").read_text().splitlines():
        words = line.split()
        if len(words) < 2 or line.startswith("#") or words[0].startswith(LEFT_OUT) or SETS_CLOCK.search(words[0]):
            continue
        found = [p for p in SYSCALLS.glob(f"*/**/{words[1]}") if p.is_file() and os.access(p, os.X_OK)]
        inner = [p for p in found if any(PART.fullmatch(x) for x in p.relative_to(SYSCALLS).parts[:-1])]
        if inner:
            place = inner[0].parent
            env = {"LTPROOT": str(SOURCE), "PATH": f"{place}:{os.environ['PATH']}", "LTP_COLORIZE_OUTPUT": "0"}
            yield Test(words[0], [str(inner[0]), *words[2:]], place, 200, env, tally, passed=(0, 32))


GROUPS: dict[str, tuple[Callable[[], Iterator[Test]], int, Callable[[], bool], str]] = {
    "python": (python, 1, lambda: Path("/usr/lib/python3.11/test/test_signal.py").exists(), "libpython3-testsuite"),
    "stress": (stress, 1, lambda: shutil.which("stress-ng") is not None, "stress-ng"),
    "posix": (posix, 6, lambda: any(POSIX.rglob("*.run-test")), "LTP_SRC with testcases/open_posix_testsuite built"),
    "ltp": (ltp, 2, lambda: (SOURCE / "lib" / "libltp.a").exists(), "LTP_SRC with LTP built"),
}  # fmt: skip

for wanted, (listed, how_many, there, needs) in GROUPS.items():
    if sys.argv[1:] and sys.argv[1] != wanted:
        continue
    if there():
        judge(wanted, list(listed()), how_many)
    else:
        ok(f"{wanted}: skipped, it needs {needs}", True)
finish()
