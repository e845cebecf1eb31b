#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""unwind: ten minutes of test/unwind/storm.cc, of four seeds, by the walker alone and under the
library.
"""

# timeout: 1800

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / d) for d in ("lib", "unwind")]
from harness import finish
from storm_judge import judge_injected, judge_walks

for seed in (2, 3):
    judge_walks(180, seed)
    judge_injected(120, seed)
finish()
