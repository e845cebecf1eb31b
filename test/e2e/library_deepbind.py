#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Libraries that find libc's malloc and free before ours (RTLD_DEEPBIND): what they allocate, and what they free of
the program's, is in the heap profile all the same, exactly at rate 1, however and whenever they are opened; and the
program runs as without the library.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import ROOT, Run, bare, case, finish, folder, inject, ok
from truth import heap_checks, sites, truth

SOURCES = ROOT / "test/loading"
PLACE = folder()
JEMALLOC = Path("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2")
WHOLE = ["-Wl,-z,relro,-z,now"]
LAZY = ["-Wl,-z,norelro,-z,lazy"]


def build(name: str, source: str, *flags: str, compiler: str = "gcc") -> str:
    language = ["-std=gnu11"] if compiler == "gcc" else ["-std=gnu++17", "-DPLUS", "-x", "c++"]
    base = [compiler, *language, "-D_GNU_SOURCE", "-O1", "-fno-builtin", "-g", "-pthread"]
    subprocess.run([*base, SOURCES / source, "-x", "none", "-o", PLACE / name, *flags], check=True)
    return str(PLACE / name)


def plugin(name: str, *flags: str, compiler: str = "gcc") -> str:
    return build(name, "own_symbols_plugin.c", "-fPIC", "-shared", *flags, compiler=compiler)


def alike(name: str, argv: list[str], extra: dict[str, str] | None = None, after: tuple[Path, ...] = ()) -> Run:
    plain = bare(argv, {"LD_PRELOAD": ":".join(map(str, after))} if after else None)
    got = inject(argv, {"PPROF_MEM_RATE": "1"} | (extra or {}), after=after, expect=None)
    same = (got.status, got.stdout, got.stderr) == (plain.status, plain.stdout, plain.stderr)
    ok(f"{name}: as bare", same and plain.status == 0, got.stdout[:30], f"{got} for {plain}"[:2000])
    return got


def exact(name: str, argv: list[str], after: tuple[Path, ...] = ()) -> None:
    got = alike(name, argv, after=after)
    heap_checks(name, got.dump()["heap"], truth(got), 1, elf.name)


def opened(host: str) -> None:
    exact("lazy", [host, "lazy", plugin("lazy.so", *LAZY)])
    exact("now", [host, "now", plugin("now.so", *WHOLE)])
    exact("again", [host, "again", plugin("again.so", *WHOLE)])
    exact("C++", [host, "lazy", plugin("plus.so", compiler="g++")])
    copies = [shutil.copy(PLACE / "now.so", PLACE / f"now{i}.so") for i in range(4)]
    exact("threads", [host, "threads", *map(str, copies)])


def early() -> None:
    loads = build("loads.so", "own_symbols_early.c", "-fPIC", "-shared", f'-DPLUGIN="{PLACE}/now.so"')
    host = build("early", "own_symbols.c", "-Wl,--no-as-needed", loads)
    exact("early", [host, "early", loads])


def apart(host: str) -> None:
    """What a library allocates from another libc is not the program's."""
    got = alike("space", [host, "space", str(PLACE / "now.so")])
    heap = got.dump()["heap"]
    heap_checks("space", heap, truth(got), 1, elf.name)
    seen = {n for n in heap.cumulative("alloc_space", elf.name) if n.startswith("site_")}
    ok("space: the program's own alone", seen == set(sites(truth(got))), seen)


def asked(host: str) -> None:
    exact("libc itself", [host, "libc", "libc.so.6"])


def allocators(host: str) -> None:
    if JEMALLOC.exists():
        linked = plugin("jemalloc.so", str(JEMALLOC), compiler="g++")
        exact("jemalloc", [host, "now", linked], after=(JEMALLOC,))
    bump = build("bump.so", "bump_allocator.c", "-fPIC", "-shared", "-Wl,-z,noseparate-code")
    linked = plugin("bumped.so", bump)
    exact("symbols beside code", [host, "now", linked], after=(Path(bump),))


def unseen(host: str) -> None:
    """Where that cannot be, a line says so."""
    log = PLACE / "log"
    alike("forbidden", [host, "forbidden", str(PLACE / "now.so")], {"PPROF_LOG": str(log)})
    lines = log.read_text().splitlines() if log.exists() else []
    ok("forbidden: a line says so", len([x for x in lines if "now.so" in x and "RTLD_DEEPBIND" in x]) == 1, lines)


def not_kept(host: str) -> None:
    """Without a heap profile nothing is changed: the program's free is not the one that libc has."""
    got = inject([host, "libc", "libc.so.6"], {"PPROF_PROFILES": "cpu"})
    ok("no heap profile: libc is as it was", got.stdout.startswith("0 0\n"), got.stdout[:8])


HOST = build("own_symbols", "own_symbols.c")
for part in (opened, apart, asked, allocators, unseen, not_kept):
    with case(part.__name__):
        part(HOST)
with case("early"):
    early()
finish()
