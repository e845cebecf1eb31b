# SPDX-License-Identifier: MIT
"""Run test/unwind/storm, by itself and under the library, and judge what becomes of it.

Used by test/e2e/unwind_storm.py and test/long/unwind_storm.py.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import BUILD, bare, case, folder, judged, ok, start  # noqa: E402

# Eight threads on fewer processors: a signal that comes while its thread does not run waits for the
# one before it. Two processors alone could take 2 × 4,000; a loaded machine a quarter of that.
WALKS_LEAST = 2000  # a second
WRONG_MOST = 1e-4  # while libgcc, longjmp or swapcontext puts another frame's registers in place
TRUNCATED_MOST = 0.01  # _init of the libraries that come and go has no frame information
WORK = ("unloads", "throws", "switches", "forks", "threads", "jumps")
PLUGINS = 4
SLACK = 60.0  # s; a thread that stands still for 10 s is found out by the storm itself
HARD = {"PPROF_CPU_RATE": "4000", "PPROF_MEM_RATE": "1"}


def arguments(how: str, seconds: int, seed: int) -> list[str]:
    tmp = folder()
    plugins = [tmp / f"plugin{i}.so" for i in range(PLUGINS)]
    for path in plugins:
        shutil.copy(BUILD / "test" / "unwind" / "storm_plugin.so", path)
    return [str(BUILD / "test" / "unwind" / "storm"), how, str(seconds), str(seed), *map(str, plugins)]


def judge_work(label: str, got: dict) -> None:
    done = {name: got[name] for name in WORK}
    ok(f"{label}: all kinds of work were done", min(done.values()) > 0, done)
    ok(f"{label}: forks and loads succeed", got["failed"] == 0, got["failed"])


def judge_walks(seconds: int, seed: int) -> None:
    label = f"storm of seed {seed}"
    with case(label):
        done = bare(arguments("walk", seconds, seed), timeout=seconds + SLACK)
        ok(f"{label}: it ends", done.status in (0, 1), done.status, done.stderr[-300:])
        got = json.loads(done.stdout)
        walks = max(got["walks"], 1)
        ok(f"{label}: walks enough", walks >= WALKS_LEAST * seconds, f"{walks / seconds:.0f} a second")
        ok(f"{label}: walks in walks", got["nested"] > seconds, got["nested"])
        ok(f"{label}: walks on other stacks", got["foreign"] > seconds, got["foreign"])
        ok(f"{label}: no stack begins elsewhere", got["wrong_first"] == 0, got["wrong_first"])
        where = "; ".join(line for line in done.stderr.splitlines() if "wrong" in line)
        wrong = got["wrong_root"]
        ok(f"{label}: hardly any ends elsewhere", wrong <= WRONG_MOST * walks, f"{wrong} of {walks}, {where}")
        cut = got["truncated"] / walks
        ok(f"{label}: few are truncated", cut <= TRUNCATED_MOST, f"{cut:.3%}")
        judge_work(label, got)


def judge_injected(seconds: int, seed: int) -> None:
    label = f"injected storm of seed {seed}"
    with case(label):
        live = start(arguments("bare", seconds, seed), HARD)
        until = time.monotonic() + seconds - 1
        while time.monotonic() < until:
            time.sleep(1)
            os.kill(live.pid, signal.SIGUSR2)
        got = json.loads(live.line(SLACK))
        result = live.end(None, SLACK)
        ok(f"{label}: it ends well", result.status == 0, result.status, result.stderr[-300:])
        judge_work(label, got)
        numbers = result.numbers()
        ok(f"{label}: dumps were made", len(numbers) >= max(seconds - 2, 1) // 2, len(numbers))
        files = result.files()
        frames = sum(len(s.locations) for f in files for s in judged(f.path).samples)
        ok(f"{label}: every file is whole", frames > 0, f"{len(files)} files, {frames} frames")
