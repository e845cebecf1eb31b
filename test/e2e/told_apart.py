#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What samples are told apart by: PPROF_HEAP_LABELS, PPROF_THREAD_LABELS, and by dumps, PPROF_DELTA. The programs know
what they did under which label, in which thread, before which dump.
"""

# timeout: 120

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import Run, case, finish, inject, judged, ok, program
from profile import Profile

SIZE = 1000  # of told_apart's blocks
HEAP = {"PPROF_MEM_RATE": "1", "PPROF_HEAP_LABELS": "1", "PPROF_CPU_RATE": "0"}
THREADS = {"PPROF_THREAD_LABELS": "1"}


def named(sample, function: str) -> bool:
    return any(function in elf.name(x) for x in sample.locations)


def by_label(profile: Profile, key: str, kind: str, function: str) -> dict:
    """Sums of the samples under a function by the value of a label; None: they have none of that key."""
    sums: dict = defaultdict(int)
    for s in profile.samples:
        if named(s, function):
            values = [x.text or x.num for x in s.labels if x.key == key] or [None]
            sums[values[0] if len(values) == 1 else tuple(values)] += s.values[profile.index(kind)]
    return {k: v for k, v in sums.items() if v}


def dump_of(result: Run, number: int, pid: int | None = None, delta: bool = False) -> dict[str, Profile]:
    """As Run.dump(), of a program with a profile of its own."""
    return {f.kind: judged(f.path, delta) for f in result.files(pid) if f.number == number}


def objects(dump: dict[str, Profile], kind: str) -> dict:
    return by_label(dump["heap"], "route", kind, "grow")


def heap_labels() -> None:
    result = inject([program("told_apart"), "steps"], HEAP)
    first, second = dump_of(result, 1), dump_of(result, 2)
    # /a's blocks: half of each step's are freed, by a thread with other labels.
    wants = ((first, {"/a": 40, "/b": 30, None: 20}, {"/a": 20, "/b": 30, None: 20}),
             (second, {"/a": 50, "/b": 50, None: 50}, {"/a": 25, "/b": 50, None: 50}))  # fmt: skip
    for i, (dump, made, left) in enumerate(wants, 1):
        got = objects(dump, "alloc_objects"), objects(dump, "inuse_objects")
        ok(f"heap labels: dump {i}", got == (made, left), got)
        space = by_label(dump["allocs"], "route", "alloc_space", "grow")
        ok(f"heap labels: dump {i}, bytes", space == {k: v * SIZE for k, v in made.items()}, space)
    shown = subprocess.run(
        ["go", "tool", "pprof", "-top", "-sample_index=inuse_objects", "-tagfocus=route=/a",
         next(str(f.path) for f in result.files() if f.kind == "heap" and f.number == 2)],
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    ok("heap labels: go tool pprof -tagfocus selects them", re.search(r"accounting for 25,", shown) is not None, shown[:300])
    result = inject([program("told_apart"), "steps"], HEAP | {"PPROF_HEAP_LABELS": "0"})
    got = objects(dump_of(result, 2), "alloc_objects")
    ok("heap labels: none by default", got == {None: 150}, got)


def heap_labels_sampled() -> None:
    """At a rate, each label's estimate is unbiased: 1,000 KB each under four labels, one sample in 16 KB."""
    many = {"PPROF_MEM_RATE": "16384", "PPROF_SEED": "5"}
    dump = dump_of(inject([program("told_apart"), "share"], HEAP | many), 1)
    sums = by_label(dump["heap"], "route", "alloc_space", "grow")
    # 1,000 objects of 1,000 bytes: a standard deviation is 12.6 %.
    good = len(sums) == 4 and all(abs(v - 1_000_000) < 4 * 126_000 for v in sums.values())
    ok("heap labels: sampled, each label's bytes within 4 standard deviations", good, sums)


def heap_labels_many() -> None:
    """A set of labels for each object, more than a stack may have sizes: none is lost, and each has its size."""
    count = 6000
    dump = dump_of(inject([program("told_apart"), "many", str(count)], HEAP), 1)
    made, left = (by_label(dump["heap"], "route", f"{k}_space", "grow") for k in ("alloc", "inuse"))
    ok("heap labels: a set for each object", made == {f"request-{i}": SIZE for i in range(count)}, len(made))
    ok("heap labels: freed by another thread", left == {f"request-{i}": SIZE for i in range(1, count, 2)}, len(left))


def timed(what: str, env: dict[str, str]) -> tuple[Run, float]:
    """And for how long, in seconds, its process was there at most."""
    began = time.monotonic()
    return inject([program("told_apart"), what], env), time.monotonic() - began


