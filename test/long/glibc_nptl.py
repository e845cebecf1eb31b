#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""glibc's own tests of threads end as they do without the library."""

# timeout: 2400
# alone

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / d) for d in ("lib", "suites")]
import glibc_run
from harness import finish

NUMBERS: dict[str, str] = {}
NO_FILES: dict[str, str] = {}

glibc_run.run(["nptl", "sysdeps/pthread"], 340, NUMBERS, NO_FILES)
finish()
