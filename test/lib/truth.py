# SPDX-License-Identifier: MIT
"""The known truth that a test program prints, and how far a sample of it may be off.

Heap: a program prints, per site, its requests as [size, count] pairs. An allocation of size s is
sampled with probability q = 1 - e^(-s/R) and then counts for 1/q objects, so n of them have the
mean n and the variance n(1-q)/q in objects, n*s^2*(1-q)/q in bytes. At R = 1 every allocation is
kept and counts for one.

Cpu: a timer of period p that starts at a random phase ticks floor(c/p) times in c of CPU time, and
once more with probability f = the fraction of c/p; so c is measured with the variance p^2*f*(1-f).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from harness import Failure, Run, ok
from profile import Namer, Profile

SIGMAS = 4  # one check in 16,000 lies outside by chance; with PPROF_SEED none varies from run to run


@dataclass
class Classes:
    """A number of requests for each size: a site's allocations, or those that are never freed."""

    pairs: list[tuple[int, int]]

    def objects(self) -> int:
        return sum(n for _, n in self.pairs)

    def bytes(self) -> int:
        return sum(size * n for size, n in self.pairs)

    def spread(self, size: int, rate: int) -> float:
        """(1-q)/q: the variance of the count of objects that one allocation adds."""
        return 0.0 if rate <= 1 else 1 / math.expm1(size / rate)

    def sigma_objects(self, rate: int) -> float:
        return math.sqrt(sum(n * self.spread(size, rate) for size, n in self.pairs))

    def sigma_bytes(self, rate: int) -> float:
        return math.sqrt(sum(n * size * size * self.spread(size, rate) for size, n in self.pairs))


@dataclass
class Site:
    alloc: Classes
    inuse: Classes


def truth(run: Run) -> dict:
    """The JSON object that a program prints as its last line."""
    lines = run.stdout.strip().splitlines()
    if not lines:
        raise Failure(f"the program printed nothing; stderr: {run.stderr[-300:]!r}")
    return json.loads(lines[-1])


def sites(data: dict) -> dict[str, Site]:
    def classes(pairs: list) -> Classes:
        return Classes([(int(size), int(count)) for size, count in pairs])

    return {
        name: Site(classes(site["alloc"]), classes(site["inuse"]))
        for name, site in data["sites"].items()
    }


def columns(site: Site, rate: int) -> dict[str, tuple[int, float]]:
    """For each sample type of the heap profile the true value and one sigma."""
    return {
        "alloc_objects": (site.alloc.objects(), site.alloc.sigma_objects(rate)),
        "alloc_space": (site.alloc.bytes(), site.alloc.sigma_bytes(rate)),
        "inuse_objects": (site.inuse.objects(), site.inuse.sigma_objects(rate)),
        "inuse_space": (site.inuse.bytes(), site.inuse.sigma_bytes(rate)),
    }


def heap_checks(label: str, heap: Profile, data: dict, rate: int, namer: Namer) -> None:
    """One check per site: each of the four columns within 4 sigma, or exact at rate 1."""
    sums = {t.type: heap.cumulative(t.type, namer) for t in heap.sample_types}
    if heap.period != rate:
        raise Failure(f"the heap profile says rate {heap.period}, not {rate}")
    for name, site in sites(data).items():
        wrong, shown = [], []
        for column, (value, sigma) in columns(site, rate).items():
            got = sums[column].get(name, 0)
            # Values are whole numbers: each (stack, size) loses at most 1 in truncation.
            slack = SIGMAS * sigma + (len(site.alloc.pairs) * 4 if sigma else 0)
            if abs(got - value) > slack:
                wrong.append(f"{column} {got}, true {value} +- {slack:.0f}")
            if column.endswith("_space"):
                off = f"{(got - value) / sigma:+.1f} sigma" if sigma else f"{got - value:+d} B"
                shown.append(f"{column} {got / 2**20:.2f} of {value / 2**20:.2f} MiB {off}")
        ok(f"{label} {name}", not wrong, ", ".join(shown), "; ".join(wrong))
    if rate > 1:
        whole_check(label, sums, sites(data), rate)


def whole_check(label: str, sums: dict[str, dict[str, int]], books: dict[str, Site], rate: int) -> None:
    """All sites as one: many samples, so that 4 sigma is narrow where a small site's is wide."""
    for column in ("alloc_space", "inuse_space"):
        each = [columns(site, rate)[column] for site in books.values()]
        true, sigma = sum(v for v, _ in each), math.sqrt(sum(s * s for _, s in each))
        off = (sum(sums[column].get(name, 0) for name in books) - true) / sigma
        allowed = f"allowed +-{SIGMAS * sigma / true:.1%}"
        ok(f"{label} all sites {column}", abs(off) <= SIGMAS, f"{off:+.2f} sigma, {allowed}")


def cpu_sigma(spent: list[int], period: float) -> float:
    """One sigma of the sum, for threads that spent so much (ns) under timers of this period."""
    variance = 0.0
    for c in spent:
        f = (c / period) % 1.0
        variance += period * period * f * (1 - f)
    return math.sqrt(variance)
