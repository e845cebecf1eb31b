"""fuzz_seeds.py FOLDER CORPUS: what fuzz_symbolize.c needs, and inputs to begin with: small binaries with
every kind of debug information that compilers here write, and profiles of them.

SPDX-License-Identifier: MIT
"""
import gzip
import os
import sys

from binaries import Binary, build
from profile_wire import Profile

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


def main(folder, corpus):
    for where in (folder, corpus):
        os.makedirs(where, exist_ok=True)
    good = Binary(build(folder, "good", SOURCE, "gcc", "-O2", "-g"))
    for i, (compiler, source, flags) in enumerate(VARIANTS):
        path = build(folder, "seed%d" % i, source, compiler, *flags.split(), "-nostartfiles", "-Wl,-e,main")
        with open(path, "rb") as f, open(os.path.join(corpus, "elf%d" % i), "wb") as out:
            out.write(b"E" + f.read())
    p = Profile()
    victim = Binary(os.path.join(folder, "seed0"))
    for mapping, (_, vaddr, size, _) in victim.add_to(p, build_id="", file=os.path.join(folder, "victim")):
        for a in range(vaddr, vaddr + size, 3):
            p.location(mapping, victim.base + a)
    (mapping, _), = good.add_to(p)
    p.location(mapping, good.base + good.symbols()["worker"][0])
    p.write(os.path.join(folder, "base.pb.gz"))
    plain = p.encode()
    for name, data in (("plain", plain), ("gzip", gzip.compress(plain, 1)), ("empty", b"\x32\x00")):
        with open(os.path.join(corpus, name), "wb") as out:
            out.write(b"P" + data)


main(*sys.argv[1:3])
