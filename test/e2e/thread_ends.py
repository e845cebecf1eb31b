#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""4,000 threads on the smallest stacks, 200 alive at once, all signals blocked, ended in four ways:
the
program runs as without the library, and what constructors and destructors allocate is exact at rate 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import ALLOCATORS, bare, case, finish, inject, ok, program
from truth import heap_checks, truth

WAVES = 20


def judge(allocator: str, hertz: int) -> None:
    path = ALLOCATORS[allocator]
    label = f"thread ends, {allocator}, {hertz} Hz"
    argv = [program("thread_ends"), str(WAVES)]
    plain = bare(argv, {"LD_PRELOAD": str(path)} if path else {})
    env = {"PPROF_MEM_RATE": "1", "PPROF_CPU_RATE": str(hertz)}
    got = inject(argv, env, after=[path] if path else [], expect=None)
    same = (got.status, got.stdout, got.stderr) == (plain.status, plain.stdout, plain.stderr)
    ok(f"{label}: as bare", same and plain.status == 0, got.stdout.splitlines()[:1], got.stderr)
    heap_checks(label, got.dump()["heap"], truth(got), 1, elf.name)


for name in ALLOCATORS:
    for rate in (100, 4000):
        with case(f"{name} {rate}"):
            judge(name, rate)
finish()
