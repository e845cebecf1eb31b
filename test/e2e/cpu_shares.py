#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cpu: 50/30/20 % burnt in three functions on two threads come out as that.

Each part runs for 160 ms or more at a time, so a stretch is off by less than a period. The standard deviation
of a stretch with two random ends is 10 ms x 1/sqrt(6); of 5 stretches it is 9 ms of 800 ms, well below 4 points.
"""

# alone

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import case, finish, inject, ok, program
from truth import truth

SHARE = 4.0  # points
TOTAL = 5.0  # percent of getrusage


def judge(rate: int, before: tuple[str, ...] = ()) -> None:
    env = {"PPROF_CPU_RATE": str(rate), "PPROF_ONLY": "cpu_shares"}
    run = inject([*before, program("cpu_shares")], env)
    said = truth(run)
    used = said.pop("total")
    cpu = run.dump()["cpu"]
    ok(f"{rate} Hz: the period", cpu.period == 10**9 // rate, cpu.period)
    sums = cpu.cumulative("cpu", elf.name)
    burnt = sum(said.values())
    total = cpu.total("cpu")
    for name, spent in said.items():
        got, true = 100 * sums[name] / max(total, 1), 100 * spent / burnt
        ok(f"{rate} Hz: share of {name}", abs(got - true) <= SHARE, f"{got:.1f} of {true:.1f} %")
    off = 100 * (total / used - 1)
    ok(f"{rate} Hz: total of getrusage", abs(off) <= TOTAL, f"{total / 1e9:.3f} s, {off:+.2f} %")
    seconds = cpu.duration_nanos / 1e9
    # The two threads have two processors or one, so the run lasts half its CPU time or longer. A duration in a
    # wrong unit or since a wrong start is far outside.
    ok(f"{rate} Hz: duration", used / 2e9 * 0.9 < seconds < 120, f"{seconds:.2f} s")


def off() -> None:
    run = inject([program("cpu_shares")], {"PPROF_CPU_RATE": "0"})
    ok("rate 0: no sample", not run.dump()["cpu"].samples)


for hertz in (100, 1000):
    with case(f"{hertz} Hz"):
        judge(hertz)
with case("without timers"):
    # Each timer reserves a pending signal.
    judge(1000, ("prlimit", "--sigpending=0"))
with case("rate 0"):
    off()
finish()
