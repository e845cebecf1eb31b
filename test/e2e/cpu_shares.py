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


def judge(rate: int) -> None:
    env = {"PPROF_CPU_RATE": str(rate), "PPROF_ONLY": "cpu_shares"}
    run = inject([program("cpu_shares")], env)
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


def without_timers() -> None:
    """Each timer reserves a pending signal. Where the kernel has none, the CPU is there all the same, as lost."""
    run = inject(["prlimit", "--sigpending=0", program("cpu_shares")], {"PPROF_ONLY": "cpu_shares"})
    used = truth(run)["total"]
    cpu = run.dump()["cpu"]
    lost = cpu.flat("cpu", elf.name)["[lost: not sampled]"]
    off = 100 * (cpu.total("cpu") / used - 1)
    ok("no timers: all is lost", lost >= 0.9 * used, f"{lost / 1e9:.2f} of {used / 1e9:.2f} s")
    ok("no timers: total of getrusage", abs(off) <= TOTAL, f"{off:+.2f} %")


def off() -> None:
    run = inject([program("cpu_shares")], {"PPROF_CPU_RATE": "0"})
    ok("rate 0: no sample", not run.dump()["cpu"].samples)


for hertz in (100, 1000):
    with case(f"{hertz} Hz"):
        judge(hertz)
with case("without timers"):
    without_timers()
with case("rate 0"):
    off()
finish()
