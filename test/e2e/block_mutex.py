#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""block and mutex against programs that know what they waited: every primitive, the specification's
own example, the sampling of both, and what is off.

A program reads its clock before and after each wait, the library reads it in between, and on a busy machine
a thread can lose its processor between the two readings. The programs say where that happened
("disturbed"); such a case is run again, at most TRIES times.
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

TRIES = 4
EXACT = {"PPROF_BLOCK_RATE": "1", "PPROF_MUTEX_FRACTION": "1"}


def near(label: str, profile: Profile, site: str, true: float, bar: float, disturbed: bool) -> None:
    """Whether the delay at a leaf function is the true one within the bar, in one contention."""
    delay = profile.flat("delay", elf.name).get(site, 0)
    n = profile.flat("contentions", elf.name).get(site, 0)
    good = abs(delay - true) <= bar * true or (disturbed and delay > 0)
    figures = f"{n} x, {delay / 1e9:.4f} s of {true / 1e9:.4f} s, bar {bar:.0%}"
    ok(label, good and n == 1, figures + (", disturbed in all runs" if disturbed else ""))


def primitives() -> None:
    found: dict[str, tuple[dict, dict[str, Profile]]] = {}
    for _ in range(TRIES):
        run = inject([program("known_waits")], EXACT)
        dump = run.dump()
        for name, data in truth(run).items():
            if name not in found or found[name][0]["disturbed"]:
                found[name] = data, dump
        if not any(data["disturbed"] for data, _ in found.values()):
            break
    for name, (data, dump) in found.items():
        late = data["disturbed"]
        near(f"block: wait_{name}", dump["block"], f"wait_{name}", data["waited"], 0.03, late)
        if data["held_up"]:
            site = f"release_{name}"
            near(f"mutex: {site}", dump["mutex"], site, data["held_up"], 0.02, late)
    sites = dump["mutex"].flat("contentions", elf.name)
    for site in ("inner_mutex_recursive", "first_reader_leaves"):
        ok(f"mutex: nothing at {site}", site not in sites)
    others = [s for s in sites if not s.startswith(("release_", "[lost"))]
    ok("mutex: nobody else is charged", not others, others)


def specification() -> None:
    for _ in range(TRIES):
        run = inject([program("lock_holders")], EXACT)
        data = truth(run)
        late = data.pop("disturbed")
        if not late:
            break
    dump = run.dump()
    for name, true in data.items():
        kind = "block" if name.startswith("waiter") else "mutex"
        near(f"{kind}: {name}", dump[kind], name, true, 0.02, late)


def block_sampling() -> None:
    """n waits of d < rate are kept with probability d/rate and count for rate ns each."""
    rate = 50000
    run = inject([program("sampled_waits"), "block"], {"PPROF_BLOCK_RATE": str(rate), "PPROF_SEED": "1"})
    block = run.dump()["block"]
    delay = block.flat("delay", elf.name)
    counts = block.flat("contentions", elf.name)
    data = truth(run)
    total, true = sum(delay.get(s, 0) for s in data), sum(ns for _, ns, _ in data.values())
    disturbed = sum(ns for _, _, ns in data.values())
    good = 0.95 * (true - disturbed) <= total <= 1.05 * true
    figures = f"{total / true:.4f}, disturbed {disturbed / true:.2f}"
    ok("rate 50,000: the total delay within 5 %", good, figures)
    for site, (n, ns, _) in data.items():
        p = min(1.0, ns / n / rate)
        sigma = math.sqrt((1 - p) / (n * p))
        ratio = counts.get(site, 0) / n
        # A sampled wait of length d counts for rate/d waits: the shorter it is, the more uncertain.
        slack = 2 * SIGMAS * sigma + 0.01
        ok(f"rate 50,000: {site} counted", abs(ratio - 1) <= slack, f"{ratio:.4f} +- {slack:.3f}")
    exact = inject([program("sampled_waits"), "block"], EXACT)
    block = exact.dump()["block"]
    for site, (n, ns, disturbed) in truth(exact).items():
        got = block.flat("contentions", elf.name).get(site, 0)
        delay = block.flat("delay", elf.name).get(site, 0)
        good = got == n and 0.95 * (ns - disturbed) <= delay <= 1.05 * ns
        ok(f"rate 1: {site}", good, f"{got}, {delay / ns:.4f}, disturbed {disturbed / ns:.2f}")


def mutex_sampling() -> None:
    for fraction in (1, 10):
        rate = {"PPROF_MUTEX_FRACTION": str(fraction), "PPROF_SEED": "3"}
        run = inject([program("sampled_waits"), "mutex"], rate)
        mutex = run.dump()["mutex"]
        n, ns = truth(run)["site_release"]
        count = mutex.flat("contentions", elf.name).get("site_release", 0)
        delay = mutex.flat("delay", elf.name).get("site_release", 0)
        sigma = math.sqrt((fraction - 1) / n)
        counted = abs(count / n - 1) <= SIGMAS * sigma + 0.005
        # The rounds are equally long except for the machine's load: sigma is at most twice the count's.
        timed = abs(delay / ns - 1) <= 2 * SIGMAS * sigma + 0.05
        ok(f"fraction {fraction}: counted", counted, f"{count / n:.4f}, sigma {sigma:.4f}")
        ok(f"fraction {fraction}: charged", timed, f"{delay / ns:.4f}")


def off() -> None:
    dump = inject([program("known_waits")], {"PPROF_BLOCK_RATE": "0", "PPROF_MUTEX_FRACTION": "0"}).dump()
    got = {kind: len(dump[kind].samples) for kind in ("block", "mutex")}
    ok("rates of 0: nothing is recorded", got == {"block": 0, "mutex": 0}, got)
    dump = inject([program("known_waits")], EXACT | {"PPROF_BLOCK_RATE": "0"}).dump()
    ok("mutex without block", not dump["block"].samples and dump["mutex"].samples)
    dump = inject([program("known_waits")], EXACT | {"PPROF_MUTEX_FRACTION": "0"}).dump()
    ok("block without mutex", dump["block"].samples and not dump["mutex"].samples)


for check in (primitives, specification, block_sampling, mutex_sampling, off):
    with case(check.__name__):
        check()
finish()
