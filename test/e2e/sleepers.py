#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sleeping threads: an end, an exec and a dump end none of their waits, and their stacks are whole in code with frame
pointers, alloca() and arrays of variable length; no stack is wrong. long/sleepers.py is the whole of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import asleep
from harness import case, finish, folder, ok

WAYS = (("gcc", "-O0 -DSHAPE=0"), ("gcc", "-O2 -fno-omit-frame-pointer -DSHAPE=1"), ("clang", "-O0 -DSHAPE=2"))

here = folder()
with case("a thread in each of 27 kinds of wait"):
    count = asleep.Count()
    for compiler, flags in WAYS:
        if compiler in asleep.COMPILERS:
            exe = asleep.build(here, "asleep", compiler, flags)
            for how in (["end"], ["exec"], ["dump", "2"]):
                asleep.try_all(count, exe, how)
    ok("no wait ends, no status changes", not count.noticed, f"{count.runs} runs", count.noticed)
    share = count.whole / max(count.asleep, 1)
    ok("99 % have their whole stack", count.asleep >= asleep.KINDS and share >= 0.99, f"{count.whole} of {count.asleep}", count.first_cut)

with case("at the end of random ways"):
    ways = asleep.Ways()
    for compiler, flags in (("gcc", "-O0"), ("gcc", "-O2"), ("clang", "-O2 -fno-omit-frame-pointer")):
        if compiler in asleep.COMPILERS:
            asleep.follow_ways(ways, asleep.build(here, "asleep_anywhere", compiler, flags), 1, 100)
    ok("no stack is wrong", not ways.wrong, f"{ways.whole} whole, {ways.cut} cut", ways.wrong)
    ok("four in five are whole", ways.whole > 4 * ways.cut, f"{ways.whole} whole, {ways.cut} cut")

finish()
