#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""unwind: 10 million made-up modules, stacks and registers under AddressSanitizer, no finding; and
no frame information of some large programs is refused.
"""

# timeout: 1800

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / d) for d in ("lib", "unwind")]
from fuzz_judge import judge_accepted, judge_fuzz
from harness import finish

INPUTS = 10_000_000

judge_accepted(
    "libc.so.6", "libstdc++.so.6", "libcrypto.so.3", "libpython3.11.so.1.0", "libLLVM-14.so.1",
    "cc1plus", "node", "python3.11", "perl", "git", "redis-server",
)  # fmt: skip
judge_fuzz(INPUTS)
finish()
