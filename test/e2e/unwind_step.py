#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""unwind: at each of 100,000 instructions and more of a program that is single-stepped through
libc, libstdc++, exceptions, lazy binding and assembly, the stack is that of a shadow stack kept
from calls and returns, in at least 99.9 % (test/unwind/step.c). The long tier takes 2,000,000.
Also: what is looked through before libunwind may read it accepts all frame information of some
real files.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / d) for d in ("lib", "unwind")]
from fuzz_judge import judge_accepted
from harness import finish
from step_judge import judge

STEPS = 100_000
MOST = 80_000  # of one case, so that all have their share; an exception takes 70,000

judge(STEPS, MOST)
judge_accepted("libc.so.6", "libstdc++.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "libgcc_s.so.1")
finish()
