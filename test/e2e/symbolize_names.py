#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pprof-symbolize: what functions are called. Demangled in several languages; by symbol tables, separate
debug files and PLT stubs where the binary has no debug information; and module!0xstart where nothing
is known, or only a file that is not the one.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from binaries import C_SOURCE, CXX_SOURCE, MANGLED, Binary, build, output
from harness import case, finish, ok
from profile import load
from symbolizer import (
    ALL_FLAGS, HERE, NAMES_ALONE, all_frames, dense, differences, flags, frames, function_addresses, nameless, names,
    places, raw_profile, symbolize,
)  # fmt: skip

GETENV = "#include <stdlib.h>\nint main(int c, char **v) { return c > 1 ? getenv(v[1]) != 0 : 0; }\n"


def cxx_names() -> None:
    binary = Binary(build(HERE, "cxx", CXX_SOURCE, "g++", "-g", "-O2"))
    path = raw_profile(binary, function_addresses(binary), "cxx-names")
    symbolize(path)
    found = load(path).functions
    seen = {f.name for f in found}
    for name in ("shop::basket<long, 3>::total", "shop::till::ring", "shop::(anonymous namespace)::secret",
                 "shop::(anonymous namespace)::whisper", "shop::local", "main"):  # fmt: skip
        ok(f"C++ name {name}", name in seen, "", sorted(seen))
    mangled = [f for f in found if f.name.startswith("_Z")]
    ok("no name left mangled", bool(found) and not mangled, "", mangled[:5])
    start = {f.name: f.start_line for f in found}.get("shop::till::ring")
    want = CXX_SOURCE[: CXX_SOURCE.index("long till::ring")].count("\n") + 1
    ok("start_line", start == want, "", (start, want))


def mangled_names() -> None:
    """Names of other languages need no other compiler: an assembler knows any symbol."""
    code = HERE / "mangled.s"
    lines = [".text"]
    for symbol in MANGLED:
        lines.append(f'.globl "{symbol}"\n.type "{symbol}", @function\n"{symbol}": nop\nret\n.size "{symbol}", .-"{symbol}"')
    code.write_text("\n".join([*lines, "untyped: nop", "ret", ""]))
    output("gcc", "-shared", "-o", HERE / "mangled.so", code)
    binary = Binary(HERE / "mangled.so")
    symbols, order = binary.symbols(), [*MANGLED, "untyped"]
    path = raw_profile(binary, [symbols[s][0] for s in order], "mangled")
    symbolize(path)
    for symbol, got in zip(order, all_frames(load(path))):
        ok(f"demangled {symbol}", len(got) == 1 and got[0][:2] == (MANGLED.get(symbol, symbol), symbol), "", got)


def symbol_tables() -> None:
    """Only .dynsym; .gnu_debugdata; a debug file by link and by build id; none has DWARF in the binary."""
    full = Binary(build(HERE, "full", C_SOURCE, "gcc", "-O2", "-g", "-rdynamic"))
    symbols = full.symbols()
    spots = [symbols["worker"][0] + 3, symbols["hidden"][0] + 3, symbols["_start"][0] + 1]

    stripped = HERE / "stripped"
    output("strip", "-o", stripped, full.path)
    path = raw_profile(Binary(stripped), spots, "dynsym")
    symbolize(path)
    profile = load(path)
    ok("dynsym: exported name, and the rest by module and start",
       [names(profile, i) for i in (1, 2)] == [["worker"], [f"stripped!{symbols['hidden'][0]:#x}"]], "", all_frames(profile))  # fmt: skip
    ok("dynsym: functions, no lines", flags(profile.mappings[0]) == NAMES_ALONE, "", profile.mappings)

    mini, keep, data = HERE / "mini", HERE / "keep", HERE / "mini_debuginfo"
    keep.write_text("hidden\n")
    output("objcopy", "-S", f"--keep-symbols={keep}", "--remove-section=.comment", full.path, data)
    output("xz", "-f", data)
    output("objcopy", "--add-section", f".gnu_debugdata={data}.xz", stripped, mini)
    path = raw_profile(Binary(mini), spots, "minidebug")
    symbolize(path)
    profile = load(path)
    ok("minidebuginfo", [names(profile, i) for i in (1, 2)] == [["worker"], ["hidden"]], "", all_frames(profile))

    debug, linked = HERE / "linked.debug", HERE / "linked"
    output("objcopy", "--only-keep-debug", full.path, debug)
    output("objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", full.path, linked)
    binary = Binary(linked)
    path = raw_profile(binary, spots, "linked")
    symbolize(path)
    profile = load(path)
    ok("separate debug file by debuglink",
       not differences(profile, full, spots[:2], places) and flags(profile.mappings[0]) == ALL_FLAGS,
       "", all_frames(profile))  # fmt: skip

    by_id = HERE / "elsewhere" / ".build-id" / binary.build_id[:2]
    by_id.mkdir(parents=True)
    debug.rename(by_id / f"{binary.build_id[2:]}.debug")
    path = raw_profile(binary, spots, "byid")
    symbolize(path, PPROF_BINARY_PATH=f"/nonexistent:{HERE / 'elsewhere'}")
    ok("separate debug file by build id", not differences(load(path), full, spots[:2], places))

    output("objcopy", "--only-keep-debug", build(HERE, "c-fixed", C_SOURCE, "gcc", "-g", "-O2", "-no-pie"), debug)
    path = raw_profile(binary, spots, "wrongdebug")
    symbolize(path)
    profile = load(path)
    ok("a debug file of another build id", names(profile, 1) == ["worker"] and frames(profile, 1)[0][2] == "",
       "", frames(profile, 1))  # fmt: skip
    debug.unlink()

    (HERE / "binaries" / binary.build_id).mkdir(parents=True)
    shutil.copy(full.path, HERE / "binaries" / binary.build_id / "gone")
    path = raw_profile(binary, spots, "gone", file="/nowhere/gone")
    symbolize(path, PPROF_BINARY_PATH=str(HERE / "binaries"))
    ok("PPROF_BINARY_PATH/buildid/base", not differences(load(path), full, spots[:2], places))


