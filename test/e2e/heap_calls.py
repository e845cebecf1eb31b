#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every allocation entry point keeps its promises and is counted to the byte at rate 1: C, mallocx,
all 20 C++ operators, a program that replaces only some of them, frees from other threads.
"""

# timeout: 240

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import ALLOCATORS, bare, case, finish, inject, ok, program
from truth import heap_checks, truth

# mimalloc 2.0 aborts on a nothrow new that fails; jemalloc alone has mallocx.
ARGUMENTS = {("heap_calls", "jemalloc"): ["mallocx"], ("heap_operators", "mimalloc"): ["no-fail"]}


def judge(name: str, allocator: str, rate: str) -> None:
    path = ALLOCATORS[allocator]
    argv = [program(name), *ARGUMENTS.get((name, allocator), [])]
    label = f"{name} {allocator} rate {rate}"
    plain = bare(argv, {"LD_PRELOAD": str(path)} if path else {})
    run = inject(argv, {"PPROF_MEM_RATE": rate}, after=[path] if path else [], expect=None)
    same = (run.status, run.stdout, run.stderr) == (plain.status, plain.stdout, plain.stderr)
    ok(f"{label}: as bare", same and plain.status == 0, plain.status, run.stdout[:200] + run.stderr)
    dump = run.dump()
    if rate == "1":
        heap_checks(label, dump["heap"], truth(run), 1, elf.name)


for name in ("heap_calls", "heap_operators", "own_operators", "heap_threads"):
    for allocator in ALLOCATORS:
        for rate in ("1", "64"):
            with case(f"{name} {allocator} rate {rate}"):
                judge(name, allocator, rate)
finish()
