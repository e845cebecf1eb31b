#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Code that no table names: one function for each FDE, called by its module and its start, in a profile and in
the graph that `go tool pprof` draws.

The truth is what nm says of the same file before it was stripped.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from binaries import Binary, output
from harness import ROOT, case, finish, inject, ok
from profile import load
from symbolizer import HERE, all_frames, pprof, raw_profile, symbolize

# Ten functions that no symbol names once it is stripped, one that is exported, and one of an assembler that has no FDE.
SOURCE = r"""
volatile long sink;
#define HIDDEN(n) \
    static __attribute__((noinline)) long hidden_##n(long a) \
    { \
        for (long i = 0; i < a; i++) \
            sink += i * n; \
        return sink % n; \
    }
HIDDEN(2) HIDDEN(3) HIDDEN(4) HIDDEN(5) HIDDEN(6) HIDDEN(7) HIDDEN(8) HIDDEN(9) HIDDEN(10) HIDDEN(11)
__asm__(".text\n.p2align 4\n.type bare, %function\nbare: .long 0, 0, 0, 0, 0, 0, 0, 0\n.size bare, . - bare\n");
long shown(long a)
{
    return hidden_2(a) + hidden_3(a) + hidden_4(a) + hidden_5(a) + hidden_6(a) + hidden_7(a) + hidden_8(a) +
           hidden_9(a) + hidden_10(a) + hidden_11(a);
}
"""
LIBRARIES = {  # how it is built
    "table": ["gcc"],
    "no table": ["gcc", "-Wl,--no-eh-frame-hdr"],
    "lld": ["clang", "-fuse-ld=lld", "-fasynchronous-unwind-tables"],
    "aarch64": ["aarch64-linux-gnu-gcc", "-fasynchronous-unwind-tables"],
}


def library(name: str, how: list[str]) -> None:
    place = HERE / name.replace(" ", "_")
    place.mkdir()
    (place / "hidden.c").write_text(SOURCE)
    file = place / "libhidden.so.1.2"
    output(*how, "-O2", "-shared", "-fPIC", "-nostdlib", "-Wl,--build-id", "-o", file, place / "hidden.c")
    symbols = Binary(file).symbols()
    output("llvm-strip" if name == "aarch64" else "strip", file)
    hidden = {f: at for f, at in symbols.items() if f.startswith("hidden_")}
    spots = [(f, a) for f, (start, size) in sorted(hidden.items()) for a in range(start, start + size)]
    path = raw_profile(Binary(file), [a for _, a in spots], name)
    done = symbolize(path)
    got = all_frames(load(path))
    wrong = [
        (f, hex(a), frames)
        for (f, a), frames in zip(spots, got)
        if [x[:2] for x in frames] != [tuple(x.format(hidden[f][0]) for x in ("libhidden_so_1_2!{:#x}", "libhidden.so.1.2!{:#x}"))]
    ]
    ok(f"{name}: each address has its function's start", len(spots) == len(got) and not wrong, len(spots), (wrong[:2], done.stderr))
    named = len(load(path).functions)
    ok(f"{name}: one function for each", named == len(hidden) == 10, f"{len(spots)} addresses, {named} functions")

    start, size = symbols["bare"]
    path = raw_profile(Binary(file), [symbols["shown"][0], *range(start, start + size)], f"{name} bare")
    symbolize(path)
    shown, *bare = all_frames(load(path))
    called = {x[0] for frames in bare for x in frames}
    known = [f"libhidden_so_1_2!{a + n:#x}" for f, (a, n) in hidden.items() if a + n <= start]
    ok(f"{name}: an exported function keeps its name", [x[0] for x in shown] == ["shown"], shown)
    ok(f"{name}: code without an FDE is one function from the end of the one before",
       len(called) == 1 and called <= {*known, f"libhidden_so_1_2!{text_start(file):#x}"}, called)  # fmt: skip


def text_start(file: Path) -> int:
    return int(re.search(r" \.text +PROGBITS +(\w+)", output("readelf", "-SW", file))[1], 16)


def graph() -> None:
    """pprof begins a new line in a box at each dot of a name."""
    file = HERE / "table" / "libhidden.so.1.2"
    path = raw_profile(Binary(file), [text_start(file)], "graph")
    symbolize(path)
    boxes = re.findall(r'label="([^"\\]*)(?:\\n|")', pprof(path, "-dot")[0])
    ok("a graph shows the name in one line", any(re.fullmatch(r"libhidden_so_1_2!0x[0-9a-f]+", x) for x in boxes), boxes)


def stripped_program() -> None:
    """A whole program, and its plugin that is unloaded before the dump."""
    program, plugin = HERE / "host", HERE / "plugin.so"
    source = ROOT / "test/programs/nameless.c"
    flags = ["-O2", "-g0", "-fno-optimize-sibling-calls"]
    output("gcc", *flags, "-shared", "-fPIC", "-DPLUGIN", "-o", plugin, source)
    output("gcc", *flags, "-o", program, source, "-ldl")
    truth = {}
    for file in (program, plugin):
        symbols = Binary(file).symbols()
        truth |= {f: f"{file.name.replace('.', '_')}!{symbols[f][0]:#x}" for f in symbols if f.startswith("site_")}
        shutil.copy(file, file.with_suffix(".full"))
        output("strip", file)
    heap = inject([str(program), str(plugin)], {"PPROF_MEM_RATE": "1"}, symbolize=True).dump()["heap"]
    sums = heap.cumulative("alloc_objects")
    got = {f: sums.get(name) for f, name in truth.items()}
    want = {"site_host_a": 300, "site_host_b": 200, "site_plugin_a": 30, "site_plugin_b": 20}
    ok("stripped program and unloaded plugin: each function has its allocations", got == want, got, truth)


for each in LIBRARIES.items():
    with case(each[0]):
        library(*each)
for part in (graph, stripped_program):
    with case(part.__name__):
        part()
finish()
