#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test/e2e/privileges.py: as root, then as another user, 1,000 changes under watch."""

# timeout: 1200

import os
import sys
from pathlib import Path

E2E = Path(__file__).resolve().parents[1] / "e2e" / "privileges.py"
os.execv(sys.executable, [sys.executable, str(E2E), "1000"])
