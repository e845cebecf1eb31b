# SPDX-License-Identifier: MIT
"""Programs built for the symboliser's tests, how a loader would map them, and what binutils and LLVM
say about their addresses.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from profile_writer import ProfileWriter

PAGE = 4096
Place = tuple[str, str, int]  # function, file, line


def output(*argv: str | Path, **more) -> str:
    return subprocess.run([str(x) for x in argv], check=True, capture_output=True, text=True, **more).stdout


C_SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
volatile long sink;
static inline __attribute__((always_inline)) long innermost(long n)
{
    long s = 0;
    for (long i = 0; i < n; i++)
        s += i * sink;
    return s;
}
static inline __attribute__((always_inline)) long middle(long n)
{
    long s = innermost(n + 1);
    sink += s;
    return s * 3;
}
__attribute__((noinline)) long worker(long n)
{
    long s = middle(n);
    if (n > 5)
        s += innermost(s);
    return s;
}
__attribute__((noinline)) static long hidden(long n)
{
    sink += n * 7;
    return worker(n) + sink;
}
__attribute__((noinline, cold)) void report(long n)
{
    printf("%ld\n", n);
    abort();
}
int main(int argc, char **argv)
{
    long (*volatile f)(long) = hidden;
    long s = f(argc);
    if (s == 4242)
        report(s);
    return argc > 100 ? atoi(argv[1]) : 0;
}
"""

CXX_SOURCE = r"""
#include <algorithm>
#include <map>
#include <string>
#include <vector>
volatile long sink;
namespace shop {
template <typename T, int N> struct basket {
    std::vector<T> items;
    __attribute__((noinline)) T total(T start) const
    {
        for (const T &item : items)
            start += item * N;
        return start;
    }
};
namespace {
__attribute__((noinline)) long secret(long n) { sink = sink + n; return n * sink; }
inline __attribute__((always_inline)) long whisper(long n) { sink = sink - n; return n + sink; }
}
static __attribute__((noinline)) long local(const std::string &s) { return secret(s.size()) + whisper(3); }
struct till {
    explicit till(int n);
    virtual ~till();
    virtual long ring(std::map<std::string, long> &m) const;
    int n;
};
till::till(int k) : n(k) { sink = k; }
till::~till() { sink = sink + n; }
long till::ring(std::map<std::string, long> &m) const { m["x"] += n; return local("abc") + m.size(); }
}
int main(int argc, char **)
{
    shop::basket<long, 3> b;
    b.items.assign(argc + 10, 2);
    std::sort(b.items.begin(), b.items.end(), [](long a, long c) { sink = sink + 1; return a > c; });
    shop::till t(argc);
    std::map<std::string, long> m;
    auto add = [&](long v) __attribute__((noinline)) { return v + b.total(1) + t.ring(m); };
    return add(1) == 77;
}
"""

# Names of other languages need no other compiler: an assembler knows any symbol.
MANGLED = {
    "_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE": "core::fmt::Write::write_fmt",
    "_RNvNtCs1234_7mycrate3foo3bar": "mycrate::foo::bar",
    "_D8demangle4testFaZv": "demangle.test",
    "_ZN3foo3barILi3EEEvi": "foo::bar<3>",
    "_ZN3foo4slowEv.cold": "foo::slow",
    "plain_c.part.0": "plain_c",
    "_ZZ4mainENKUliE_clEi": "main::{lambda(int)#1}::operator()",
    "_ZNSt6vectorIiSaIiEE9push_backEOi": "std::vector<int, std::allocator<int> >::push_back",
    "_ZnotMangledAtAll": "_ZnotMangledAtAll",
    "go.main.func1": "go.main.func1",
}


@dataclass
class Load:
    """A segment that is loaded."""

    offset: int
    vaddr: int
    size: int  # in the file
    executable: bool


class Binary:
    """An ELF file and how a loader would have mapped it, at a base of our choice."""

    def __init__(self, path: str | Path, base: int = 0x7F1200000000) -> None:
        self.path = Path(path)
        headers = output("readelf", "-hlW", path)
        self.base = 0 if re.search(r"Type:\s+EXEC", headers) else base
        self.loads = [
            Load(int(m[1], 16), int(m[2], 16), int(m[3], 16), "E" in m[4])
            for m in re.finditer(r"LOAD\s+(\S+) (\S+) \S+ (\S+) \S+ (...) ", headers)
        ]
        note = re.search(r"Build ID: (\w+)", output("readelf", "-nW", path))
        self.build_id = note[1] if note else ""

    def executable(self) -> list[Load]:
        return [x for x in self.loads if x.executable]

    def add_to(
        self, profile: ProfileWriter, build_id: str | None = None, file: str | Path | None = None
    ) -> list[tuple[int, Load]]:
        """Adds one mapping for each executable segment; (its id, the segment) of each."""
        out = []
        for load in self.executable():
            first = load.offset & ~(PAGE - 1)
            start = self.base + load.vaddr - (load.offset - first)
            limit = (self.base + load.vaddr + load.size + PAGE - 1) & ~(PAGE - 1)
            known = self.build_id if build_id is None else build_id
            out.append((profile.mapping(start, limit, first, str(file or self.path), known), load))
        return out

    def symbols(self, *flags: str) -> dict[str, tuple[int, int]]:
        """The functions: name -> (address, size)."""
        out = {}
        for line in output("nm", "-S", *flags, self.path).splitlines():
            m = re.match(r"(\w+) (\w+ )?[tTwWi] (\S+)$", line)
            if m:
                out[m[3].split("@")[0]] = (int(m[1], 16), int(m[2] or "0", 16))
        return out


def addr2line(path: str | Path, addresses: Sequence[int], *flags: str) -> list[list[Place]]:
    """The frames of each address as binutils see them, innermost first."""
    text = "".join(f"{a:#x}\n" for a in addresses)
    lines = output("addr2line", "-a", "-i", "-f", *flags, "-e", path, input=text).splitlines()
    answers: list[list[Place]] = []
    i = 0
    while i < len(lines):
        if re.match(r"0x[0-9a-f]+$", lines[i]):
            answers.append([])
            i += 1
            continue
        place = re.sub(r" \(discriminator \d+\)$", "", lines[i + 1])
        file, _, line = place.rpartition(":")
        answers[-1].append((lines[i], file, int(line) if line.isdigit() else 0))
        i += 2
    return answers


def llvm_symbolizer(path: str | Path, addresses: Sequence[int]) -> list[list[Place]] | None:
    """The same by LLVM, for what binutils 2.40 get wrong: inlined calls in clang's DWARF 5, files of LTO
    units, and functions that share a line of a header. None if it is not installed."""
    if not shutil.which("llvm-symbolizer"):
        return None
    text = "".join(f"{a:#x}\n" for a in addresses)
    argv = ["llvm-symbolizer", "--no-demangle", "--inlines", "--output-style=JSON", f"--obj={path}"]
    answers = output(*argv, input=text, env=dict(os.environ, DEBUGINFOD_URLS="")).splitlines()
    return [
        [(s["FunctionName"], s["FileName"], s["Line"]) for s in json.loads(line)["Symbol"]]
        for line in answers
        if line
    ]


def build(where: Path, name: str, source: str, compiler: str, *flags: str) -> Path:
    """Compiles a source text to a program with a build id. Its source lies beside it."""
    path = where / name
    code = path.with_name(name + (".cc" if "+" in compiler else ".c"))
    code.write_text(source)
    output(compiler, "-o", path, code, "-Wl,--build-id", *flags)
    return path
