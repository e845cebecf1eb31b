#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A thread that comes out of a condition wait takes its mutex again. If another thread holds the mutex then,
the mutex profile charges that thread's unlock, from the signal on; if none does, it charges nothing.

Waking up takes some time, which cannot be told from waiting: the bar allows 2 ms for each wake-up.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import case, finish, inject, ok, program
from truth import truth

EXACT = {"PPROF_BLOCK_RATE": "1", "PPROF_MUTEX_FRACTION": "1"}
RELEASES = {
    "unlock_of_signaller": 1,
    "unlock_of_broadcaster": 1,
    "unlock_of_herd": 3,  # four threads hold it in turn; no thread waits for the last one
    "unlock_of_third": 1,
    "unlock_of_c11": 1,
    "unlock_after_queue": 10,
}


def conditions() -> None:
    run = inject([program("condition_relock")], EXACT)
    data = truth(run)
    mutex = run.dump()["mutex"]
    delay = mutex.flat("delay", elf.name)
    counts = mutex.flat("contentions", elf.name)
    for site, n in RELEASES.items():
        got, want = delay.get(site, 0), data[site]
        good = abs(got - want) <= 0.03 * want + 2e6 and counts.get(site) == n
        ok(f"{site}: charged", good, f"{counts.get(site)} x, {got / 1e6:.1f} of {want / 1e6:.1f} ms")
    ok("nobody waits for one that timed out or was cancelled", "unlock_of_nobody" not in delay, delay)
    quick, n = delay.get("unlock_of_quick", 0), counts.get("unlock_of_quick", 0)
    figures = f"{n} of {data['n']}, {quick / 1e6:.2f} of at most {data['bound'] / 1e6:.2f} ms"
    ok("signal and unlock at once: no more than lies between", quick <= data["bound"], figures)
    idle = delay.get("unlock_of_idle_phase", 0)
    figures = f"{idle / 1e6:.1f} of at most {data['idle_phase'] / 1e6:.1f} ms"
    ok("of two that contend one waits at a time, and nobody that sleeps", 0 < idle <= data["idle_phase"], figures)
    sleeper = mutex.cumulative("delay", elf.name).get("sleeper", 0)
    ok("... and no one else", sleeper <= data["unlock_of_herd"] * 1.03 + 2e6, sleeper)


def off() -> None:
    mutex = inject([program("condition_relock")], {"PPROF_MUTEX_FRACTION": "0"}).dump()["mutex"]
    ok("a fraction of 0: nothing", not mutex.samples, len(mutex.samples))


with case("conditions"):
    conditions()
with case("off"):
    off()
finish()
