#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An allocator that wins over the library (preloaded before it, or in the program): the program runs
unharmed, one line at start says that the heap is not seen, and the other profiles are there.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import ALLOCATORS, Run, bare, case, finish, inject, ok, program


def judge(label: str, run: Run, plain: Run) -> None:
    ok(f"{label}: unharmed", run.stdout == plain.stdout and run.status == plain.status, run.status)
    lines = run.stderr.splitlines()
    good = len(lines) == 1 and "heap" in lines[0] and "pprofinject" in lines[0]
    ok(f"{label}: one line about the heap", good, lines)
    dump = run.dump()
    ok(f"{label}: a valid heap profile", dump["heap"].period == 524288, len(dump["heap"].samples))


for name, path in ALLOCATORS.items():
    if path:
        with case(f"{name} preloaded before"):
            argv = [program("heap_sites")]
            judge(f"{name} preloaded before", inject(argv, before=[path]), bare(argv))
with case("own malloc"):
    argv = [program("own_malloc")]
    judge("own malloc", inject(argv), bare(argv))
with case("nothing to say"):
    run = inject([program("heap_sites")])
    ok("the library is silent otherwise", run.stderr == "", run.stderr[:200])
finish()
