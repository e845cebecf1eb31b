#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test/specification.md: every row names a check that exists, or says why it cannot hold."""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import ROOT, finish, ok

rows = re.findall(r"^\| (.*?) \| (.*?)\|(.*)\|$", (ROOT / "test/specification.md").read_text(), re.M)[2:]
wrong = []
for says, here, proof in rows:
    named = re.search(r"`(\S+): (.+)`", proof)
    if named:
        path = ROOT / "test" / named[1]
        if not path.exists() or named[2] not in path.read_text():
            wrong.append(f"{says}: {named[0]}")
    elif not re.search(r"cannot hold|not seen", here):
        wrong.append(f"{says}: no proof")
ok("every sentence has its proof, or its reason", not wrong and len(rows) > 40, len(rows), wrong)
finish()
