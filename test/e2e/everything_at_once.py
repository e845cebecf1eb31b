#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program of 16 threads that does everything at once, dumped 200 times 50 ms apart, and then for
a minute with dumps at random: no hang, no crash, no torn or missing file, and the heap is exact at the end.
`everything_at_once.py SECONDS [SEED]` runs for another length, or again with a seed.
"""

# timeout: 300

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import BUILD, KINDS, Failure, case, files_in, finish, judged, ok, program, start
from profile import Profile
from truth import sites, truth

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 60
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 1_000_000
JUDGED = 600  # at most so many files of other processes


def judge(name: str, live, dumps: int | None) -> None:
    result = live.end(timeout=120)
    said = result.stdout.splitlines()
    ok(f"{name}: ends well", result.status == 0, f"{result.status} {said[:-1]}", result.stderr[-300:])
    files = files_in(result.out)  # read once: the long form leaves some hundred thousand files
    own = [f for f in files if f.pid == result.pid]
    numbers = sorted({f.number for f in own})
    ok(f"{name}: no dump is missing", numbers == list(range(1, len(numbers) + 1)), len(numbers))
    if dumps is not None:
        # The kernel keeps one pending signal of a kind: on a busy machine two requests can become one.
        enough = dumps * 0.9 <= len(numbers) <= dumps + 1
        ok(f"{name}: as many as were asked for, and the last", enough, len(numbers))
    broken = []
    last: dict[str, Profile] = {}
    for f in own:
        try:
            profile = judged(f.path)
        except (Failure, ValueError) as error:
            broken.append(f"{f.path.name}: {error}")
            continue
        if f.number == numbers[-1]:
            last[f.kind] = profile
    ok(f"{name}: each is whole", not broken, broken[:3])
    others = [f for f in files if f.pid != result.pid]
    for f in others[:: len(others) // JUDGED + 1]:
        judged(f.path)
    complete = {(f.pid, f.number, f.kind) for f in files}
    dumped = {(p, n) for p, n, _ in complete}
    missing = [d for d in dumped if any((*d, k) not in complete for k in KINDS)]
    ok(f"{name}: all kinds of each, the children's too", not missing, f"{len(others)} files", missing[:5])
    heap = last["heap"]
    site = sites(truth(result))["site_life"]
    for column, want in (
        ("alloc_objects", site.alloc.objects()), ("alloc_space", site.alloc.bytes()),
        ("inuse_objects", site.inuse.objects()), ("inuse_space", site.inuse.bytes()),
    ):  # fmt: skip
        got = heap.cumulative(column, elf.name).get("site_life", 0)
        ok(f"{name}: {column} exact", got == want, got, want)
    wrong = strangers(heap, dict(site.alloc.pairs))
    ok(f"{name}: each size exact", not wrong, "", wrong)


def strangers(heap: Profile, booked: dict[int, int]) -> str:
    """The block sizes whose counts differ between the profile and the program, and their stacks."""
    found: dict[int, dict[tuple[str, ...], int]] = {}
    for sample in heap.samples:
        stack = tuple("/".join(sorted(elf.name(x))) for x in sample.locations)
        size = next((x.num for x in sample.labels if x.key == "bytes"), 0)
        if any("site_life" in name for name in stack):
            found.setdefault(size, {})[stack] = sample.values[0]
    wrong = [n for n in booked.keys() | found.keys() if sum(found.get(n, {}).values()) != booked.get(n, 0)]
    return "; ".join(f"{n}: {found.get(n)} for {booked.get(n)}" for n in wrong)


def begin(seconds: int, seed: int, extra: dict[str, str]):
    plugin = str(BUILD / "test/unwind/storm_plugin.so")
    env = {"PPROF_MEM_RATE": "1", "PPROF_CPU_RATE": "1000"} | extra
    live = start([program("everything_at_once"), str(seed), str(seconds), plugin], env)
    live.line()
    return live


def two_hundred() -> None:
    live = begin(14, SEED, {})
    for _ in range(200):
        os.kill(live.pid, signal.SIGUSR2)
        time.sleep(0.05)
    judge("200 dumps", live, 200)


def mixed() -> None:
    draw = random.Random(SEED)
    live = begin(SECONDS, SEED + 1, {"PPROF_INTERVAL": "7", "PPROF_SEED": str(SEED)})
    until = time.monotonic() + SECONDS - 1
    while time.monotonic() < until and live.child.poll() is None:
        os.kill(live.pid, signal.SIGUSR2)
        time.sleep(draw.expovariate(1.0) + 0.01)
    judge(f"{SECONDS} s of seed {SEED}", live, None)


with case("200 dumps"):
    two_hundred()
with case("mixed"):
    mixed()
finish()
