#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cpu: 1,000 short threads, made and ended in four ways, keep their CPU time in the profile.

A thread's timer starts at a random phase, so what a thread shows has the mean of its CPU time and
the variance p^2 f (1 - f) (truth.py); the sum of all must lie
within 4 sigma of the sum of their own CPU clocks, plus 1 % for what a thread spends before its start routine
and after its last reading of the clock.
"""

# alone
# timeout: 300

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import case, finish, inject, ok, program
from truth import SIGMAS, cpu_sigma, truth

THREADS = 1000
STARTS = ("short_returns", "short_exits", "short_c11", "short_c11_exits")  # by index modulo 4


def judge(ms: int, rate: int) -> None:
    label = f"{THREADS} threads of {ms} ms at {rate} Hz"
    argv = [program("cpu_threads"), str(THREADS), str(ms * 1000)]
    run = inject(argv, {"PPROF_CPU_RATE": str(rate)}, timeout=200)
    spent = truth(run)["spent"]
    cpu = run.dump()["cpu"]
    sums = cpu.cumulative("cpu", elf.name)
    groups = {name: (spent[i::4], sums[name]) for i, name in enumerate(STARTS)}
    groups["all"] = (spent, sum(sums[name] for name in STARTS))
    for name, (clocks, got) in groups.items():
        true, sigma = sum(clocks), cpu_sigma(clocks, 1e9 / rate)
        slack = SIGMAS * sigma + 0.01 * true
        figures = f"{got / true:.3f} of the truth, allowed +-{slack / true:.3f}"
        ok(f"{label}: {name}", abs(got - true) <= slack, figures)


for milliseconds in (3, 30):
    for hertz in (100, 1000):
        with case(f"{milliseconds} ms at {hertz} Hz"):
            judge(milliseconds, hertz)
finish()
