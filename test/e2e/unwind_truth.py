#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""unwind: at 10,000 random instants in each of ten real programs, the stack is that of libunwind's
slow steps from the same registers in at least 99.9 % (see test/unwind/truth.c). The long tier takes
ten times as many.
"""

# alone: two programs at a time, and each is to get its processor
# timeout: 240

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / d) for d in ("lib", "unwind")]
from harness import finish
from truth_walks import judge

SAMPLES = 10_000

judge(int(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES, *([sys.argv[2:]] if sys.argv[2:] else []))
finish()
