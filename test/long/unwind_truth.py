#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""unwind: at 100,000 random instants in each of ten real programs, the stack is that of libunwind's
slow steps from the same registers in at least 99.9 %; and at some of them in a few programs, it is
that of gdb, stopped there.
"""

# alone: two programs at a time, and each is to get its processor
# timeout: 1800

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / d) for d in ("lib", "unwind")]
from harness import finish
from truth_walks import by_gdb, judge

SAMPLES = 100_000
STOPS = 300  # at most: what one run of the program gives

for name in ("cxx", "sqlite3", "python3", "perl", "git", "xz", "clang", "rust"):
    by_gdb(name, STOPS)
judge(SAMPLES)
finish()
