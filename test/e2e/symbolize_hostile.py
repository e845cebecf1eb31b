#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pprof-symbolize on files of unknown origin: a damaged profile is one line of error and stays as it was,
a damaged binary costs its own names alone, and a small file cannot take all memory.
"""

# timeout: 300

from __future__ import annotations

import gzip
import random
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from binaries import C_SOURCE, CXX_SOURCE, Binary, build
from harness import case, finish, ok
from profile import load
from profile_writer import ProfileWriter, encoded
from symbolizer import HERE, SYMBOLIZER, function_addresses, names, raw_profile, symbolize

MUTANTS, NOISES, BROKEN = 300, 60, 60
GOOD = Binary(build(HERE, "c-dwarf5", C_SOURCE, "gcc", "-g", "-O2"))
VICTIM = Binary(build(HERE, "cxx", CXX_SOURCE, "g++", "-g", "-O2"))
GOOD_FILE = raw_profile(GOOD, function_addresses(GOOD, 40), "good")
HOSTILE = HERE / "hostile.pb.gz"


class Attempts:
    """Hostile files, one after the other; wrong are those after which something is not as it must be: a
    status of 0, or one line of error and the file as it was."""

    def __init__(self) -> None:
        self.wrong: list[tuple] = []
        self.statuses: set[int] = set()

    def attempt(self, data: bytes, what: object) -> int:
        HOSTILE.write_bytes(data)
        done = symbolize(HOSTILE)
        refused = done.returncode == 1
        good = done.returncode in (0, 1) and refused == bool(done.stderr)
        if refused and (HOSTILE.read_bytes() != data or done.stderr.count("\n") != 1):
            good = False
        if not good:
            self.wrong.append((what, done.returncode, done.stderr))
        self.statuses.add(done.returncode)
        return done.returncode


def truncated() -> None:
    data, tries = GOOD_FILE.read_bytes(), Attempts()
    for n in range(0, len(data) - 1, 7):
        tries.attempt(data[:n], n)
    ok("truncated: an error, the file as it was", not tries.wrong and tries.statuses == {1},
       "", (tries.wrong[:3], tries.statuses))  # fmt: skip


def mutants() -> None:
    plain, tries, rng = gzip.decompress(GOOD_FILE.read_bytes()), Attempts(), random.Random(1)
    ok("not gzip'ed: read all the same", tries.attempt(plain, "plain") == 0)
    for i in range(MUTANTS):
        broken = bytearray(plain)
        for _ in range(rng.choice((1, 2, 8, 64))):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        tries.attempt(gzip.compress(bytes(broken[: rng.randrange(1, len(broken) + 1)]), 1), f"mutant {i}")
    for i in range(NOISES):
        tries.attempt(bytes(rng.randrange(256) for _ in range(rng.randrange(3000))), f"noise {i}")
    ok("mutants and noise: never a crash, never a lost file", not tries.wrong, "", tries.wrong[:3])


def bombs() -> None:
    found = {
        "empty strings": encoded({6: b""}) * (9 << 20),
        "empty locations": encoded({4: b""}) * (9 << 20),
        "2 GB": encoded({100: bytes(1 << 20)}) * 1100,
        "a length that is not there": b"\x32\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    }
    for name, bomb in found.items():
        HOSTILE.write_bytes(gzip.compress(encoded({6: b""}) + bomb, 1))
        argv = ["sh", "-c", 'ulimit -v 1000000; exec "$@"', "sh", SYMBOLIZER, HOSTILE]
        done = subprocess.run(argv, stderr=subprocess.PIPE, text=True)
        ok(f"bomb of {name}", done.returncode == 1 and done.stderr.count("\n") == 1, "", done)


def one_of_several() -> None:
    done = symbolize(HERE / "absent.pb.gz", HERE / "link.pb.gz", HERE, GOOD_FILE)
    ok("one bad file does not keep the next from its names",
       done.returncode == 1 and done.stderr.count("\n") == 3 and names(load(GOOD_FILE), 1) != [], "", done.stderr)  # fmt: skip


def damaged(data: bytes, i: int, rng: random.Random) -> bytes:
    """A third is cut, a third has bytes changed anywhere, a third behind the headers alone."""
    if i % 3 == 0:
        return data[: rng.randrange(len(data))]
    broken = bytearray(data)
    low = 0 if i % 3 == 1 else len(broken) // 3
    for _ in range(rng.choice((4, 100, 2000))):
        broken[rng.randrange(low, len(broken))] = rng.randrange(256)
    return bytes(broken)


def broken_binaries() -> None:
    worker, spots = GOOD.symbols()["worker"][0] + 4, function_addresses(VICTIM, 64)
    data, rng, wrong, path = VICTIM.path.read_bytes(), random.Random(2), [], HERE / "broken.pb.gz"
    for i in range(BROKEN):
        (HERE / "victim").write_bytes(damaged(data, i, rng))
        writer = ProfileWriter()
        ((mapping, _),) = VICTIM.add_to(writer, build_id="", file=HERE / "victim")
        for address in spots:
            writer.location(mapping, VICTIM.base + address)
        ((mapping, _),) = GOOD.add_to(writer)
        last = writer.location(mapping, GOOD.base + worker)
        writer.write(path)
        done = symbolize(path)
        if done.returncode != 0 or "worker" not in names(load(path), last):
            wrong.append((i, done))
    ok(f"{BROKEN} broken binaries: the other module keeps its names", not wrong, "", wrong[:2])


for part in (truncated, mutants, bombs, one_of_several, broken_binaries):
    with case(part.__name__):
        part()
finish()
