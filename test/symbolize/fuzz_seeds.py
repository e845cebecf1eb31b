# SPDX-License-Identifier: MIT
"""What fuzz_symbolize.c needs, and inputs to begin with: small binaries with every kind of debug
information that compilers here write, and profiles of them.

    fuzz_seeds.py FOLDER CORPUS
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from binaries import Binary, build
from profile_writer import ProfileWriter, encoded

SOURCE = """
volatile long sink;
static inline __attribute__((always_inline)) long inner(long n) { sink += n; return sink * n; }
__attribute__((noinline)) long worker(long n) { return n > 3 ? inner(n) + inner(n + 1) : inner(2); }
int main(int argc, char **argv) { (void)argv; return (int)worker(argc); }
"""
CXX_SOURCE = """
namespace { template <int N> struct box { long v; __attribute__((noinline)) long get(long n) const { return v * N + n; } }; }
volatile long sink;
int main(int argc, char **) { box<3> b{argc}; auto f = [&](long n) { return b.get(n); }; sink = f(4); return 0; }
"""
VARIANTS = (("gcc", SOURCE, "-O2 -gdwarf-5"), ("gcc", SOURCE, "-O2 -gdwarf-4"),
            ("gcc", SOURCE, "-O2 -g -gz"), ("gcc", SOURCE, "-O2 -g -gsplit-dwarf"),
            ("gcc", SOURCE, "-O2 -no-pie -g"), ("gcc", SOURCE, "-O2 -s -rdynamic"),
            ("g++", CXX_SOURCE, "-O2 -g"), ("g++", CXX_SOURCE, "-O0 -gdwarf-4"))


def main(folder: Path, corpus: Path) -> None:
    for where in (folder, corpus):
        where.mkdir(parents=True, exist_ok=True)
    good = Binary(build(folder, "good", SOURCE, "gcc", "-O2", "-g"))
    for i, (compiler, source, flags) in enumerate(VARIANTS):
        path = build(folder, f"seed{i}", source, compiler, *flags.split(), "-nostartfiles", "-Wl,-e,main")
        (corpus / f"elf{i}").write_bytes(b"E" + path.read_bytes())
    writer = ProfileWriter()
    victim = Binary(folder / "seed0")
    for mapping, load in victim.add_to(writer, build_id="", file=folder / "victim"):
        for address in range(load.vaddr, load.vaddr + load.size, 3):
            writer.location(mapping, victim.base + address)
    ((mapping, _),) = good.add_to(writer)
    writer.location(mapping, good.base + good.symbols()["worker"][0])
    writer.write(folder / "base.pb.gz")
    plain = writer.encode()
    for name, data in (("plain", plain), ("gzip", gzip.compress(plain, 1)), ("empty", encoded({6: ""}))):
        (corpus / name).write_bytes(b"P" + data)


main(Path(sys.argv[1]), Path(sys.argv[2]))
