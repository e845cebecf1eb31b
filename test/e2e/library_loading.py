#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Libraries, loaded in every way: found through the RUNPATH of the object that opens them, bound to their own
symbols first (RTLD_DEEPBIND), in a namespace of their own (dlmopen), with constructors before ours; and the
vDSO, which is no file. Each time the program runs as without the library, and its own allocations are exact
at rate 1.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import ROOT, Run, bare, case, finish, folder, inject, ok
from truth import heap_checks, truth

SOURCES = ROOT / "test/loading"
PLACE = folder()
VDSO_SHARE = 0.95  # of the CPU time of a loop that makes a thousand calls between two readings of its clock


def build(out: Path, source: str, *flags: str) -> Path:
    out.parent.mkdir(exist_ok=True)
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-pthread", *flags, "-o", out, SOURCES / source], check=True)  # fmt: skip
    return out


def plugin(out: Path, name: str, *flags: str) -> Path:
    return build(out, "plugin.c", "-fPIC", "-shared", f'-DNAME="{name}"', *flags)


def alike(name: str, argv: list[str], after: tuple[Path, ...] = ()) -> Run:
    plain = bare(argv)
    got = inject(argv, {"PPROF_MEM_RATE": "1", "PPROF_CPU_RATE": "1000"}, after=after, expect=None)
    same = (got.status, got.stdout, got.stderr) == (plain.status, plain.stdout, plain.stderr)
    ok(f"{name}: as bare", same, got.stdout.splitlines()[:1], f"{got} for {plain}")
    ok(f"{name}: profiled", set(got.numbers()) == {1}, got.numbers())
    return got


def found() -> None:
    """A library's name means one file to the program and another one to a library that the program has opened."""
    plugin(PLACE / "one/libplugin.so", "one")
    plugin(PLACE / "two/libplugin.so", "two")
    plugin(PLACE / "one/libouter.so", "outer", '-DINNER="libplugin.so"', f"-Wl,-rpath,{PLACE}/two")
    exe = build(PLACE / "load_ways", "load_ways.c", f"-Wl,-rpath,{PLACE}/one", "-Wl,--enable-new-dtags")
    for name, want in (("libplugin.so", "one"), ("libouter.so", "outer/two")):
        got = alike(f"{name} by RUNPATH", [str(exe), "open", name])
        ok(f"{name} by RUNPATH: its own", got.stdout.split() == [want], got.stdout.split())
    got = alike("not there", [str(exe), "open", "libnone.so"])
    ok("not there: the linker's words", "libnone.so" in got.stdout and got.status == 1, got.stdout)


def apart() -> None:
    exe = str(PLACE / "load_ways")
    for how in ("deepbind", "namespace"):
        got = alike(how, [exe, how, str(PLACE / "one/libplugin.so")])
        heap_checks(how, got.dump()["heap"], truth(got), 1, elf.name)
        spent = got.dump()["cpu"].total("cpu") / 1e9
        ok(f"{how}: its threads are timed", spent > 0.9, f"{spent:.2f} of 1 s and more")


def early() -> None:
    library = build(PLACE / "libearly.so", "early_constructor.c", "-fPIC", "-shared")
    exe = build(PLACE / "loads-early", "load_ways.c", "-Wl,--no-as-needed", str(library), f"-Wl,-rpath,{PLACE}")
    alike("a constructor", [str(exe), "early"])
    first = build(PLACE / "libfirst.so", "wants_first.c", "-fPIC", "-shared", "-Wl,-z,initfirst")
    alike("a constructor before ours", [str(exe), "early"], after=(first,))


def vdso() -> None:
    got = alike("vdso", [str(PLACE / "load_ways"), "vdso"])
    cpu = got.dump()["cpu"]
    inside = cpu.cumulative("cpu", elf.name).get("site_vdso", 0) / cpu.total("cpu")
    ok("vdso: its callers are found", inside >= VDSO_SHARE, f"{inside:.1%}")
    leaves = {s.locations[0].mapping.filename for s in cpu.samples if s.locations and s.locations[0].mapping}
    ok("vdso: a mapping of its own", any("vdso" in x for x in leaves), leaves)


for part in (found, apart, early, vdso):
    with case(part.__name__):
        part()
finish()
