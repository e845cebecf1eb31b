#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What was unloaded before the dump keeps its names: the module itself, one that came back, and each
of several that were at the same place one after the other.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import Failure, Run, bare, case, finish, folder, inject, ok, program
from profile import Profile, load

# All plugins have one layout, so that a later one lies where an earlier one lay.
PLUGIN = """
#include <stdlib.h>
void *volatile %(name)s_kept;
static __attribute__((noinline)) void *%(name)s_inner(int n) { void *p = malloc(n); %(name)s_kept = p; return p; }
void %(name)s(void) { if (%(name)s_inner(1000)) %(name)s_kept = 0; }
"""
RATE_1 = {"PPROF_MEM_RATE": "1"}
LOOPS = 3000

HERE = folder()


def plugin(name: str, *flags: str) -> Path:
    out, source = HERE / f"lib{name}.so", HERE / f"{name}.c"
    source.write_text(PLUGIN % {"name": name})
    argv = ["gcc", "-O1", "-g", "-fPIC", "-shared", "-Wl,--build-id", *flags, "-o", str(out), str(source)]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise Failure(done.stderr)
    return out


def places(result: Run) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, at in re.findall(r"^(\w+) (0x\w+)$", result.stdout, re.M):
        found.setdefault(name, set()).add(at)
    return found


def sums(heap: Profile) -> dict[str, int]:
    all_sums = heap.cumulative("alloc_space")
    return {n: all_sums[n] for n in sorted(all_sums) if n.startswith("plug_") and not n.endswith("_inner")}


def lines_of(heap: Profile, name: str) -> set[tuple[str, int]]:
    found = [x for loc in heap.locations for x in loc.lines if x.function.name == name]
    return {(Path(x.function.filename).name, x.line) for x in found}


def gone() -> None:
    path = plugin("plug_a")
    heap = inject([program("unloaded_modules"), f"{path}:plug_a:1"], RATE_1, symbolize=True).dump()["heap"]
    ok("unloaded before the dump: function, file and line", sums(heap) == {"plug_a": 1000} and
       lines_of(heap, "plug_a") == {("plug_a.c", 5)} and lines_of(heap, "plug_a_inner") == {("plug_a.c", 4)},
       sums(heap), lines_of(heap, "plug_a"))  # fmt: skip
    mapping = [m for m in heap.mappings if m.filename == str(path)]
    ok("it has one mapping, with its build id", len(mapping) == 1 and len(mapping[0].build_id) == 40, mapping)


def one_after_the_other() -> None:
    a, b, c = plugin("plug_a"), plugin("plug_b"), plugin("plug_c")
    argv = [f"{a}:plug_a:1", f"{b}:plug_b:2", f"{a}:plug_a:3", f"{c}:plug_c:4", f"{b}:plug_b:5:stay"]
    result = inject([program("unloaded_modules"), *argv], RATE_1, symbolize=True)
    at = places(result)
    same = bool(set.intersection(*at.values()))  # the first time, the library's own mappings come between
    heap = result.dump()["heap"]
    want = {"plug_a": 4000, "plug_b": 7000, "plug_c": 4000}
    ok("three modules at one place, in turns: each has its own", sums(heap) == want, sums(heap), at)
    ok("they were at one place", same, at)
    # With the last one gone as well.
    result = inject([program("unloaded_modules"), *argv[:-1], f"{b}:plug_b:5"], RATE_1, symbolize=True)
    heap = result.dump()["heap"]
    ok("the last one unloaded too", sums(heap) == want, sums(heap))
    inner = {n: v for n, v in heap.cumulative("alloc_space").items() if n.endswith("_inner")}
    ok("their callees too", inner == {f"{n}_inner": v for n, v in want.items()}, inner)


def by_a_call() -> None:
    a, b, out = plugin("plug_a"), plugin("plug_b"), folder() / "written.pb.gz"
    argv = [program("unloaded_modules"), f"{a}:plug_a:1", f"{b}:plug_b:2", f"write:{out}"]
    result = inject(argv, RATE_1, symbolize=True)
    heap = load(out)
    ok("a call of the API that writes knows them, too", sums(heap) == {"plug_a": 1000, "plug_b": 2000}, sums(heap), result)


def no_build_id() -> None:
    a, b = plugin("plug_a", "-Wl,--build-id=none"), plugin("plug_b", "-Wl,--build-id=none")
    argv = [f"{a}:plug_a:1", f"{b}:plug_b:2", f"{a}:plug_a:3"]
    heap = inject([program("unloaded_modules"), *argv], RATE_1, symbolize=True).dump()["heap"]
    ok("without build ids", sums(heap) == {"plug_a": 4000, "plug_b": 2000}, sums(heap))


def relative() -> None:
    plugin("plug_a")
    argv = [program("unloaded_modules"), "./libplug_a.so:plug_a:1", "cd:/", f"{plugin('plug_b')}:plug_b:1"]
    heap = inject(argv, RATE_1, symbolize=True, cwd=HERE).dump()["heap"]
    ok("loaded by a relative name, and the folder left", sums(heap) == {"plug_a": 1000, "plug_b": 1000}, sums(heap))


def removed() -> None:
    """Unloaded and gone from the disk, or replaced there: an address, no name of another file."""
    a = plugin("plug_a")
    result = inject([program("unloaded_modules"), f"{a}:plug_a:1"], RATE_1)  # raw
    plugin("plug_b").replace(a)
    raw = [f.path for f in result.files() if f.kind == "heap"]
    subprocess.run([str(Path(program("unloaded_modules")).parents[3] / "pprof-symbolize"), *map(str, raw)], check=True)
    heap = result.dump()["heap"]
    ok("replaced on disk since: not named by the other", sums(heap) == {}, sums(heap))


def loop() -> None:
    """A module that comes and goes keeps one copy of its stacks, and the loop its speed."""
    a = plugin("plug_a")
    argv = [program("unloaded_modules"), f"{a}:plug_a:{LOOPS}"]
    result = inject(argv, RATE_1, symbolize=True)
    heap = result.dump()["heap"]
    ok(f"{LOOPS} times: all of them", sums(heap) == {"plug_a": LOOPS * 1000}, sums(heap))
    stacks = [s for s in heap.samples if any(x.function.name == "plug_a" for l in s.locations for x in l.lines)]
    ok("in one stack", len(stacks) == 1, len(stacks))
    seconds = {}
    for name, run in (("bare", bare(argv)), ("injected", result)):
        seconds[name] = float(run.stdout.split("seconds ")[1])
    print(f"# a round takes {seconds['injected'] / LOOPS * 1e6:.0f} us at rate 1, bare {seconds['bare'] / LOOPS * 1e6:.0f}")


for part in (gone, one_after_the_other, by_a_call, no_build_id, relative, removed, loop):
    with case(part.__name__):
        part()
finish()
