#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""When there is no memory left to keep a stack or a bucket, what is lost is counted and shown, to the last object
and to the last period of CPU time; the program runs as without the library.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import bare, case, finish, inject, ok, program
from profile import Profile
from truth import truth

LOST = "[lost: no memory]"
RATE = 1000  # Hz
PERIODS = 20  # difference allowed, for the process's start and end outside the program's readings of its clock


def sum_of(profile: Profile, column: str, lost: bool) -> int:
    at = profile.index(column)
    return sum(s.values[at] for s in profile.samples if any(LOST in elf.name(x) for x in s.locations) == lost)


def judge() -> None:
    argv = [program("no_memory")]
    plain = bare(argv)
    result = inject(argv, {"PPROF_MEM_RATE": "1", "PPROF_CPU_RATE": str(RATE)})
    said, same = truth(result), truth(bare(argv))
    alike = all(said[x] == same[x] for x in ("first", "second")) and result.stderr == plain.stderr
    ok("no memory: as bare", alike, f"{said['first']} and {said['second']} allocations")
    heap, cpu = result.dump()["heap"], result.dump()["cpu"]
    kept, lost = sum_of(heap, "alloc_objects", False), sum_of(heap, "alloc_objects", True)
    total = said["first"] + said["second"]
    named = heap.cumulative("alloc_objects", elf.name)
    ok("no memory: before it, all by its site", named["site_plenty"] == said["first"], named["site_plenty"])
    others = kept - named["site_plenty"] - named.get("site_nothing", 0)
    # None is where the address space that the library reserved at its start is enough for all.
    ok("no memory: no more is lost than was allocated", 0 <= lost <= said["second"], f"{lost} of {said['second']}")
    ok("no memory: none silently", kept + lost - others == total, f"{kept} kept, {lost} lost, {others} others', of {total}")
    live = sum_of(heap, "inuse_objects", True)
    ok("no memory: none of it is in use", live == 0, live)
    seen = sum_of(cpu, "samples", False) + sum_of(cpu, "samples", True)
    want = said["cpu"] * RATE / 1e9
    ok("no memory: CPU whole", abs(seen - want) <= PERIODS, f"{seen} periods, clock {want:.0f}", sum_of(cpu, "samples", True))


with case("no memory"):
    judge()
finish()
