#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""heap: the mean over 100 values of PPROF_SEED lies within 4 standard errors of the truth at every
site, and the values spread as Poisson sampling says.

The variance of n = 100 values has a standard error of sqrt(2 / (n - 1)) = 14 % of itself when they are
normal; with sums of some 20 rare events it is larger, so a factor of 2 each way is allowed. That suffices
to notice seeds that change nothing and draws that are not independent.
"""

# timeout: 900

from __future__ import annotations

import math
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean, variance

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import case, finish, inject, ok, program
from truth import SIGMAS, columns, sites, truth

SEEDS = 100
RATE = 524288


def judge(name: str) -> None:
    values: dict[tuple[str, str], list[int]] = defaultdict(list)
    for seed in range(1, SEEDS + 1):
        run = inject([program(name)], {"PPROF_SEED": str(seed)})
        heap = run.dump()["heap"]
        books = sites(truth(run))
        for kind in heap.sample_types:
            sums = heap.cumulative(kind.type, elf.name)
            for site in books:
                values[site, kind.type].append(sums.get(site, 0))
    for site, book in books.items():
        for column, (true, sigma) in columns(book, RATE).items():
            got = values[site, column]
            if not sigma:
                ok(f"{name} {site} {column}: exact", set(got) == {true}, true, sorted(set(got))[:5])
                continue
            error = sigma / math.sqrt(SEEDS)
            # Values are whole numbers: truncation takes half a unit of a sample on average.
            off = (fmean(got) - true) / error
            figures = f"{fmean(got):.0f} of {true}, {off:+.2f} standard errors"
            ok(f"{name} {site} {column}: mean", abs(off) <= SIGMAS, figures)
            spread = variance(got) / sigma**2
            ok(f"{name} {site} {column}: spread", 0.5 <= spread <= 2, f"{spread:.2f} of the theory")


for program_name in ("heap_sites", "heap_sites_cxx"):
    with case(program_name):
        judge(program_name)
finish()
