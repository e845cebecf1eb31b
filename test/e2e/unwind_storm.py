#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""unwind: 20 s of signals on 8 threads over dlopen and dlclose, exceptions, coroutines and fork, by
the walker alone and under the library (test/unwind/storm.cc): no crash, no hang, no wrong stack.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / d) for d in ("lib", "unwind")]
from harness import finish
from storm_judge import judge_injected, judge_walks

SECONDS = 10
SEED = 1

judge_walks(SECONDS, SEED)
judge_injected(SECONDS, SEED)
finish()
