#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Children: which processes write files, what a forked one inherits, PPROF_ONLY and PPROF_CHILDREN, and that a
shell loop of small commands leaves no files behind.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import KINDS, case, files_in, finish, inject, ok, program

EXACT = {"PPROF_MEM_RATE": "1"}
BLOCK, BEFORE, CHILD = 4096, 2048, 1024  # bytes and numbers of blocks in process_ends.c
LOOP, LITTER = 100, 0.02


def forked() -> None:
    result = inject([program("process_ends"), "fork"], EXACT)
    child = int(result.stdout.splitlines()[1])
    parent = result.dump()["heap"]
    heap = result.dump(pid=child)["heap"]
    want = {
        ("parent", "alloc_objects", "site_before"): BEFORE,
        ("parent", "inuse_objects", "site_before"): BEFORE,
        ("parent", "alloc_objects", "site_in_child"): 0,
        # The child freed 1,024 of the inherited blocks; it allocated only its own.
        ("child", "alloc_objects", "site_before"): 0,
        ("child", "inuse_objects", "site_before"): BEFORE - 1024,
        ("child", "alloc_objects", "site_in_child"): CHILD,
        ("child", "inuse_objects", "site_in_child"): CHILD,
    }
    for (who, column, site), count in want.items():
        profile = parent if who == "parent" else heap
        got = profile.cumulative(column, elf.name).get(site, 0)
        ok(f"fork: {who}'s {column} of {site}", got == count, got, count)


def executables(script: str, **env: str) -> set[str]:
    result = inject(["bash", "-c", script], EXACT | env, expect=None)
    found = files_in(result.out)
    for pid in {f.pid for f in found}:
        result.dump(pid=pid)
    return {f.exe for f in found}


def chosen() -> None:
    # exit 0 follows, since bash would run a last command in its own process.
    script = f"{program('process_ends')} >&2; {program('heap_calls')} >&2; exit 0"
    found = executables(script)
    ok("children are profiled", found == {"bash", "process_ends", "heap_calls"}, found)
    found = executables(script, PPROF_CHILDREN="0")
    ok("PPROF_CHILDREN=0", found == {"bash"}, found)
    found = executables(script, PPROF_ONLY="process_ends")
    ok("PPROF_ONLY=process_ends", found == {"process_ends"}, found)
    found = executables(script, PPROF_ONLY="redis-*,heap_c?lls,ba[rst]h")
    ok("PPROF_ONLY with globs", found == {"bash", "heap_calls"}, found)


def litter() -> None:
    script = f"for i in $(seq {LOOP}); do /bin/true; done; echo $?"
    result = inject(["bash", "-c", script])
    ok("a loop runs", result.stdout == "0\n", result.stdout)
    kinds = {f.kind for f in result.files()}
    ok("the first process writes all profiles", kinds == set(KINDS), sorted(kinds))
    writers = {f.pid for f in files_in(result.out)} - {result.pid}
    share = len(writers) / LOOP
    ok(f"at most {LITTER:.0%} of the others write", share <= LITTER, f"{share:.1%}")


for part in (forked, chosen, litter):
    with case(part.__name__):
        part()
finish()
