#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pprof-symbolize with debug information of every kind that compilers and linkers here write: functions,
lines and inlined calls of every address are those of addr2line or llvm-symbolizer.
"""

# timeout: 300

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from binaries import C_SOURCE, CXX_SOURCE, Binary, build, output
from harness import case, finish, ok
from profile import load
from profile_writer import ProfileWriter
from symbolizer import (
    ALL_FLAGS, HERE, all_frames, dense, differences, flags, function_addresses, functions, places, raw_profile,
    symbolize,
)  # fmt: skip

# What the C library's start files bring along.
NOT_OURS = (
    "_start", "_init", "_fini", "deregister_tm_clones", "register_tm_clones", "__do_global_dtors_aux",
    "frame_dummy", "_dl_relocate_static_pie", "__libc_csu_init", "__libc_csu_fini",
)  # fmt: skip


def variants() -> list[tuple[str, str, str, str]]:
    """(name, source, compiler, flags) of what this machine can build and judge."""
    found = [
        ("c-dwarf5", C_SOURCE, "gcc", "-g -O2"), ("c-dwarf4", C_SOURCE, "gcc", "-gdwarf-4 -O2"),
        ("c-o0", C_SOURCE, "gcc", "-g -O0"), ("c-fixed", C_SOURCE, "gcc", "-g -O2 -no-pie"),
        ("c-compressed", C_SOURCE, "gcc", "-g -gz -O2"),
        ("c-split", C_SOURCE, "gcc", "-g -gsplit-dwarf -O2"),
        ("c-split4", C_SOURCE, "gcc", "-gdwarf-4 -gsplit-dwarf -O2"),
        ("c-sections", C_SOURCE, "gcc", "-g -O2 -ffunction-sections -Wl,--gc-sections"),
        ("cxx", CXX_SOURCE, "g++", "-g -O2"),
    ]  # fmt: skip
    if shutil.which("llvm-symbolizer"):
        found.append(("cxx-o0", CXX_SOURCE, "g++", "-g -O0"))
        found.append(("cxx-lto", CXX_SOURCE, "g++", "-g -O2 -flto"))
        if shutil.which("clang"):
            found.append(("c-clang", C_SOURCE, "clang", "-g -O2"))
            found.append(("cxx-clang", CXX_SOURCE, "clang++", "-g -O2"))
    if shutil.which("ld.lld"):
        found.append(("c-lld", C_SOURCE, "gcc", "-g -O2 -fuse-ld=lld"))
    return found


def same_code_whole(binary: Binary, compiler: str, how: str) -> Path:
    """The same code with its debug information in one piece: addr2line reads no .dwo."""
    whole = binary.path.with_name(f"{binary.path.name}.whole")
    plain = how.replace("-gsplit-dwarf", "" if "gdwarf" in how else "-g")
    output(compiler, "-o", whole, f"{binary.path}.c", *plain.split())
    return whole


def variant(name: str, source: str, compiler: str, how: str) -> None:
    binary = Binary(build(HERE, name, source, compiler, *how.split()))
    addresses = function_addresses(binary, 1, set(binary.symbols()) - set(NOT_OURS))
    path = raw_profile(binary, addresses, name)
    done = symbolize(path)
    profile = load(path)
    judge = same_code_whole(binary, compiler, how) if "split" in how else None
    differ = differences(profile, binary, addresses, places, judge)
    ok(f"{name}: file and line of {len(addresses)} addresses as addr2line",
       done.returncode == 0 and not done.stderr and not differ, "", (done.stderr, len(differ), differ[:3]))  # fmt: skip
    differ = differences(profile, binary, addresses, functions, judge)
    ok(f"{name}: functions as addr2line", not differ, "", (len(differ), differ[:3]))
    if "o0" not in name:
        ok(f"{name}: inlined calls", any(len(x) >= 3 for x in all_frames(profile)))
    ok(f"{name}: dense ids, all flags", dense(profile) and {flags(m) for m in profile.mappings} == {ALL_FLAGS},
       "", profile.mappings)  # fmt: skip


def package(version: int, cc: str, cxx: str, tool: str) -> None:
    """Split DWARF in a .dwp, without the .dwo files."""
    name, how = f"package{version}", ["-O2", f"-gdwarf-{version}"]
    for suffix, text, compiler in (("a.c", C_SOURCE, cc), ("b.cc", CXX_SOURCE, cxx)):
        (HERE / (name + suffix)).write_text(text)
        output(compiler, *how, "-gsplit-dwarf", "-c", HERE / (name + suffix), "-o", HERE / f"{name}{suffix[0]}.o")
    output(cc, "-Wl,--build-id", "-o", HERE / name, HERE / f"{name}a.o")
    whole = HERE / f"{name}.whole"
    output(cc, *how, "-o", whole, HERE / f"{name}a.c")
    dwos = [HERE / f"{name}b.dwo", HERE / f"{name}a.dwo"]
    argv = [tool, "-o", HERE / f"{name}.dwp", *dwos]
    subprocess.run(argv, check=True, timeout=60, stdin=subprocess.DEVNULL)
    for dwo in dwos:
        dwo.unlink()
    binary = Binary(HERE / name)
    addresses = function_addresses(binary, 1, {"worker", "hidden", "main"})
    path = raw_profile(binary, addresses, name)
    symbolize(path)
    profile = load(path)
    differ = differences(profile, binary, addresses, places, whole)
    ok(f"{len(addresses)} addresses by a package of DWARF {version}",
       not differ and any(len(x) >= 3 for x in all_frames(profile)), "", (len(differ), differ[:3]))  # fmt: skip


def shared_by_dwz() -> None:
    """Debug information that two files share, in a third one by dwz."""
    where = HERE / "dwz"
    where.mkdir()
    one = build(where, "one", CXX_SOURCE, "g++", "-g", "-O2")
    two = build(where, "two", CXX_SOURCE, "g++", "-g", "-O2")
    whole = Path(shutil.copy(one, f"{one}.whole"))
    shutil.copy(two, f"{two}.whole")
    output("dwz", "-m", "shared.dwz", "-M", where / "shared.dwz", "one", "two", cwd=where)
    binary = Binary(one)
    addresses = function_addresses(binary, 3)
    path = raw_profile(binary, addresses, "dwz")
    symbolize(path)
    profile = load(path)
    differ = differences(profile, binary, addresses, places, whole)
    seen = {f.name for f in profile.functions}
    ok(f"dwz: {len(addresses)} addresses, the shared part elsewhere",
       (where / "shared.dwz").exists() and not differ and "shop::(anonymous namespace)::secret" in seen,
       "", (len(differ), differ[:3]))  # fmt: skip


def split_by_dwz(how: str) -> None:
    """The same in debug files of their own, as Debian's packages have it."""
    where = HERE / f"dwz-{how}"
    where.mkdir()
    one, shared, whole = where / "one", where / "shared", HERE / "dwz" / "one.whole"
    for name in "one", "two":
        shutil.copy(HERE / "dwz" / f"{name}.whole", where / name)
    named = {"absolute": str(shared), "relative": "../../shared"}.get(how, "/nowhere/shared")
    output("dwz", "-m", "shared", "-M", named, "one", "two", cwd=where)
    debug, supplement = (where / ".build-id" / x.build_id[:2] / f"{x.build_id[2:]}.debug" for x in (Binary(one), Binary(shared)))
    debug.parent.mkdir(parents=True)
    output("objcopy", "--only-keep-debug", one, debug)
    output("strip", one)
    if how == "by id":
        supplement.parent.mkdir(exist_ok=True)
        shared.rename(supplement)
    binary, addresses = Binary(one), function_addresses(Binary(whole), 13)
    path = raw_profile(binary, addresses, f"dwz-{how}")
    symbolize(path, PPROF_BINARY_PATH=str(where))
    differ = differences(load(path), binary, addresses, places, whole)
    ok(f"dwz, split, {how}: {len(addresses)} addresses", not differ, "", (len(differ), differ[:3]))


