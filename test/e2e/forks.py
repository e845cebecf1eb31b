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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import Failure, case, files_in, finish, inject, judged, ok, program, start

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


with case("first thread ends"):
    first_thread_ends()
with case("first thread ends, by interval"):
    first_thread_ends_by_interval()
for name in ("signal.SIGTERM", "signal.SIGHUP"):
    with case(f"child of process 1, {name}"):
        child_of_init(name)
finish()
