#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Waits of OpenMP programs: libgomp waits by system call instructions of its own, and is seen by its entry points.
A program that asks whether OpenMP is there learns what it learns without the library.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import BUILD, ROOT, Failure, bare, case, environment, finish, inject, ok, program
from profile import Profile
from truth import truth

TRIES = 4
EXACT = {"PPROF_BLOCK_RATE": "1", "OMP_DYNAMIC": "false"}
# What a case's waits end in, most of all. Names of one address are one name.
LEAVES = {
    "barrier": "GOMP_barrier",
    "join": "GOMP_parallel",
    "critical": "GOMP_critical_start",
    "named": "GOMP_critical_name_start",
    "lock": "omp_set_lock",
    "nest_lock": "omp_set_nest_lock",
    "loop": "GOMP_loop_end",
    "sections": "GOMP_sections_end",
    "copyprivate": "GOMP_single_copy_start",
    "ordered": "GOMP_ordered_start",
    "parallel_for": "GOMP_parallel_loop",
}
LOCKS = {
    "critical": "GOMP_critical_end",
    "named": "GOMP_critical_name_end",
    "lock": "omp_unset_lock",
    "nest_lock": "omp_unset_nest_lock",
}
SOME = ("barrier", "lock", "parallel_for")
# Of a case's 40 to 240 ms. A thread that has been woken may wait for a processor before it looks at its clock.
BAR, SLACK = 0.05, 5e6


def built(source: str, output: str, *flags: str) -> str:
    made = BUILD / "test" / "openmp" / output
    made.parent.mkdir(parents=True, exist_ok=True)
    argv = [os.environ.get("CC", "gcc"), "-std=gnu11", "-D_GNU_SOURCE", "-g", f"-I{ROOT}", "-Wall", "-Wextra"]
    argv += ["-Wno-unknown-pragmas", "-o", str(made), str(ROOT / "test" / source), *flags]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment())
    if done.returncode or done.stderr:
        raise Failure(f"{source}: {done.stderr[:400]}")
    return str(made)


def under(profile: Profile, function: str) -> dict[str, int]:
    """Delay by leaf, of the stacks that hold the function or one that the compiler has made of its body."""
    found: dict[str, int] = {}
    for sample in profile.samples:
        names = [n for location in sample.locations for n in elf.name(location)]
        if any(n == function or n.startswith(f"{function}._omp_fn") for n in names):
            found[names[0]] = found.get(names[0], 0) + sample.values[profile.index("delay")]
    return found


def near(got: int, true: int) -> bool:
    return abs(got - true) <= BAR * true + SLACK


def judge(label: str, argv: list[str]) -> None:
    """Runs the program again for the cases that were disturbed, and judges each by its best run."""
    good: dict[str, bool] = {}
    figures: dict[str, str] = {}

    def note(name: str, right: bool, seen: str) -> None:
        if not good.get(name):
            good[name], figures[name] = right, seen

    for _ in range(TRIES):
        run = inject(argv, EXACT)
        dump = run.dump()
        for name, data in truth(run).items():
            leaves = under(dump["block"], f"wait_{name}")
            got, true = sum(leaves.values()), data["waited"]
            note(f"block, wait_{name}", near(got, true), f"{got / 1e6:.1f} of {true / 1e6:.1f} ms")
            if name in LEAVES:
                part = sum(v for k, v in leaves.items() if k.startswith(LEAVES[name]))
                note(f"block, wait_{name} ends in {LEAVES[name]}", part >= 0.4 * true, str(leaves))
            if name in LOCKS:
                leaves = under(dump["mutex"], f"wait_{name}")
                got, true = sum(leaves.values()), data["locked"]
                right = near(got, true) and all(k.startswith(LOCKS[name]) for k in leaves)
                note(f"mutex, wait_{name}", right, f"{leaves} of {true / 1e6:.1f} ms")
        if all(good.values()):
            break
    for name, right in good.items():
        ok(f"{label}: {name}", right, figures[name])


def as_bare(label: str, argv: list[str], check: Callable[[Profile], None] | None = None) -> None:
    expected = bare(argv, EXACT)
    run = inject(argv, EXACT)
    right = (run.status, run.stdout) == (expected.status, expected.stdout)
    ok(f"{label}: the program learns what it learns bare", right, "" if right else (run.stdout, expected.stdout))
    asked = expected.stdout.count("weak")
    ok(f"{label}: it asked", asked >= 6 and expected.status == 0, f"{asked} times")
    if check:
        check(run.dump()["block"])


def plugin_seen(block: Profile) -> None:
    got = under(block, "plugin_waits").get("GOMP_barrier", 0)
    ok("OpenMP comes by dlopen: both barriers' waits", 0.18e9 <= got, f"{got / 1e9:.3f} of 0.2 s")


with case("as built"):
    judge("plain", [program("openmp_waits")])
with case("slots that cannot be written any more"):
    flags = ("-fopenmp", "-fno-optimize-sibling-calls", "-O0", "-Wl,-z,relro,-z,now")
    judge("-z now", [built("programs/openmp_waits.c", "waits_now", *flags), *SOME])
with case("calls through the addresses' slots"):
    flags = ("-fopenmp", "-fno-optimize-sibling-calls", "-O2", "-fno-plt", "-Wl,-z,relro,-z,now")
    judge("-fno-plt", [built("programs/openmp_waits.c", "waits_no_plt", *flags), *SOME])
with case("programs that ask"):
    plugin = built("openmp/plugin.c", "plugin.so", "-O2", "-fopenmp", "-shared", "-fPIC")
    as_bare("without OpenMP", [built("openmp/asks.c", "asks", "-O2")])
    as_bare("OpenMP comes by dlopen", [built("openmp/asks.c", "asks", "-O2"), plugin], plugin_seen)
    as_bare("with OpenMP", [built("openmp/asks.c", "asks_openmp", "-O2", "-fopenmp", "-Wl,--no-as-needed")])
    lazy = ("-O0", "-fopenmp", "-Wl,--no-as-needed", "-Wl,-z,lazy", "-no-pie")
    as_bare("with OpenMP, bound late", [built("openmp/asks.c", "asks_late", *lazy)])
finish()
