#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs that install a filter on system calls, in each way and with each action, run as without the library.
What they did before the filter is profiled, and what they do afterwards if the filter allows our calls.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import Run, bare, case, finish, inject, ok, program

ENV = {"PPROF_CPU_RATE": "1000", "PPROF_MEM_RATE": "1"}
WAYS = [("prctl", x) for x in ("kill", "trap", "errno", "timers", "allow", "strict")]
WAYS += [("seccomp", x) for x in ("kill", "allow")]
WAYS += [("exec", x) for x in ("timers", "allow")]


def seen(result: Run, site: str) -> int:
    return sum(result.dump(n)["cpu"].cumulative("samples", elf.name).get(site, 0) for n in result.numbers())


def judge(how: str, action: str) -> None:
    argv = [program("sandbox"), how, action]
    for extra in ({}, {"PPROF_INTERVAL": "1"}):
        label = " ".join((how, action, *extra))
        plain, got = bare(argv), inject(argv, ENV | extra, expect=None)
        same = (got.status, got.stdout, got.stderr) == (plain.status, plain.stdout, plain.stderr)
        ok(f"{label}: as bare", same, got.status, f"{got} for {plain}")
        before, after = seen(got, "site_before"), seen(got, "site_after")
        ok(f"{label}: what came before it", before > 100, f"{before} samples of 150 ms")
        if action == "allow":
            ok(f"{label}: and after", after > 20, f"{after} samples")
        else:
            ok(f"{label}: nothing after", after == 0, after)


for way, what in WAYS:
    with case(f"{way} {what}"):
        judge(way, what)
finish()
