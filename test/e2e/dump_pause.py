#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A dump of a profile above 12 MB goes unnoticed: a pause of at most 1 ms by the program's own
clock, the same threads and descriptors, no child, no SIGCHLD; also after pthread_exit of main.

The pause is the longest time between two looks at the clock, less what the kernel says that the
thread waited for a processor (others, on a loaded machine, take it away for milliseconds; so does
the host of a virtual one, uncounted). A pause that is ours is in every dump, so the least of several
is judged; all stand in the figures, beside those of a window without a dump.
"""

# alone
# timeout: 400

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import Live, case, finish, judged, ok, program, start

DUMPS = 5
PAUSE_US = 1000
BIG = 12_000_000  # bytes of the heap profile before gzip
STACKS = 200_000


def window(live: Live, seconds: float | None) -> tuple[dict, dict[str, Path]]:
    """What the program saw while a dump was made (or for so long without one)."""
    live.tell("begin")
    live.line()
    files = {}
    if seconds is None:
        files = live.dump()
        time.sleep(0.05)  # what comes after the last rename belongs to the dump too
    else:
        time.sleep(seconds)
    live.tell("end")
    return json.loads(live.line()), files


def judge(mode: str) -> None:
    # The heap's 12 MB at rate 1; the looks themselves would fill the cpu profile but not disturb.
    live = start([program("big_profile"), mode, str(STACKS)], {"PPROF_MEM_RATE": "1"})
    live.line()
    began = time.monotonic()
    dumps = [window(live, None) for _ in range(DUMPS)]
    each = (time.monotonic() - began) / DUMPS
    quiet, _ = window(live, min(each, 2.0))
    seen = [s for s, _ in dumps]
    heap = judged(dumps[-1][1]["heap"])
    ok(f"{mode}: the profile is big", heap.raw_size >= BIG, f"{heap.raw_size / 1e6:.1f} MB")
    ok(
        f"{mode}: all stacks are in it",
        heap.cumulative("inuse_objects", elf.name)["twist"] == STACKS,
        f"{len(heap.samples)} samples, {each:.2f} s a dump",
    )
    pauses = sorted(s["pause_us"] for s in seen)
    gaps = sorted(s["gap_us"] for s in seen)
    figures = f"pauses {pauses} us of gaps {gaps}, without a dump {quiet['pause_us']} of {quiet['gap_us']}"
    ok(f"{mode}: pause of at most {PAUSE_US} us", pauses[0] <= PAUSE_US, figures)
    for what in ("threads", "files"):
        low, high = min(s[what][0] for s in seen), max(s[what][1] for s in seen)
        ok(f"{mode}: the same {what}", [low, high] == quiet[what], [low, high], quiet[what])
    ok(f"{mode}: no child", all(s["children"] == 0 for s in seen))
    ok(f"{mode}: no SIGCHLD", all(s["sigchlds"] == 0 for s in seen))
    run = live.end(timeout=120)
    ok(f"{mode}: ends as it would", run.status == 0 and run.stderr == "", run.status, run.stderr)


for mode in ("main", "exited"):
    with case(mode):
        judge(mode)
finish()