def stubs(name: str, how: str) -> None:
    binary = Binary(build(HERE, name, GETENV, "gcc", *how.split()))
    labels = [x for x in output("objdump", "-d", binary.path).splitlines() if x.endswith("@plt>:") and "cxa" not in x]
    where = [int(x.split()[0], 16) for x in labels if "@GLIBC" not in x]
    wanted = [x.split("<")[1][:-2] for x in labels]
    path = raw_profile(binary, [*where, binary.symbols()["main"][0]], name)
    symbolize(path)
    profile = load(path)
    got = [names(profile, i + 1) for i in range(len(where))]
    ok(f"{name}: stub named", bool(where) and "getenv@plt" in wanted and ["getenv@plt"] in got, "", (got, wanted))


def nothing_known() -> None:
    binary = Binary(build(HERE, "c-dwarf5", C_SOURCE, "gcc", "-g", "-O2"))
    spots = function_addresses(binary, 16, {"worker"})
    path = raw_profile(binary, spots, "other-id", build_id="00" * 20)
    done = symbolize(path)
    ok("another build id: no names", done.returncode == 0 and nameless(path, "c-dwarf5"), "", done.stderr)
    path = raw_profile(binary, spots, "missing", file="/nowhere/missing")
    done = symbolize(path)
    ok("binary missing", done.returncode == 0 and nameless(path, "missing"), "", done.stderr)
    once = path.read_bytes()
    symbolize(path)
    ok("still missing: the file as it was", path.read_bytes() == once)
    os.makedirs(HERE / "found" / binary.build_id, exist_ok=True)
    shutil.copy(binary.path, HERE / "found" / binary.build_id / "missing")
    symbolize(path, PPROF_BINARY_PATH=str(HERE / "found"))
    profile = load(path)
    ok("found later: named, each location once",
       not differences(profile, binary, spots, places) and dense(profile) and flags(profile.mappings[0]) == ALL_FLAGS,
       "", all_frames(profile)[:3])  # fmt: skip
    path = raw_profile(binary, spots, "noid", build_id="")
    symbolize(path)
    ok("no build id in the profile: the path will do", "worker" in names(load(path), 1))
    path = raw_profile(binary, spots, "deleted", build_id="", file=f"{binary.path} (deleted)")
    symbolize(path)
    ok("called deleted and no build id: not the file of that path", nameless(path, "c-dwarf5"))


for part in (cxx_names, mangled_names, symbol_tables):
    with case(part.__name__):
        part()
for each in (("plt", "-O2 -Wl,-z,now"), ("plt-ibt", "-O2 -fcf-protection -Wl,-z,lazy"),
             ("plt-lazy", "-O2 -Wl,-z,lazy -fcf-protection=none")):  # fmt: skip
    with case(each[0]):
        stubs(*each)
with case("nothing known"):
    nothing_known()
finish()
