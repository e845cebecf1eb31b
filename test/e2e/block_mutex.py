#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""block and mutex against programs that know what they waited: every primitive, the specification's
own example, the sampling of both, and what is off.

A program reads its clock around each wait; the profile reads it inside, and a thread can lose its
processor between the two. The bars (3 % of a wait, 2 % of what a release held up) are of 0.2 s and
more, so on a busy machine they are 6 and 4 ms.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import case, finish, inject, ok, program
from profile import Profile
from truth import SIGMAS, truth

EXACT = {"PPROF_BLOCK_RATE": "1", "PPROF_MUTEX_FRACTION": "1"}


def near(label: str, profile: Profile, site: str, true: float, bar: float, count: int | None) -> None:
    """The delay at a leaf is the true one within the bar, and so often."""
    delay = profile.flat("delay", elf.name).get(site, 0)
    n = profile.flat("contentions", elf.name).get(site, 0)
    good = abs(delay - true) <= bar * true and (count is None or n == count)
    ok(f"{label}", good, f"{n} x, {delay / 1e9:.4f} s of {true / 1e9:.4f} s, bar {bar:.0%}")


def primitives() -> None:
    run = inject([program("blocked")], EXACT)
    dump = run.dump()
    for name, data in truth(run).items():
        near(f"block: wait_{name}", dump["block"], f"wait_{name}", data["waited"], 0.03, 1)
        if data["held_up"]:
            near(f"mutex: release_{name}", dump["mutex"], f"release_{name}", data["held_up"], 0.02, 1)
    sites = dump["mutex"].flat("contentions", elf.name)
    for site in ("inner_mutex_recursive", "first_reader_leaves"):
        ok(f"mutex: nothing at {site}", site not in sites)
    others = [s for s in sites if not s.startswith(("release_", "[lost"))]
    ok("mutex: nobody else is charged", not others, others)


def specification() -> None:
    run = inject([program("holders")], EXACT)
    dump = run.dump()
    for name, true in truth(run).items():
        kind = "block" if name.startswith("waiter") else "mutex"
        near(f"{kind}: {name}", dump[kind], name, true, 0.02, 1)


def block_sampling() -> None:
    """n waits of d < rate are kept with probability d/rate and count for rate ns each."""
    rate = 50000
    run = inject([program("many_waits"), "block"], {"PPROF_BLOCK_RATE": str(rate), "PPROF_SEED": "1"})
    block = run.dump()["block"]
    delay = block.flat("delay", elf.name)
    counts = block.flat("contentions", elf.name)
    data = truth(run)
    total, true = sum(delay.get(s, 0) for s in data), sum(ns for _, ns in data.values())
    ok("rate 50,000: the total delay within 5 %", abs(total / true - 1) <= 0.05, f"{total / true:.4f}")
    for site, (n, ns) in data.items():
        p = min(1.0, ns / n / rate)
        sigma = math.sqrt((1 - p) / (n * p))
        ratio = counts.get(site, 0) / n
        # Waits differ in length, and a count of 1/d is the more uncertain the shorter the wait.
        slack = 2 * SIGMAS * sigma + 0.01
        ok(f"rate 50,000: {site} counted", abs(ratio - 1) <= slack, f"{ratio:.4f} +- {slack:.3f}")
    exact = inject([program("many_waits"), "block"], EXACT)
    block = exact.dump()["block"]
    for site, (n, ns) in truth(exact).items():
        got = block.flat("contentions", elf.name).get(site, 0)
        delay = block.flat("delay", elf.name).get(site, 0)
        ok(f"rate 1: {site}", got == n and abs(delay / ns - 1) <= 0.05, f"{got}, {delay / ns:.4f}")


def mutex_sampling() -> None:
    for fraction in (1, 10):
        rate = {"PPROF_MUTEX_FRACTION": str(fraction), "PPROF_SEED": "3"}
        run = inject([program("many_waits"), "mutex"], rate)
        mutex = run.dump()["mutex"]
        n, ns = truth(run)["site_release"]
        count = mutex.flat("contentions", elf.name).get("site_release", 0)
        delay = mutex.flat("delay", elf.name).get("site_release", 0)
        sigma = math.sqrt((fraction - 1) / n)
        counted = abs(count / n - 1) <= SIGMAS * sigma + 0.005
        # Rounds of equal length but for the machine's load: as uncertain as their number, or twice.
        timed = abs(delay / ns - 1) <= 2 * SIGMAS * sigma + 0.05
        ok(f"fraction {fraction}: counted", counted, f"{count / n:.4f}, sigma {sigma:.4f}")
        ok(f"fraction {fraction}: charged", timed, f"{delay / ns:.4f}")


def off() -> None:
    for label, env in (
        ("rates of 0", {"PPROF_BLOCK_RATE": "0", "PPROF_MUTEX_FRACTION": "0"}),
        ("not listed", EXACT | {"PPROF_PROFILES": "cpu"}),
    ):
        dump = inject([program("blocked")], env).dump()
        got = {kind: len(dump[kind].samples) for kind in ("block", "mutex")}
        ok(f"{label}: nothing is recorded", got == {"block": 0, "mutex": 0}, got)
    dump = inject([program("blocked")], EXACT | {"PPROF_BLOCK_RATE": "0"}).dump()
    ok("mutex without block", not dump["block"].samples and dump["mutex"].samples)
    dump = inject([program("blocked")], EXACT | {"PPROF_MUTEX_FRACTION": "0"}).dump()
    ok("block without mutex", dump["block"].samples and not dump["mutex"].samples)


for check in (primitives, specification, block_sampling, mutex_sampling, off):
    with case(check.__name__):
        check()
finish()
