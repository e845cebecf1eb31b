#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""unwind: test/e2e/unwind_step.py with 2,000,000 instructions, every case to its end."""

# timeout: 600

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / d) for d in ("lib", "unwind")]
from harness import finish
from step_judge import judge

STEPS = 2_000_000

judge(STEPS, timeout=500)
finish()
