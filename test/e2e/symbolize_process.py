#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pprof-symbolize --pid, of a living process: its binary that is gone from the disk, its vDSO, and the
perf map of a just-in-time compiler.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from binaries import Binary, build, output
from harness import case, finish, ok
from profile import load
from profile_writer import ProfileWriter
from symbolizer import HERE, names, symbolize

SOURCE = r"""
#include <stdio.h>
#include <unistd.h>
__attribute__((noinline)) void waiter(void) { pause(); }
int main(void) { puts("ready"); fflush(stdout); waiter(); return 0; }
"""
PERF_MAP = "4ff0 100 old_code\n5000 10 jit: first function\nnonsense\n"


@dataclass
class Mapped:
    start: int
    limit: int
    offset: int
    file: str


def code_of(pid: int | str) -> list[Mapped]:
    """The executable mappings of a process."""
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        words = line.split()
        if "x" in words[1]:
            start, limit = (int(x, 16) for x in words[0].split("-"))
            found.append(Mapped(start, limit, int(words[2], 16), words[-1] if len(words) > 5 else ""))
    return found


def clock_gettime(vdso: Mapped) -> int:
    """Where it is in the vDSO, which is the same in every process of this machine."""
    mine = next(m for m in code_of("self") if m.file == "[vdso]")
    with open("/proc/self/mem", "rb") as memory:
        memory.seek(mine.start)
        (HERE / "vdso.so").write_bytes(memory.read(mine.limit - mine.start))
    for line in output("nm", "-D", HERE / "vdso.so").splitlines():
        if line.split()[-1].split("@")[0] == "clock_gettime":
            return vdso.start + int(line.split()[0], 16) + 1
    return vdso.start


def living(child: subprocess.Popen[bytes], binary: Binary) -> None:
    assert child.stdout
    child.stdout.readline()
    maps = code_of(child.pid)
    waiter = binary.symbols()["waiter"][0] + 1
    binary.path.unlink()
    writer = ProfileWriter()
    own = next(m for m in maps if m.file == str(binary.path))
    mapping = writer.mapping(own.start, own.limit, own.offset, f"{binary.path} (deleted)", binary.build_id)
    (load_,) = binary.executable()
    writer.location(mapping, own.start - own.offset + waiter - load_.vaddr + load_.offset)
    vdso = next((m for m in maps if m.file == "[vdso]"), None)
    if vdso:
        writer.location(writer.mapping(vdso.start, vdso.limit, 0, "[vdso]"), clock_gettime(vdso))
    writer.location(0, 0x5000)
    last = writer.location(0, 0x5010)
    path, perf = HERE / "living.pb.gz", Path(f"/tmp/perf-{child.pid}.map")
    writer.write(path)
    perf.write_text(PERF_MAP)
    done = symbolize("-p", str(child.pid), path)
    perf.unlink()
    profile = load(path)
    ok("deleted binary, through the process", names(profile, 1) == ["waiter"], "", (done.stderr, names(profile, 1)))
    if vdso:
        ok("vDSO", names(profile, 2) == ["clock_gettime"], "", names(profile, 2))
    jit = [names(profile, last - 1), names(profile, last)]
    ok("perf map", jit == [["jit: first function"], ["old_code"]], "", jit)


def other_tmp() -> None:
    """A process with a /tmp of its own, as in a container, where its number is 7."""
    enter = ["unshare", "--mount"]
    if subprocess.run([*enter, "true"], capture_output=True).returncode:
        print("# other_tmp: no namespaces here")
        return
    script = f"mount -t tmpfs none /tmp && printf '{PERF_MAP}' >/tmp/perf-7.map && echo ready && exec sleep 600"
    child = subprocess.Popen([*enter, "sh", "-c", script], stdout=subprocess.PIPE)
    try:
        assert child.stdout
        child.stdout.readline()
        writer = ProfileWriter()
        writer.location(0, 0x5000)
        writer.location(0, 0x7000)
        writer.write(HERE / "other.pb.gz")
        done = symbolize("-p", str(child.pid), "-m", "7", HERE / "other.pb.gz")
        profile = load(HERE / "other.pb.gz")
        got = [names(profile, i) for i in (1, 2)]
        ok("perf map in the /tmp that the process sees", got == [["jit: first function"], ["[anon]!0x7000"]], got, done.stderr)
    finally:
        child.kill()
        child.wait()


with case("other_tmp"):
    other_tmp()
with case("a living process"):
    binary = Binary(build(HERE, "living", SOURCE, "gcc", "-O1", "-g"))
    child = subprocess.Popen([binary.path], stdout=subprocess.PIPE)
    try:
        living(child, binary)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
finish()
