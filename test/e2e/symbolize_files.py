#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pprof-symbolize: what becomes of the files. Whatever it does not understand stays, names that were there
stay, a file that others take away or replace does not come back, several files in one call are as each
alone, `go tool pprof` needs no binary afterwards; never the network.
"""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from binaries import C_SOURCE, CXX_SOURCE, Binary, build, output
from harness import case, finish, ok
from profile import load
from profile_writer import ProfileWriter, encoded
from symbolizer import (
    HERE, SYMBOLIZER, all_frames, dense, frames, function_addresses, names, pprof, raw_profile, symbolize,
)  # fmt: skip

C = Binary(build(HERE, "c-dwarf5", C_SOURCE, "gcc", "-g", "-O2"))
CXX = Binary(build(HERE, "cxx", CXX_SOURCE, "g++", "-g", "-O2"))
FULL = Binary(build(HERE, "full", C_SOURCE, "gcc", "-O2", "-g", "-rdynamic"))
output("strip", "-o", HERE / "stripped", FULL.path)
STRIPPED = Binary(HERE / "stripped")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def kept(strings_first: bool) -> None:
    """Whatever the program does not understand, and what was named before, stays."""
    symbols, writer, path = C.symbols(), ProfileWriter(), HERE / "kept.pb.gz"
    ((mapping, _),) = C.add_to(writer)
    pseudo = writer.function("[truncated]", "[truncated]")
    named = writer.function("before", "before", "before.c", 7)
    writer.location(mapping, C.base + symbols["worker"][0] + 2)
    writer.location(0, 0, [(pseudo, 0)])
    writer.location(mapping, C.base + symbols["worker"][0], [(named, 9)])
    writer.location(0, 0x1234)
    fixed64 = b"\xf9\x04" + b"8bytes!!"  # field 79
    writer.extra = encoded({77: 5, 78: b"unknown"}) + fixed64
    writer.write(path, stacks=[[1, 2], [3, 1, 4]], strings_first=strings_first)
    raw = load(path, keep_unknown=True)
    path.chmod(0o640)
    done = symbolize(path)
    profile = load(path, keep_unknown=True)
    when = "strings first" if strings_first else "strings last"
    same = all(profile.parts[x] == raw.parts[x] for x in ("sample", "sample_type"))
    ok(f"{when}: samples and unknown fields",
       done.returncode == 0 and same and profile.time_nanos == raw.time_nanos and len(raw.unknown) == 3
       and profile.unknown == raw.unknown, "", done.stderr)  # fmt: skip
    ok(f"{when}: named locations",
       names(profile, 2) == ["[truncated]"] and frames(profile, 3)[0][2:] == ("before.c", 9)
       and names(profile, 4) == ["[anon]!0x1234"] and names(profile, 1)[-1] == "worker" and dense(profile),
       "", all_frames(profile))  # fmt: skip
    ok(f"{when}: the file's mode", mode(path) == 0o640)
    again = path.read_bytes()
    symbolize(path)
    ok(f"{when}: a second time changes nothing", path.read_bytes() == again)


def to_another_file() -> None:
    path, out = HERE / "kept.pb.gz", HERE / "kept.out.pb.gz"
    done = symbolize("--output", out, path)
    same = names(load(out, keep_unknown=True), 1) == names(load(path, keep_unknown=True), 1)
    ok("--output", done.returncode == 0 and same and mode(out) == 0o600, "", done.stderr)
    left = [f for f in os.listdir(HERE) if f.startswith(".")]
    ok("no temporary files left", not left, "", left)


def caught_writing(path: Path) -> subprocess.Popen[str]:
    """The symboliser, started, at the moment at which its temporary file is there."""
    child = subprocess.Popen([SYMBOLIZER, path], stderr=subprocess.PIPE, text=True)
    while child.poll() is None and len(os.listdir(path.parent)) < 2:
        pass
    return child


def slow_profile(path: Path) -> None:
    writer = ProfileWriter()
    ((mapping, _),) = C.add_to(writer)
    writer.location(mapping, C.base + C.symbols()["worker"][0])
    writer.extra = encoded({100: os.urandom(32 << 20)})  # gives time
    writer.write(path)


def taken_away() -> None:
    """A file that a collector removes while names are looked up does not come back."""
    where = HERE / "taken"
    where.mkdir()
    path = where / "a.pb.gz"
    slow_profile(path)
    child = caught_writing(path)
    caught = child.poll() is None
    path.unlink()
    _, said = child.communicate()
    ok("taken away meanwhile: does not come back", caught and child.returncode == 0 and os.listdir(where) == [],
       "", (caught, said, os.listdir(where)))  # fmt: skip

    slow_profile(path)
    child = caught_writing(path)
    caught = child.poll() is None
    (where / "b").write_text("another")
    (where / "b").rename(path)
    _, said = child.communicate()
    ok("replaced meanwhile: the new one stays",
       caught and child.returncode == 1 and said.count("\n") == 1 and os.listdir(where) == ["a.pb.gz"]
       and path.read_bytes() == b"another", "", (caught, said, os.listdir(where)))  # fmt: skip

    slow_profile(path)
    child = caught_writing(path)
    child.terminate()
    ok("killed while writing: no temporary file",
       child.wait() == -signal.SIGTERM and os.listdir(where) == ["a.pb.gz"], "", os.listdir(where))  # fmt: skip


def pprof_alone(name: str, binary: Binary, spots: list[int], want: str) -> None:
    """go tool pprof, with the binary out of reach: the names, and not a word."""
    path = raw_profile(binary, spots, f"pprof-{name}")
    symbolize(path)
    top = ("-top", "-lines", "-nodecount=10000")
    reachable, _ = pprof(path, *top)
    hidden = binary.path.with_name(f"{name}.away")
    binary.path.rename(hidden)
    out, said = pprof(path, *top)
    raw, also_said = pprof(path, "-raw")
    hidden.rename(binary.path)
    said = "\n".join(x for x in (said + also_said).splitlines() if x)
    ok(f"{name}: pprof is silent, with and without binaries", out == reachable and said == "", "", said)
    ok(f"{name}: pprof shows the names", want in out and want in raw, "", out)


def network() -> None:
    """DEBUGINFOD_URLS is not for us."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(1)
    server.settimeout(0.2)
    path = raw_profile(STRIPPED, [FULL.symbols()["hidden"][0]], "net")
    symbolize(path, DEBUGINFOD_URLS=f"http://127.0.0.1:{server.getsockname()[1]}")
    try:
        server.accept()
        called = True
    except socket.timeout:
        called = False
    server.close()
    ok("never the network", not called)


