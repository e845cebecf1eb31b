#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Processes that are born, or go on, in unusual ways leave the profiles that others do: a process whose first thread
has ended, the children of the first process of a pid namespace.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import Failure, Run, bare, case, files_in, finish, inject, judged, ok, program, start

WAYS = ("fork", "_Fork", "sys_fork", "sys_clone", "sys_clone3", "clone", "inline", "sys_clone_files")
ENDS = ("exit", "_exit", "TERM", "exec")
BEFORE, IN_CHILD = 32, 64  # blocks in births.c
BEHIND = 64  # and in zygotes.c, by each of two threads
# The program burns 60 ms in either process, at 1000 Hz. On a busy machine the kernel looks at timers late.
SAMPLES = 5
PATIENCE = 30.0  # seconds for what takes some milliseconds on an idle machine
NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"]
if os.getuid() != 0:
    NAMESPACE.insert(1, "--map-root-user")


def first_thread_ends() -> None:
    live = start([program("first_thread_ends")], {"PPROF_MEM_RATE": "1"})
    live.line()
    live.tell("work")
    live.line()
    dump = {kind: judged(path) for kind, path in live.dump(signal.SIGUSR2).items()}
    where = dump["goroutine"].cumulative("goroutine", elf.name)
    ok("the first thread has ended: the others are seen", where.get("sleeps_on") == where.get("obeys") == 1, dict(where))
    ok("and no third one", dump["goroutine"].total("goroutine") == 2, dump["goroutine"].total("goroutine"))
    ok("CPU is counted", dump["cpu"].cumulative("samples", elf.name).get("burn_after", 0) > 0)
    run = live.end()
    ok("its end dumps", run.status == 7 and run.numbers() == [1, 2], f"{run.status} {run.numbers()}")


def first_thread_ends_by_interval() -> None:
    live = start([program("first_thread_ends")], {"PPROF_INTERVAL": "1"})
    live.line()
    until = time.monotonic() + PATIENCE
    while len(live.numbers()) < 3 and time.monotonic() < until:
        time.sleep(0.1)
    got = live.numbers()
    ok("and dumps by interval go on", len(got) >= 3, got)
    live.end()


def child_of_init(sig: str) -> None:
    """The shell is process 1; its child, which is forked and then works, is sent the signal."""
    script = f"import os,signal,time\npid=os.fork()\nif pid==0:\n while 1: sum(range(10000))\ntime.sleep(.3)\nos.kill(pid,{sig})"
    script += "\nprint(os.waitpid(pid,0)[1])"
    run = inject([*NAMESPACE, sys.executable, "-c", script], {"PPROF_CPU_RATE": "1000"}, expect=None)
    python = [f for f in files_in(run.out) if f.exe.startswith("python")]
    if run.status:
        raise Failure(run.stderr)
    ok(f"a child of process 1 dumps on {sig}", {f.pid for f in python} == {1, 2}, {f.pid for f in python}, run.stderr)
    ok(f"and dies of {sig}", run.stdout == f"{int(getattr(signal, sig.split('.')[1]))}\n", run.stdout)


def child_of(run: Run) -> tuple[int, int]:
    pid, status = run.stdout.split()
    return int(pid), int(status)


def birth(way: str, end: str, *how: str, **extra: str) -> None:
    """A child has a profile of its own: its own events from zero, and of its parent's only what is still in use."""
    name = " ".join((way, end, *how, *extra))
    run = inject([program("births"), way, end, *how], {"PPROF_MEM_RATE": "1", "PPROF_CPU_RATE": "1000", **extra})
    child, status = child_of(run)
    want = signal.SIGTERM if end == "TERM" else 3 << 8
    ok(f"{name}: the child ends as bare", status == want, status)
    mine = run.dump()
    its = {f.kind: judged(f.path) for f in run.files(child) if f.exe == "births" and f.number == 1}  # and not the shell's
    # Where other threads want the processors too, a thread of 60 ms may end before its timer's signal.
    late = "[thread end]" if how else ""
    burnt = its["cpu"].cumulative("samples", elf.name)
    ok(f"{name}: its CPU", burnt.get("burn_in_child", 0) + burnt.get(late, 0) > SAMPLES and "burn_before" not in burnt, burnt.get("burn_in_child"))
    made, used = its["heap"].cumulative("alloc_objects", elf.name), its["heap"].cumulative("inuse_objects", elf.name)
    heap = made.get("site_in_child", 0), made.get("site_before", 0), used.get("site_before", 0)
    ok(f"{name}: its heap", heap == (IN_CHILD, 0, BEFORE), heap)
    others = mine["cpu"].cumulative("samples", elf.name)
    ok(f"{name}: its parent's", "burn_in_child" not in others and others.get("burn_before", 0) + others.get(late, 0) > SAMPLES, others.get("burn_before"))