def deltas() -> None:
    env = HEAP | {"PPROF_DELTA": "1", "PPROF_BLOCK_RATE": "1"}
    result, ran = timed("steps", env)
    dumps = [dump_of(result, n, delta=True) for n in (1, 2, 3)]
    wants = ({"/a": 40, "/b": 30, None: 20}, {"/a": 10, "/b": 20, None: 30}, {})
    whole = ({"/a": 20, "/b": 30, None: 20}, *2 * ({"/a": 25, "/b": 50, None: 50},))
    for i, (dump, made, left) in enumerate(zip(dumps, wants, whole, strict=True), 1):
        got = objects(dump, "alloc_objects"), objects(dump, "inuse_objects")
        ok(f"delta {i}: what was allocated since, and all that is in use", got == (made, left), got)
    counts = [[d[kind].total(kind) for d in dumps] for kind in ("threadcreate", "goroutine", "entries")]
    ok("delta: threads made since", counts[0] == [4, 2, 0], counts[0])
    ok("delta: all threads", counts[1] == [4, 5, 5], counts[1])
    ok("delta: all entries", counts[2] == [4, 6, 6], counts[2])
    joins = [sum(s.values[0] for s in d["block"].samples if named(s, "shrink_elsewhere")) for d in dumps]
    ok("delta: waits since (a join of an ended thread waits for nothing)", all(a <= b for a, b in zip(joins, (1, 1, 0), strict=True)), joins)
    for kind in dumps[0]:
        spans = [d[kind].duration_nanos / 1e9 for d in dumps]
        ok(f"delta: {kind}: duration is the time between", spans[1] > 0.29 and sum(spans) < ran, f"{spans} of {ran}")
    plain = dump_of(inject([program("told_apart"), "steps"]), 2)
    spans = {k: p.duration_nanos > 0 for k, p in plain.items()}
    ok("without delta: duration in cpu alone", spans == {k: k == "cpu" for k in spans}, spans)


def delta_child() -> None:
    """A forked child begins anew: what it did itself, what it inherited in use, and its own time."""
    result, ran = timed("child", HEAP | {"PPROF_DELTA": "1"})
    child = json.loads(result.stdout)["child"]
    dump, before = dump_of(result, 1, child, delta=True), dump_of(result, 1, delta=True)
    got = objects(dump, "alloc_objects"), objects(dump, "inuse_objects")
    want = {"/a": 10, "/b": 20, None: 30}, {"/a": 25, "/b": 50, None: 50}
    ok("delta: a forked child's first dump", got == want, got)
    own, parent = (d["heap"].duration_nanos / 1e9 for d in (dump, before))
    # Before the fork its parent has slept for half a second.
    ok("delta: its first duration is since the fork", parent > 0.49 and own < ran - 0.49, f"{own}, {parent} of {ran}")


def near(got: int, ns: int) -> bool:
    """A signal that is a tick late (10 ms at HZ=100) finds the thread with its next name."""
    return abs(got - ns) < 0.08 * ns + 12e6


def thread_labels() -> None:
    result = inject([program("named_threads")], THREADS | {"PPROF_CPU_RATE": "1000"})
    books = [json.loads(line) for line in result.stdout.splitlines()]
    for book in books:
        cpu = result.dump(pid=book["pid"])["cpu"]
        names, tids = (by_label(cpu, key, "cpu", "burn") for key in ("thread", "tid"))
        for name, tid, ns in book["burnt"]:
            got = names.get(name, 0)
            ok(f"cpu: {name}", near(got, ns), f"{got / 1e6:.0f} of {ns / 1e6:.0f} ms")
        spent: dict = defaultdict(int)
        for _, tid, ns in book["burnt"]:
            spent[tid] += ns
        good = set(tids) == set(spent) and all(near(tids[t], spent[t]) for t in spent)
        ok("cpu: each id, of a renamed thread both times", good and set(names) == {b[0] for b in book["burnt"]}, tids)
    book = books[-1]
    dump = result.dump(pid=book["pid"])
    for kind, function, who in (("block", "wait_for_it", "waiter"), ("mutex", "hold", "holder")):
        got = {k: list(by_label(dump[kind], k, "delay", function)) for k in ("thread", "tid")}
        ok(f"{kind}: {who}", got == {"thread": [who], "tid": [book[who]]}, got)
    got = {tuple(x.text or x.num for x in s.labels if x.key in ("thread", "tid")) for s in dump["goroutine"].samples}
    want = {("holder", book["holder"]), ("waiter", book["waiter"]), ("named_threads", book["pid"])}
    ok("goroutine: each thread", got == want, got)
    units = {x.unit for p in dump.values() for s in p.samples for x in s.labels}
    ok("no unit, and none elsewhere", units <= {""} and not any(s.labels[1:] for s in dump["heap"].samples), units)
    plain = inject([program("named_threads")]).dump()
    keys = {x.key for p in plain.values() for s in p.samples for x in s.labels}
    ok("none by default", keys <= {"bytes"}, keys)


def named_after_the_dump() -> None:
    """pprof-symbolize keeps the labels, and so does the text form."""
    result = inject([program("named_threads")], THREADS | {"PPROF_DEBUG": "1"}, symbolize=True, expect=None)
    book = json.loads(result.stdout.splitlines()[-1])
    name = f"named_threads.{result.pid}.001"
    cpu = judged(result.out / f"{name}.cpu.pb.gz")
    sums = {x.num for s in cpu.samples if s.labels for x in s.labels if x.key == "tid"}
    ok("symbolised: the ids are there", {b[1] for b in book["burnt"]} <= sums, sums)
    text = (result.out / f"{name}.goroutine.txt").read_text()
    ok("text: both labels", f'# labels: {{"thread":"holder", "tid":{book["holder"]}}}' in text, text[:500])


for part in (heap_labels, heap_labels_sampled, heap_labels_many, deltas, delta_child, thread_labels, named_after_the_dump):  # fmt: skip
    with case(part.__name__):
        part()
finish()
