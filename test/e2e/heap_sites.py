#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""heap and allocs: every way to get memory comes out at its site, within 4 sigma at the default
rate and exact at rate 1, in C and C++, above four allocators, preloaded after us or linked.
"""

# timeout: 400

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import ALLOCATORS, ROOT, Failure, case, finish, folder, inject, ok, program
from truth import heap_checks, truth

DEFAULT = 524288
FINE = 65536  # 8 MiB are 16 samples at the default, 128 here: a site that loses half would show
PROGRAMS = ("heap_sites", "heap_sites_cxx")


def judge(label: str, argv: list[str], rate: int, after: list[Path]) -> None:
    env = {"PPROF_SEED": "1"} | ({} if rate == DEFAULT else {"PPROF_MEM_RATE": str(rate)})
    run = inject(argv, env, after=after)
    dump = run.dump()
    heap_checks(label, dump["heap"], truth(run), rate, elf.name)
    same = [(s.values, [x.address for x in s.locations]) for s in dump["heap"].samples]
    other = [(s.values, [x.address for x in s.locations]) for s in dump["allocs"].samples]
    ok(f"{label} allocs holds what heap holds", sorted(same) == sorted(other), len(same))


def linked(name: str, allocator: Path) -> list[str]:
    """The program, linked with the allocator: it is loaded after the preloaded library."""
    source = next(ROOT.glob(f"test/programs/{name}.c*"))
    out = folder() / name
    compiler = "g++" if source.suffix == ".cc" else "gcc"
    argv = [compiler, "-O2", "-g", "-pthread", str(source), "-o", str(out)]
    argv += ["-Wl,--no-as-needed", str(allocator)]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise Failure(done.stderr)
    return [str(out)]


for allocator, path in ALLOCATORS.items():
    for name in PROGRAMS:
        for rate in (DEFAULT, FINE, 1) if path is None else (DEFAULT, 1):
            label = f"{name} {allocator} rate {rate}"
            with case(label):
                judge(label, [program(name)], rate, [path] if path else [])
        if path:
            label = f"{name} linked with {allocator} rate 1"
            with case(label):
                judge(label, linked(name, path), 1, [])


def off() -> None:
    run = inject([program("heap_sites")], {"PPROF_MEM_RATE": "0"})
    dump = run.dump()
    ok("rate 0: no sample", not dump["heap"].samples and not dump["allocs"].samples)


with case("rate 0"):
    off()
finish()