def idle(way: str) -> None:
    run = inject([program("births"), way, "idle"])
    child, status = child_of(run)
    ok(f"{way}: one that did nothing leaves nothing", status == 3 << 8 and not run.files(child), status)


def waits(way: str) -> None:
    run = inject([program("births"), way, "_exit", "shared"], {"PPROF_BLOCK_RATE": "1"})
    block = run.dump(pid=child_of(run)[0])["block"].cumulative("contentions", elf.name)
    ok(f"{way}: its waits", block.get("wait_in_child") == 1, block.get("wait_in_child"))


def zygote(way: str, how: str, action: str) -> None:
    """A child that forbids itself our system calls, before or after the library has met it, ends as bare."""
    argv = [program("zygotes"), way, how, action]
    plain, mine = bare(argv), inject(argv, {"PPROF_MEM_RATE": "1", "PPROF_CPU_RATE": "1000"})
    ok(f"{' '.join(argv[1:])}: the child ends as bare", mine.stdout == plain.stdout == f"{3 << 8}\n", mine.stdout.strip())
    seen = [judged(f.path) for f in files_in(mine.out) if f.kind == "heap" and f.pid != mine.pid]
    blocks = sum(p.cumulative("alloc_objects", elf.name).get("site_behind", 0) for p in seen)
    ok(f"{' '.join(argv[1:])}: and is profiled where it may be", blocks == (2 * BEHIND if action == "none" else 0) or how == "inline", blocks)


def without_thread_block() -> None:
    """Such a child as a browser's sandbox makes: on its parent's memory, and without errno."""
    argv = [program("no_thread_block")]
    plain, mine = bare(argv), inject(argv)
    ok("a child without a thread block ends as bare", mine.stdout == plain.stdout != "", mine.stdout, plain.stdout)


CASES: list[tuple[Callable[..., None], tuple[str, ...], dict[str, str]]] = [
    *((birth, (way, end), {}) for way in WAYS for end in ENDS),
    *((birth, (way, "exit", "threads"), {}) for way in WAYS),
    *((birth, (way, "_exit", "grandchild", "closed"), {"PPROF_INTERVAL": "1"}) for way in WAYS if "files" not in way),
    *((birth, (way, "exit", "handler"), {}) for way in WAYS),
    *((idle, (way,), {}) for way in WAYS),
    *((waits, (way,), {}) for way in WAYS),
    *((birth, (way, "_exit", "spawns"), {}) for way in WAYS),
    *((zygote, (way, "prctl", action), {}) for way in ("fork", "clone", "inline") for action in ("none", "timers", "few")),
    *((zygote, words, {}) for words in (("clone", "inline", "timers"), ("inline", "inline", "timers"), ("inline", "inline", "few"))),
]


def attempt(one: tuple[Callable[..., None], tuple[str, ...], dict[str, str]]) -> None:
    judge, words, extra = one
    with case(" ".join(words)):
        judge(*words, **extra)


with ThreadPoolExecutor(2) as pool:
    list(pool.map(attempt, CASES))
with case("without a thread block"):
    without_thread_block()
with case("first thread ends"):
    first_thread_ends()
with case("first thread ends, by interval"):
    first_thread_ends_by_interval()
for name in ("signal.SIGTERM", "signal.SIGHUP"):
    with case(f"child of process 1, {name}"):
        child_of_init(name)
finish()
