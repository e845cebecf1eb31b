#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An allocator that takes the program's calls before the library does (preloaded before it, or in the program):
the program runs as ever, one line at start says that the heap is not seen, the other profiles are there.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import ALLOCATORS, Failure, Run, bare, case, finish, folder, inject, ok, program

# In a program at a fixed address (gcc's cc1) &free is the program's own PLT entry, though calls reach us.
FIXED = """#include <stdio.h>
#include <stdlib.h>
void *(*volatile get)(size_t);
void (*volatile release)(void *);
int main(void)
{
    get = malloc;
    release = free;
    for (int i = 0; i < 1000; i++)
        release(get(1000));
    puts("ran");
    return 0;
}
"""


def judge(label: str, run: Run, plain: Run) -> None:
    ok(f"{label}: unharmed", run.stdout == plain.stdout and run.status == plain.status, run.status)
    lines = run.stderr.splitlines()
    good = len(lines) == 1 and "heap" in lines[0] and "pprofinject" in lines[0]
    ok(f"{label}: one line about the heap", good, lines)
    samples = len(run.dump()["heap"].samples)
    ok(f"{label}: a valid heap profile without samples", samples == 0, samples)


for name, path in ALLOCATORS.items():
    if path:
        with case(f"{name} preloaded before"):
            argv = [program("heap_sites")]
            judge(f"{name} preloaded before", inject(argv, before=[path]), bare(argv))
with case("own malloc"):
    argv = [program("own_malloc")]
    judge("own malloc", inject(argv), bare(argv))
def fixed() -> None:
    out = folder() / "fixed"
    argv = ["gcc", "-O2", "-no-pie", "-fno-pic", "-x", "c", "-", "-o", str(out)]
    done = subprocess.run(argv, input=FIXED, text=True, capture_output=True)
    if done.returncode:
        raise Failure(done.stderr)
    run = inject([str(out)], {"PPROF_MEM_RATE": "1"})
    ok("&malloc, &free taken at a fixed address: silent", run.stderr == "", run.stderr)
    heap = run.dump()["heap"]
    seen = sum(s.values[1] for s in heap.samples if s.labels[0].num == 1000)
    ok("&malloc, &free taken at a fixed address: the heap is seen", seen == 1_000_000, seen)


with case("fixed address"):
    fixed()
with case("nothing to say"):
    run = inject([program("heap_sites")])
    ok("the library is silent otherwise", run.stderr == "", run.stderr[:200])
finish()
