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

# test_interrupted is left out: it has one thread and puts breakpoints into the code that it runs.
UNIT = sorted(path.stem for path in (ROOT / "test/unit").glob("test_*.c") if path.stem != "test_interrupted")
# test_unwind* count the frames of stacks, and test_arch compares registers and thread-local memory with those of
# plain code, which differ under ThreadSanitizer; test_encoder limits its own memory, which ThreadSanitizer needs:
# of these, only data races count.
OTHERWISE = [name for name in UNIT if name.startswith(("test_unwind", "test_encoder", "test_arch"))]

build = folder()
targets = [str(build / "test" / "unit" / name) for name in UNIT]
with case("built with -fsanitize=thread"):
    argv = ["make", "-j2", f"BUILD={build}", "SAN=thread", *targets]
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)
    for name, target in zip(UNIT, targets):
        done = subprocess.run([target], env=environment(), capture_output=True, text=True)
        reports = [x for x in (done.stdout + done.stderr).splitlines() if "SUMMARY: ThreadSanitizer" in x]
        races = [x for x in reports if "data race" in x]
        good = not races if name in OTHERWISE else done.returncode == 0 and not reports
        ok(f"{name}: no report", good, done.returncode, reports[:3])
finish()