def several() -> None:
    """Several files at once: each as if alone."""

    def written(label: str) -> list[Path]:
        paths = []
        for i, binaries in enumerate(((C, CXX), (CXX,), (CXX, C))):
            writer = ProfileWriter()
            for binary in binaries:
                for mapping, segment in binary.add_to(writer):
                    for address in range(segment.vaddr + i, segment.vaddr + segment.size, 37):
                        writer.location(mapping, binary.base + address)
            paths.append(HERE / f"batch-{i}-{label}.pb.gz")
            writer.write(paths[-1])
        return paths

    alone, together = written("alone"), written("all")
    for path in alone:
        symbolize(path)
    symbolize(*together)
    same = all(a.read_bytes() == b.read_bytes() for a, b in zip(alone, together))
    ok("three files in one call", same and bool(load(alone[2]).functions))


def calls() -> None:
    ok("--help", "usage:" in symbolize("--help").stdout)
    ok("--version", symbolize("--version").stdout.startswith("pprof-symbolize"))
    ok("wrong calls", symbolize().returncode == 2 and symbolize("-p", "x", "y").returncode == 2)


for first in (False, True):
    with case(f"kept, strings first: {first}"):
        kept(first)
for part in (to_another_file, taken_away, network, several, calls):
    with case(part.__name__):
        part()
for each in (("c-dwarf5", C, function_addresses(C, 8), "worker"),
             ("cxx", CXX, function_addresses(CXX, 8), "shop::till::ring"),
             ("stripped", STRIPPED, function_addresses(FULL, 8), "worker")):  # fmt: skip
    with case(f"pprof: {each[0]}"):
        pprof_alone(*each)
finish()
