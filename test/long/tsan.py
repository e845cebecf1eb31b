#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The collectors' own tests under ThreadSanitizer: no report."""

# timeout: 900

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import ROOT, case, environment, finish, folder, ok

TESTS = ("test_contention", "test_sleepers", "test_tables", "test_sampler", "test_ticks")

build = folder()
targets = [str(build / "test" / "unit" / name) for name in TESTS]
with case("built with -fsanitize=thread"):
    argv = ["make", "-j2", f"BUILD={build}", "SAN=thread", *targets]
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)
    for name, target in zip(TESTS, targets):
        done = subprocess.run([target], env=environment(), capture_output=True, text=True)
        reports = [x for x in (done.stdout + done.stderr).splitlines() if "SUMMARY: ThreadSanitizer" in x]
        ok(f"{name}: no report", done.returncode == 0 and not reports, done.returncode, reports[:3])
finish()
