#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Waits that end early: by cancellation, by siglongjmp, or in the child of a fork. The program behaves as
without the library, no unlock is charged for a waiter that has gone, and a child starts with no waiters.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import bare, case, files_in, finish, inject, judged, ok, program

EXACT = {"PPROF_BLOCK_RATE": "1", "PPROF_MUTEX_FRACTION": "1"}

with case("waits that end otherwise"):
    argv = [program("interrupted_waits")]
    plain = bare(argv, timeout=60)
    run = inject(argv, EXACT, timeout=60)
    same = (plain.status, plain.stdout) == (run.status, run.stdout)
    lines = len(plain.stdout.splitlines())
    ok("as bare", same and plain.status == 0, f"{lines} lines", run.stdout + run.stderr)
    mutex = run.dump()["mutex"].cumulative("delay", elf.name)
    # Two waiters left after 50 ms each, 400 ms before the release: those 400 ms must not be charged.
    charged = mutex.get("release_after", 0) / 1e9
    ok("siglongjmp, cancellation: not charged for who is gone", charged < 0.3, f"{charged:.3f} s")
    children = {f.pid for f in files_in(run.out)} - {run.pid}
    found = [f for pid in children for f in run.files(pid) if f.kind == "mutex"]
    sums = [judged(f.path).cumulative("delay", elf.name).get("release_in_child", 0) / 1e9 for f in found]
    ok("fork: the child is charged for its own waiter", any(0.15 <= s < 0.29 for s in sums), sums)
finish()
