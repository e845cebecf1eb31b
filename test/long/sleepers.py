#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""1,000 exits, execs and dumps under threads asleep in 27 kinds of wait, in code built by gcc and clang without
optimisation, with frame pointers, optimised, with alloca() and arrays of variable length: none of the waits ends, no
status changes, and at least 99 % of the threads have their whole stack. And 20,000 threads at the end of random ways,
of which no stack may be wrong.

    test/long/sleepers.py [RUNS [SEEDS]]
"""

# timeout: 1800

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import asleep
from harness import case, finish, folder, ok

runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 13
here = folder()
FLAGS = ("-O0", "-O2 -fno-omit-frame-pointer", "-O2")
HOW = (["end"], ["exec"], ["dump", "2"])

for compiler in asleep.COMPILERS:
    for shape in (0, 1, 2):
        for flags in FLAGS:
            with case(f"{compiler} {flags}, shape {shape}"):
                exe = asleep.build(here, "asleep", compiler, f"{flags} -DSHAPE={shape}")
                count = asleep.Count()
                for _ in range(-(-runs // (len(asleep.COMPILERS) * 9 * len(HOW)))):
                    for how in HOW:
                        asleep.try_all(count, exe, how)
                name = f"{compiler} {flags}, shape {shape}"
                ok(f"{name}: no wait ends, no status changes", not count.noticed, f"{count.runs} runs", count.noticed)
                good = count.asleep >= count.runs * asleep.KINDS and count.whole >= 0.99 * count.asleep
                ok(f"{name}: whole stacks", good, f"{count.whole} of {count.asleep}", count.first_cut)

for compiler in asleep.COMPILERS:
    for flags in ("-O0", "-O1 -fno-omit-frame-pointer", "-O2 -fno-omit-frame-pointer", "-O2"):
        with case(f"random ways, {compiler} {flags}"):
            exe = asleep.build(here, "asleep_anywhere", compiler, flags)
            ways = asleep.Ways()
            for seed in range(1, seeds + 1):
                asleep.follow_ways(ways, exe, seed, 200)
            ok(f"random ways, {compiler} {flags}: none is wrong", not ways.wrong, f"{ways.whole} whole, {ways.cut} cut", ways.wrong)

finish()
