#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""e2e/faults_syscalls.py with every single call and every error it can give."""

# timeout: 7200

from __future__ import annotations

import os
import sys
from pathlib import Path

script = Path(__file__).resolve().parents[1] / "e2e" / "faults_syscalls.py"
os.execv(sys.executable, [sys.executable, str(script), "all"])
