# SPDX-License-Identifier: MIT
"""pprof-symbolize against addr2line: make a raw profile of addresses, have it named, compare.

A location of such a profile is one address of a binary; location i is address i - 1 of the list. The
programs are in binaries.py, the profile is written by profile_writer.py and read by profile.py.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from binaries import Binary, Place, addr2line, llvm_symbolizer
from harness import LIBRARY, environment, folder
from profile import Mapping, Profile, load, names_in_file
from profile_writer import ProfileWriter

SYMBOLIZER = LIBRARY.parent / "pprof-symbolize"
HERE = folder()  # the script's

# What of a stack is compared: takes ours and the judge's frames, gives what must be equal.
Pick = Callable[[Sequence[Place], Sequence[Place]], tuple[list, list]]


def symbolize(*args: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
    env = environment({"HOME": str(HERE)} | extra)
    return subprocess.run([SYMBOLIZER, *args], capture_output=True, text=True, env=env, timeout=120)


def raw_profile(binary: Binary, addresses: Iterable[int], name: str, **how: str) -> Path:
    """A file with one location for each address, as the binary itself counts. how: Binary.add_to's."""
    writer = ProfileWriter()
    mappings = binary.add_to(writer, **how)
    for address in addresses:
        for mapping, load_ in mappings:
            if load_.vaddr <= address < load_.vaddr + load_.size:
                writer.location(mapping, binary.base + address)
    path = HERE / f"{name}.pb.gz"
    writer.write(path)
    return path


def function_addresses(binary: Binary, step: int = 1, names: Iterable[str] | None = None) -> list[int]:
    wanted = None if names is None else set(names)
    found: set[int] = set()
    for name, (start, size) in binary.symbols().items():
        if wanted is None or name in wanted:
            found.update(range(start, start + size, step))
    return sorted(found)


# ---------------------------------------------------------------------------------- what it has written


def frames(profile: Profile, location: int) -> list[tuple[str, str, str, int]]:
    """(name, system name, file, line) of a location by its place from 1, innermost first."""
    return [
        (x.function.name, x.function.system_name, x.function.filename, x.line)
        for x in profile.locations[location - 1].lines
    ]


def all_frames(profile: Profile) -> list[list[tuple[str, str, str, int]]]:
    return [frames(profile, i) for i in range(1, len(profile.locations) + 1)]


def names(profile: Profile, location: int) -> list[str]:
    return names_in_file(profile.locations[location - 1])


def flags(mapping: Mapping) -> tuple[bool, bool, bool, bool]:
    """has_functions, has_filenames, has_line_numbers, has_inline_frames."""
    return (mapping.has_functions, mapping.has_filenames, mapping.has_line_numbers, mapping.has_inline_frames)


ALL_FLAGS = (True, True, True, True)
NAMES_ALONE = (True, False, False, False)


def dense(profile: Profile) -> bool:
    """Ids are 1, 2, 3 ... in the order of the file, and string 0 is empty."""
    tables = (profile.mappings, profile.locations, profile.functions)
    return profile.strings[0] == "" and all([x.id for x in t] == list(range(1, len(t) + 1)) for t in tables)


def nameless(path: Path, module: str) -> bool:
    """Each location of the file is called module!0x..., and the mapping claims no more."""
    profile = load(path)
    called = [names(profile, i) for i in range(1, len(profile.locations) + 1)]
    return flags(profile.mappings[0]) == NAMES_ALONE and all(
        len(x) == 1 and x[0].startswith(f"{module}!0x") for x in called
    )


def places(ours: Sequence[Place], theirs: Sequence[Place]) -> tuple[list, list]:
    """File and line of all frames."""
    return [f[1:] for f in ours], [f[1:] for f in theirs]


def functions(ours: Sequence[Place], theirs: Sequence[Place]) -> tuple[list, list]:
    """Linkage names. At the first instruction of an inlined call binutils give the enclosing function's
    name to the innermost frame; that one is not compared then."""
    got, want = [f[0] for f in ours], [f[0] for f in theirs]
    return (got[1:], want[1:]) if len(want) > 1 and want[0] == want[-1] else (got, want)


def differences(
    profile: Profile, binary: Binary, addresses: Sequence[int], pick: Pick, judge: Path | None = None
) -> list[tuple[str, list, list]]:
    """Where it says something else than addr2line, and than LLVM where that is installed: (address, ours,
    theirs). judge: another file with the same code."""
    path = judge or binary.path
    second = llvm_symbolizer(path, addresses)
    found = []
    for i, (address, want) in enumerate(zip(addresses, addr2line(path, addresses))):
        mine = [f[1:] for f in frames(profile, i + 1)]
        got, wanted = pick(mine, want)
        if got != wanted and second:
            got, wanted = pick(mine, second[i])
        if got != wanted:
            found.append((hex(address), got, wanted))
    return found


def pprof(path: Path, *arguments: str) -> tuple[str, str]:
    """go tool pprof with no place to look binaries up: (stdout, stderr)."""
    root = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True).stdout.strip()
    empty = HERE / "empty"
    empty.mkdir(exist_ok=True)
    where = ("HOME", "GOCACHE", "PPROF_TMPDIR", "PPROF_BINARY_PATH")
    env = {"PATH": os.environ["PATH"], "GOROOT": root} | {name: str(empty) for name in where}
    argv = ["go", "tool", "pprof", *arguments, str(path)]
    done = subprocess.run(argv, env=env, cwd=empty, capture_output=True, text=True)
    return done.stdout, done.stderr
