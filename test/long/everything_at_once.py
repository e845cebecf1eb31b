#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""e2e/everything_at_once.py for 30 minutes, with a seed of its own that is printed."""

# timeout: 3600
# alone

from __future__ import annotations

import os
import sys
from pathlib import Path

script = Path(__file__).resolve().parents[1] / "e2e" / "everything_at_once.py"
os.execv(sys.executable, [sys.executable, str(script), "1800"])
