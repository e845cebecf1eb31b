#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The library's own calls stay inside it. A program, or a library preloaded beside ours, may define any of the
functions that we stand in front of, and hand its calls to the next definition, which is ours: the call must not
come back to it, and it must see the calls of the program alone. The program's output, which counts them, is as
bare.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import ALLOCATORS, ROOT, bare, case, finish, folder, inject, ok

SOURCES = ROOT / "test/loading"
PLACE = folder()
FAST = {"PPROF_MEM_RATE": "1", "PPROF_CPU_RATE": "1000", "PPROF_BLOCK_RATE": "1"}


def build(out: str, *argv: str) -> Path:
    where = [str(SOURCES / a) if a.endswith(".c") else a for a in argv]
    flags = "-std=gnu11 -D_GNU_SOURCE -O2 -g -pthread -w -fno-builtin".split()
    subprocess.run(["gcc", *flags, "-o", PLACE / out, *where], check=True)
    return PLACE / out


def alike(name: str, exe: Path, before: list[Path] = [], after: list[Path] = [], env: dict[str, str] = {}, *argv: str) -> None:
    """Of the library's own lines on stderr there is one, where another malloc comes first. What a library behind
    ours is called for is not judged: of the calls about our own signals it sees others than bare."""
    with case(name):
        preload = {"LD_PRELOAD": ":".join(str(p) for p in (*before, *after))} if before or after else {}
        plain = bare([str(exe), *argv], preload)
        got = inject([str(exe), *argv], env, before=before, after=after, expect=None)
        told, seen = plain.stdout.splitlines(), got.stdout.splitlines()
        if after:
            told, seen = ([x for x in lines if x.startswith(("child", "signals"))] for lines in (told, seen))
        foreign = [x for x in got.stderr.splitlines() if not x.startswith("pprofinject: another malloc")]
        same = (got.status, seen, foreign) == (plain.status, told, plain.stderr.splitlines())
        differ = [f"{b} for {a}" for a, b in zip(told, seen) if a != b]
        why = f"{got.status} for {plain.status}; {differ[:6]}; {foreign}"
        ok(f"{name}: as bare", same and plain.status == 7, f"{len(told)} lines", why)


plain = build("passed_on", "passed_on.c")
passes = [build(f"passes{i}.so", "passes_on.c", "-shared", "-fPIC") for i in (1, 2)]
some = build("some.so", "passes_on.c", "-shared", "-fPIC", "-DSOME_ALLOC")
for env_name, env in (("", {}), (", every event", FAST)):
    alike(f"the program passes on{env_name}", build("own", "passed_on.c", "passes_on.c", "-rdynamic"), env=env)
    alike(f"the program passes on, at a fixed address{env_name}",
          build("fixed", "passed_on.c", "passes_on.c", "-rdynamic", "-no-pie", "-fno-pie"), env=env)  # fmt: skip
    alike(f"the program passes malloc and free on{env_name}",
          build("few", "passed_on.c", "passes_on.c", "-rdynamic", "-DSOME_ALLOC"), env=env)  # fmt: skip
    alike(f"a preload before ours{env_name}", plain, before=passes[:1], env=env)
    alike(f"a preload behind ours{env_name}", plain, after=passes[:1], env=env)
    alike(f"preloads around ours{env_name}", plain, before=passes[:1], after=passes[1:], env=env)
    alike(f"a preload of few before ours{env_name}", plain, before=[some], env=env)
    alike(f"a preload of few behind ours{env_name}", plain, after=[some], env=env)
finds = build("finds.so", "finds.c", "-shared", "-fPIC")
alike("a library with its own dlsym() before ours", plain, before=[finds])
alike("a library with its own dlsym() behind ours", plain, after=[finds])
for name, path in ALLOCATORS.items():
    if path:
        alike(f"{name} before ours", plain, [path], [], FAST, "part")
        alike(f"{name} behind ours", plain, [], [path], FAST, "part")
finish()
