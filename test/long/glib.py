#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""GLib's installed tests (Debian's libglib2.0-tests): each case comes out as without the library.

Each .test file's command runs in a folder of its own. Tests that fail without the library too, since there is no
network or no bus, are compared like the others.
"""

# timeout: 2400
# alone

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / d) for d in ("lib", "suites")]
from compare import Job, compare
from harness import finish, ok

TESTS = Path("/usr/share/installed-tests/glib")
LEAST = 280
TIMEOUT = 400.0  # s; 1bit-mutex burns 35 on two cores of its own
# These cases are skipped if two threads happen not to meet.
RACED = {"gdbus-export": "/gdbus/threaded-unregistration/"}


def job_of(path: Path) -> Job:
    """Exec=[/usr/bin/env NAME=VALUE…] PROGRAM ARGUMENT…"""
    text = path.read_text()
    argv = shlex.split(re.search(r"^Exec=(.*)$", text, re.M)[1])
    env: dict[str, str] = {}
    if argv[0].endswith("/env"):
        argv = argv[1:]
        while "=" in argv[0]:
            key, _, value = argv.pop(0).partition("=")
            env[key] = value
    preload = [Path(env.pop("LD_PRELOAD"))] if "LD_PRELOAD" in env else []
    name = path.name.removesuffix(".test")
    return Job(name, argv, env, preload, tap="Output=TAP" in text, raced=RACED.get(name, ""))


jobs = [job_of(p) for p in sorted(TESTS.glob("*.test"))]
ok("the tests are installed", len(jobs) >= LEAST, f"{len(jobs)} programs", "scripts/install-deps long")
compare([j for j in jobs if not sys.argv[1:] or j.name in sys.argv[1:]], TIMEOUT)
finish()
