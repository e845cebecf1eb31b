#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""goroutine and threadcreate: every thread is shown where it is, also one that blocks all signals or sleeps in
vfork; no sleeping thread is woken; 1,000 threads take at most 0.2 s; debug=2 reads as a crash report.
"""

# alone

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import ROOT, case, finish, inject, ok, program

SOURCE = (ROOT / "test/programs/parked_threads.c").read_text().split("\n")


def line_of(text: str) -> int:
    return next(i for i, line in enumerate(SOURCE, 1) if text in line)


def text_of(run, number: int, ending: str) -> str:
    found = [p for p in run.out.iterdir() if p.name.endswith(f".{number:03d}.{ending}")]
    return found[0].read_text() if found else ""


def twelve() -> None:
    run = inject([program("parked_threads"), "twelve"], symbolize=True)
    first = run.dump(1)
    where = first["goroutine"].cumulative("goroutine")
    ok("12 parked, 4 of them deaf, and 1 in main", (where["park_here"], where["main"]) == (12, 1), dict(where))
    ok("one in vfork", where["vforks"] == 1 and where["vfork"] == 1, dict(where))
    ok("each thread once", first["goroutine"].total("goroutine") == 14, first["goroutine"].total("goroutine"))
    made = first["threadcreate"]
    leaves = {(s.locations[0].lines[-1].function.name, s.locations[0].lines[-1].line): s.values[0] for s in made.samples}
    line = line_of("must(pthread_create(t, NULL, parks, how)")
    ok("threadcreate: 12 at the creating line", leaves.get(("make_parked", line)) == 12, leaves)
    last = run.dump(2)
    ok("threadcreate: ever made", last["threadcreate"].total("threadcreate") == 13)
    ok("goroutine: those that are left", last["goroutine"].total("goroutine") == 1)


def sleepers() -> None:
    run = inject([program("parked_threads"), "sleepers"])
    ok("no sleeper is woken by 20 dumps", json.loads(run.stdout)["interrupted"] == 0, run.stdout, run.stderr)
    where = run.dump(20)["goroutine"].cumulative("goroutine", elf.name)
    want = ("polls", "epolls", "naps", "semaphores")
    ok("sleepers are seen where they are", all(where[n] == 1 for n in want), dict(where))


def many() -> None:
    run = inject([program("parked_threads"), "many", "1000"])
    took = json.loads(run.stdout)["ns"] / 1e6
    ok("1,000 threads within 200 ms", took <= 200, f"{took:.0f} ms")
    where = run.dump(max(run.numbers()) - 1)["goroutine"].cumulative("goroutine", elf.name)
    ok("1,000 threads, each where it is", where["park_here"] == 1000, where["park_here"])


def busy() -> None:
    run = inject([program("parked_threads"), "busy"], {"PPROF_DEBUG": "1"}, symbolize=True, expect=None)
    text = text_of(run, 1, "goroutine.debug2.txt")
    blocks = dict(re.findall(r'^thread \d+ "(\w+)" \[(.*?)\]:\n((?:.+\n)*)'.replace("(.*?)", ".*?"), text, re.M))
    ok("a running thread answers", "spins" in blocks.get("spinner", ""), text[:600])
    deaf = blocks.get("deaf", "")
    ok("one that is deaf has its line, name, state and start", "[no response]" in deaf and "spins" in deaf, deaf)
    states = dict(re.findall(r'^thread \d+ "(\w+)" \[(.*?)\]:', text, re.M))
    ok("states", states.get("deaf") == "running" and states.get("spinner") == "running", states)
    maker = line_of("must(pthread_create(&t[i], NULL, spins")
    ok("created by", re.search(rf"^created by \w+\n\t.*/parked_threads.c:{maker} ", text, re.M) is not None, "", text[-600:])
    ok("no memory map in it", "Memory map" not in text)
    files = {p.name.split(".", 3)[3] for p in run.out.iterdir() if ".001." in p.name}
    want = {f"{k}.{e}" for k in ("cpu", "heap", "allocs", "threadcreate", "goroutine") for e in ("pb.gz", "txt")}
    ok("PPROF_DEBUG: each profile also as text", want | {"goroutine.debug2.txt"} <= files, files)


for part in (twelve, sleepers, many, busy):
    with case(part.__name__):
        part()
finish()
