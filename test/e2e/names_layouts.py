#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Names for every layout of a program in memory: at fixed addresses, at a base that the kernel chooses, with
segments that the linker has moved against each other, with code that was copied to other memory; and for a
binary that is deleted or replaced before its names are looked up.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import ROOT, Failure, case, finish, folder, inject, judged, ok, program, start

RATE_1 = {"PPROF_MEM_RATE": "1"}
HERE = folder()
LAYOUTS = {
    "fixed addresses": ["-no-pie"],
    "a base that is not 0": ["-Wl,-Ttext-segment=0x30000000"],
    "lld's segments": ["-fuse-ld=lld"],
    "lld's, fixed": ["-fuse-ld=lld", "-no-pie"],
    "one segment for all": ["-Wl,-z,noseparate-code"],
    "optimised as a whole": ["-flto"],
    "code in sections of its own": ["-ffunction-sections", "-Wl,--gc-sections"],
}


def build(name: str, flags: list[str]) -> str:
    out, source = HERE / name, str(ROOT / f"test/programs/{name}.c")
    done = subprocess.run(["gcc", "-O2", "-g", "-D_GNU_SOURCE", f"-I{ROOT}", "-pthread", *flags, source, "-o", str(out)],
                          capture_output=True, text=True)  # fmt: skip
    if done.returncode:
        raise Failure(done.stderr)
    return str(out)


def layouts() -> None:
    for what, flags in LAYOUTS.items():
        if "-fuse-ld=lld" in flags and not shutil.which("ld.lld"):
            continue
        heap = inject([build("heap_sites", flags)], RATE_1, symbolize=True).dump()["heap"]
        found = heap.cumulative("inuse_space").get("site_malloc")
        lines = [x.line for loc in heap.locations for x in loc.lines if x.function.name == "site_malloc"]
        ok(f"{what}: name and line", found == 64 << 20 and lines and all(lines), (found, lines))


def moved() -> None:
    heap = inject([program("moved_text")], RATE_1, symbolize=True).dump()["heap"]
    found = heap.cumulative("alloc_space").get("moved_alloc")
    ok("code copied to anonymous memory: names", found == 100_000, found)
    inside = {loc.mapping.filename for loc in heap.locations for x in loc.lines if x.function.name == "moved_alloc"}
    ok("its mapping is the program's", inside == {program("moved_text")}, inside)


def taken_from_disk() -> None:
    """A binary that is deleted or replaced while it runs is read through its process, also without a build id."""
    for what, flags in (("with", ["-Wl,--build-id"]), ("without", ["-Wl,--build-id=none"])):
        for then in ("deleted", "replaced"):
            path = build("on_command", flags)
            live = start([path], RATE_1, symbolize=True)
            live.line()
            live.tell("work 1")
            live.line()
            Path(path).unlink()
            if then == "replaced":
                shutil.copy(program("sigprof_waits"), path)
            live.dump()
            run = live.end()
            names = judged(next(f.path for f in run.files() if f.kind == "heap" and f.number == 1))
            found = names.cumulative("inuse_space")
            ok(f"{then} on disk, {what} a build id: its own names", found.get("site_grow") == 1 << 20,
               sorted(found)[:9])  # fmt: skip


for part in (layouts, moved, taken_from_disk):
    with case(part.__name__):
        part()
finish()
