#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Masks, handlers, timers, cancellation, started programs: a program that is timed thousands of times a second sees what it sees bare."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import bare, case, finish, inject, ok, program

# Many more signals of ours than by default; the programs that it starts are to show their own masks.
FAST = {"PPROF_CPU_RATE": "2000", "PPROF_CHILDREN": "0"}


def alike(name: str, mode: str) -> None:
    argv = [program(name), mode]
    plain, result = bare(argv), inject(argv, FAST)
    same = (result.status, result.stdout) == (plain.status, plain.stdout)
    ok(f"{mode}: as bare", same and plain.stdout != "", "", f"{result.status} {result.stdout[-300:]!r}, bare {plain.stdout[-300:]!r}")
    ok(f"{mode}: profiled", result.numbers() == [1], result.numbers())


for name in ("signals_as_bare", "signals_and_stacks"):
    for mode in bare([program(name)]).stdout.split():
        with case(mode):
            alike(name, mode)
finish()
