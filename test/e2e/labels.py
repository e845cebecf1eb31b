#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Labels: the CPU time of each route is what its workers measured; pprof_do restores the labels in whatever way
it is left; a million changes a second take no memory; a new thread has its maker's labels.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import Failure, case, finish, inject, ok, program
from profile import Profile

FAST = {"PPROF_CPU_RATE": "1000"}


def labels_of(sample) -> dict[str, str]:
    return {x.key: x.text for x in sample.labels}


def cpu_where(profile: Profile, function: str = "", **wanted: str | None) -> int:
    """CPU ns of the samples with these labels (None: without that key), under this function."""
    total = 0
    for s in profile.samples:
        have = labels_of(s)
        names = {n for x in s.locations for n in elf.name(x)}
        good = all(have.get(k) == v for k, v in wanted.items())
        total += s.values[1] if good and (not function or function in names) else 0
    return total


def server() -> None:
    run = inject([program("api_labels"), "server"], FAST)
    truth = json.loads(run.stdout)
    files = [f.path for f in run.files() if f.kind == "cpu"]
    cpu = run.dump()["cpu"]
    routes = ("/slow", "/middle", "/fast")
    all_true = sum(truth[r] for r in routes) + truth["bare"]
    all_got = cpu_where(cpu, "burn")
    for name in routes:
        got, want = cpu_where(cpu, "burn", route=name, app="server") / all_got, truth[name] / all_true
        ok(f"server: share of {name} within 4 points", abs(got - want) < 0.04, f"{got:.3f} of {want:.3f}")
    got, want = cpu_where(cpu, "burn", route=None) / all_got, truth["bare"] / all_true
    ok("server: outside pprof_do no label", abs(got - want) < 0.04, f"{got:.3f} of {want:.3f}")
    got, want = cpu_where(cpu, "burn", step="nested") / all_got, truth["nested"] / all_true
    ok("server: the nested label, restored", abs(got - want) < 0.04, f"{got:.3f} of {want:.3f}")
    both = cpu_where(cpu, "burn", step="nested", route=None)
    ok("server: a nested one keeps the outer labels", both == 0, both)
    shown = subprocess.run(
        ["go", "tool", "pprof", "-top", "-sample_index=cpu", "-tagfocus=route=/slow", str(files[-1])],
        capture_output=True, text=True,
    )  # fmt: skip
    total = re.search(r"accounting for ([\d.]+)(m?s), ([\d.]+)% of ([\d.]+)(m?s) total", shown.stdout)
    if not total:
        raise Failure(shown.stdout + shown.stderr)
    ns = float(total[1]) * (1e6 if total[2] == "ms" else 1e9)
    want = cpu_where(cpu, route="/slow")
    ok("server: go tool pprof -tagfocus selects it", abs(ns - want) < 0.02 * want, f"{ns:.0f} of {want}")


def left(argv: list[str], function: str) -> None:
    run = inject(argv, FAST)
    truth = sum(json.loads(run.stdout).values())
    cpu = run.dump()["cpu"]
    bare, labelled = cpu_where(cpu, function, left=None), cpu_where(cpu, function, left="yes")
    name = f"left by {Path(argv[0]).name} {' '.join(argv[1:])}"
    ok(f"{name}: no label afterwards", labelled == 0 and bare > truth / 2, f"{bare}, {labelled} of {truth}")


def million() -> None:
    run = inject([program("api_labels"), "million"], FAST | {"PPROF_PROFILES": "cpu"}, expect=None)
    truth = json.loads(run.stdout)
    # Label sets that were sampled are kept: some 0.3 KiB each, at 1,000 samples a second; and the stack walk's memory.
    kept = truth["ns"] / 1e9 * 1000 * 1.0
    ok("million: no growth in memory", truth["grown"] < 2048 + kept, f"{truth['grown']} KiB")
    rate = truth["changes"] / (truth["ns"] / 1e9)
    ok("million: a million changes a second of CPU", rate > 1e6, f"{rate / 1e6:.1f} million")


def inherited() -> None:
    run = inject([program("api_labels"), "silent"])
    found = [labels_of(s) for s in run.dump(1)["goroutine"].samples
             if "park_here" in {n for x in s.locations for n in elf.name(x)}]  # fmt: skip
    ok("goroutine: a thread made inside pprof_do has its labels", found == [{"maker": "do"}], found)


for part in (server, million, inherited):
    with case(part.__name__):
        part()
with case("pthread_exit, cancellation"):
    left([program("api_labels"), "exits"], "after_end")
with case("exception"):
    left([program("api_do")], "burn_caught")
finish()
