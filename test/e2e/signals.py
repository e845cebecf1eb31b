#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program keeps its own SIGUSR2 and SIGPROF: handlers, masks, timers, and what it reads back."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import bare, case, finish, inject, ok, program, start


def alike(what: str) -> None:
    argv = [program("own_signals"), what]
    plain, result = bare(argv), inject(argv)
    ok(f"{what}: as bare", result.stdout == plain.stdout, "", result.stdout)
    ok(f"{what}: no dump but the last", result.numbers() == [1], result.numbers())


def handled() -> None:
    """A SIGUSR2 from outside causes a dump and runs the program's handler."""
    live = start([program("own_signals"), "handled"])
    live.line()
    live.dump()
    result = live.end("go")
    ok("a handler of its own runs too", result.stdout == "1\n", result.stdout.strip())
    ok("and the dump is made", result.numbers() == [1, 2], result.numbers())


def ignored() -> None:
    """A program that ignores SIGUSR2 reads that back, and the dump is made all the same."""
    live = start([program("own_signals"), "ignored"])
    live.line()
    live.dump()
    result = live.end("go")
    ok("ignored: reads it back", (result.status, result.stdout) == (0, "ignored\n"), result.stdout)
    ok("ignored: and the dump is made", result.numbers() == [1, 2], result.numbers())


def held_back(what: str, says: str) -> None:
    """A SIGUSR2 that all threads block stays pending, and one that the program takes by signalfd is the program's."""
    live = start([program("own_signals"), what])
    live.line()
    active = live.preloaded()
    os.kill(live.pid, signal.SIGUSR2)
    time.sleep(0.5)  # a dump of this small program takes a few ms
    ok(f"{what}: no dump by the signal", active and not live.numbers(), live.numbers())
    result = live.end("go\ngo")
    ok(f"{what}: goes on", (result.status, result.stdout) == (0, says), result.stdout.split())
    ok(f"{what}: one dump, at the end", result.numbers() == [1], result.numbers())


def waits(what: str) -> None:
    argv = [program("sigprof_waits"), what]
    plain, result = bare(argv), inject(argv, {"PPROF_CPU_RATE": "4000", "PPROF_CHILDREN": "0"})
    ok(f"{what}: as bare", result.stdout == plain.stdout, "", result.stdout[-300:])
    ok(f"{what}: no dump but the last", result.numbers() == [1], result.numbers())


WAITS = ("sig_wait", "all_signals", "by_descriptor", "let_in", "in_a_thread", "own_timer", "interrupts", "spawned")  # fmt: skip
for mode in WAITS:
    with case(mode):
        waits(mode)
for mode in ("read_back", "to_itself", "with_a_value", "own_timer"):
    with case(mode):
        alike(mode)
with case("handled"):
    handled()
with case("ignored"):
    ignored()
for mode, output in (("blocked", "ready\n"), ("taken", "1\nready\n")):
    with case(mode):
        held_back(mode, output)
finish()
