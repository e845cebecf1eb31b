#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Work that alternates at the pace of the sampling timer gets its true share of the CPU profile."""

# timeout: 120

from __future__ import annotations

import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import case, finish, inject, ok, program

SECONDS, RATE = 3, 100
# ns of each kind. With a timer that expires in every period at the same instant, all samples of the first pair fell on
# one kind or on the other, or, where the timer drifts, anywhere between 6 and 94 %.
PACES = ((5_000_000, 5_000_000), (2_000_000, 8_000_000), (15_000_000, 5_000_000))


def share(a: int, b: int) -> None:
    result = inject([program("in_step"), str(a), str(b), str(SECONDS)], {"PPROF_CPU_RATE": str(RATE)}, symbolize=True)
    first, second = map(int, result.stdout.split())
    cpu = result.dump()["cpu"].cumulative("cpu")
    got = [cpu.get("first_kind", 0), cpu.get("second_kind", 0)]
    n = sum(got) * RATE / 1e9
    true = first / (first + second)
    seen = got[0] / max(sum(got), 1)
    # 4 standard deviations of n independent samples.
    bound = 4 * math.sqrt(true * (1 - true) / max(n, 1))
    ok(f"{a / 1e6:g} ms and {b / 1e6:g} ms: the first kind's share", abs(seen - true) <= bound,
       f"{100 * seen:.1f} of {100 * true:.1f} %, bound {100 * bound:.1f}")  # fmt: skip
    ok(f"{a / 1e6:g} ms and {b / 1e6:g} ms: the sum", abs(n - SECONDS * RATE) <= 6, n)


for pace in PACES:
    with case(f"{pace}"):
        share(*pace)
finish()