def one_mapping(name: str) -> None:
    """One mapping over all segments of a library, as some profilers write it."""
    binary, writer = Binary(HERE / name), ProfileWriter()
    addresses = function_addresses(binary, 1, {"worker", "hidden"})
    end = max(x.vaddr + x.size for x in binary.loads)
    mapping = writer.mapping(binary.base, binary.base + end, 0, str(binary.path), binary.build_id)
    for address in addresses:
        writer.location(mapping, binary.base + address)
    path = HERE / "whole.pb.gz"
    writer.write(path)
    symbolize(path)
    ok(f"{name}: one mapping for all", not differences(load(path), binary, addresses, places))


for each in variants():
    with case(each[0]):
        variant(*each)
# binutils 2.40 make no package of DWARF 5, and LLVM 14 reads none of GCC's.
for each in ((4, "gcc", "g++", "dwp"), (5, "clang", "clang++", "llvm-dwp")):
    if shutil.which(each[3]) and shutil.which(each[1]):
        with case(f"a package of DWARF {each[0]}"):
            package(*each)
if shutil.which("dwz"):
    with case("dwz"):
        shared_by_dwz()
    for each in "absolute", "relative", "by id":
        with case(f"dwz, split, {each}"):
            split_by_dwz(each)
for each in ("c-dwarf5", "c-lld"):
    if os.path.exists(HERE / each):
        with case(f"{each}: one mapping for all"):
            one_mapping(each)
finish()
