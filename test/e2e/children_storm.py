#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Forks, vforks, spawns and execs from a process with 8 busy threads: every status is right, no
child but its own is seen, SIGCHLDs come as without the library, every file is valid, and the CPU time of all
processes is what getrusage says. `children_storm.py N` makes N of each, and N/5 execs.
"""

# timeout: 400
# alone

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import bare, case, files_in, finish, inject, judged, ok, program

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
TOLERANCE = 0.05
ENV = {"PPROF_MEM_RATE": "1", "PPROF_CPU_RATE": "1000"}


def storm(how: str, count: int) -> None:
    argv = [program("children_storm"), how, str(count)]
    plain = bare([*argv[:2], str(count // 20)])
    result = inject(argv, ENV, timeout=300)
    *said, truth = result.stdout.splitlines()
    want = plain.stdout.replace(str(count // 20), str(count)).splitlines()[:-1]
    ok(f"{how}: statuses, SIGCHLD, no stranger", said == want, said, want)
    files = files_in(result.out)
    # A program that execs itself leaves a dump for each program; a forked child leaves one.
    profiles = {(f.pid, f.number): judged(f.path) for f in files if f.kind == "cpu"}
    others = [f for f in files if f.kind != "cpu"]
    for f in others[:: max(1, len(others) // 200)]:
        judged(f.path)
    ok(f"{how}: each leaves a dump", len(profiles) == count + 1, len(profiles), count + 1)
    seen = sum(p.total("cpu") for p in profiles.values()) / 1e9
    used = json.loads(truth)["used"]
    good = abs(seen / used - 1) <= TOLERANCE
    ok(f"{how}: CPU as getrusage has it", good, f"{seen:.2f} of {used:.2f} s, {seen / used:.3f}")


for way in ("fork", "vfork", "spawn"):
    with case(way):
        storm(way, COUNT)
with case("exec"):
    storm("exec", COUNT // 5)
finish()
