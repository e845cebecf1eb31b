#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The library with the check of the order of its locks (make DEBUG=1): its own tests, and programs
that fight for locks, fork, cancel and dump. A wait out of order is a line on stderr and a trap."""

# timeout: 900

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import ROOT, case, environment, finish, folder, ok

# One is left out, which puts breakpoints into what it runs: the check blocks signals there.
UNIT = sorted(path.stem for path in (ROOT / "test/unit").glob("test_*.c") if path.stem != "test_interrupted")
E2E = ("api_calls", "block_conditions", "block_interrupted", "block_mutex", "children", "goroutine", "process_ends",
       "thread_ends")

build = folder()
library = build / "libpprofinject.so"
with case("built with DEBUG=1"):
    targets = [str(library), str(build / "pprof-symbolize"), *(str(build / "test/unit" / name) for name in UNIT)]
    subprocess.run(["make", "-j2", "DEBUG=1", f"BUILD={build}", *targets], cwd=ROOT, check=True, capture_output=True)
    checked = subprocess.run(["nm", library], capture_output=True, text=True).stdout
    ok("the check is in it", "lock_check_wait" in checked)
    for name in UNIT:
        done = subprocess.run([build / "test/unit" / name], env=environment(), capture_output=True, text=True)
        order = [x for x in (done.stdout + done.stderr).splitlines() if "lock order" in x]
        ok(f"{name}: no wait out of order", done.returncode == 0 and not order, done.returncode, order[:3])
    for name in E2E:
        argv = [sys.executable, str(ROOT / "test/e2e" / f"{name}.py")]
        env = dict(os.environ) | {"LIBRARY": str(library)}
        done = subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True)
        text = done.stdout + done.stderr
        failed = re.findall(r"^not ok.*$", done.stdout, re.M)
        order = [x for x in text.splitlines() if "lock order" in x]
        ok(f"{name}: passes, no wait out of order", done.returncode == 0 and not order, len(failed), (failed + order)[:3])
finish()
