#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program does not notice a dump of a profile above 12 MB: by its own clock it pauses for at most 1 ms, it
has the same threads and descriptors, no child and no SIGCHLD; also after pthread_exit of main.

The pause is the longest time between two readings of the clock, less the time that the thread waited for a
processor by the kernel's account: on a loaded machine that is milliseconds. (The host of a virtual machine
takes processors away as well, and that is in no account.) A pause that the library causes is in every dump, so
the shortest of several is judged; the figures show all, and those of a window without a dump.
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
        time.sleep(0.05)  # the dump's work after its last rename counts, too
    else:
        time.sleep(seconds)
    live.tell("end")
    return json.loads(live.line()), files


def judge(mode: str) -> None:
    # Rate 1 gives the heap profile its 12 MB. The loop fills the cpu profile as well, which does no harm.
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
