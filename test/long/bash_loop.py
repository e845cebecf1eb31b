#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Of a shell loop of 1,000 small commands at most 2 % leave files, however the loop is written."""

# timeout: 300

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import KINDS, case, files_in, finish, inject, judged, ok

LOOP, LITTER = 1000, 0.02
SHAPES = {
    "commands": "/bin/true",
    "subshells": "(:)",
    # No commands like cat: its buffer of 128 KiB is sampled one time in five, and then its files are right.
    "pipes": ": $i | /bin/true > /dev/null",
    "substitutions": "x=$(echo $i)",
}


def judge(name: str, body: str) -> None:
    script = f"for ((i = 0; i < {LOOP}; i++)); do {body}; done; echo done"
    result = inject(["bash", "-c", script], timeout=250)
    ok(f"{name}: the loop runs", result.stdout == "done\n", result.stdout)
    kinds = {f.kind for f in result.files()}
    ok(f"{name}: the first process writes", kinds == set(KINDS), sorted(kinds))
    files = files_in(result.out)
    for file in files:
        judged(file.path)
    share = len({f.pid for f in files} - {result.pid}) / LOOP
    ok(f"{name}: at most {LITTER:.0%} of the others write", share <= LITTER, f"{share:.1%}")


for shape, command in SHAPES.items():
    with case(shape):
        judge(shape, command)
finish()
