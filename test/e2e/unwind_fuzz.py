#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""unwind: 200,000 made-up modules, stacks and registers under AddressSanitizer, no finding."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / d) for d in ("lib", "unwind")]
from fuzz_judge import judge_fuzz
from harness import finish

judge_fuzz(200_000)
finish()
