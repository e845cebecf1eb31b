#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The files that a dump consists of: their names, modes, numbers and folder, and one time in all of them."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import KINDS, case, files_in, finish, folder, inject, injected, ok, program, run, start


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names() -> None:
    result = inject([program("process_ends")], expect=7)
    want = sorted(f"process_ends.{result.pid}.001.{kind}.pb.gz" for kind in KINDS)
    have = sorted(p.name for p in result.out.iterdir())
    ok("names", have == want, have)
    ok("files are 0600", all(mode(p) == 0o600 for p in result.out.iterdir()))
    # A folder of root's lets the users through to whom the program may change; they cannot read it.
    wanted = 0o711 if os.geteuid() == 0 else 0o700
    ok(f"the folder is {wanted:o}", mode(result.out) == wanted, oct(mode(result.out)))
    dump = result.dump()
    times = {p.time_nanos for p in dump.values()}
    ok("one time_nanos", len(times) == 1, times)
    main = {p.mappings[0].filename for p in dump.values()}
    ok("mapping 1 is the program", main == {program("process_ends")}, main)


def odd_name() -> None:
    """Only the profile's name is escaped in a file's name; the program's is written as it is."""
    odd = folder() / "a b.c"
    shutil.copy(program("process_ends"), odd)
    result = inject([str(odd)], expect=7)
    ok("a name with space and dot", {f.exe for f in result.files()} == {"a b.c"})
    result.dump()


def loader() -> None:
    """A program that is started as an argument of ld.so is named as itself, not as ld.so."""
    text = Path("/proc/self/maps").read_text()
    ld = re.search(r"(/\S*/ld-linux\S*|/\S*/ld-2\S*)", text)
    result = inject([ld[1] if ld else "/lib64/ld-linux-x86-64.so.2", program("process_ends")], expect=7)
    ok("ld.so PROGRAM: its name", {f.exe for f in result.files()} == {"process_ends"}, result.files()[0].exe)
    main = result.dump()["heap"].mappings[0].filename
    ok("ld.so PROGRAM: mapping 1", main == program("process_ends"), main)


def numbers() -> None:
    live = start([program("on_command")])
    live.line()
    first = live.dump()
    before = {k: p.read_bytes() for k, p in first.items()}
    live.dump()
    result = live.end()
    ok("dumps are numbered from 001", result.numbers() == [1, 2, 3], result.numbers())
    ok("a dump replaces no other", before == {k: p.read_bytes() for k, p in first.items()})
    for number in (1, 2, 3):
        result.dump(number)
    times = [result.dump(n)["heap"].time_nanos for n in (1, 2, 3)]
    ok("times rise", times == sorted(set(times)), times)


def taken() -> None:
    """A dump takes the next number that no file has."""
    live = start([program("on_command")])
    live.line()
    first = live.dump()["cpu"]
    other = first.with_name(first.name.replace(".001.", ".002."))
    other.write_bytes(b"mine")
    again = {int(p.name.split(".")[2]) for p in live.out.iterdir() if p != other}
    live.tell("work 1")
    live.line()
    live.end()
    ok("a file of another's is not replaced", other.read_bytes() == b"mine")
    other.unlink()
    found = {f.number for f in files_in(live.out)} - again
    ok("the next free number is taken", found == {3}, found)


def place() -> None:
    """PPROF_OUT is relative to the working directory of the first process, also for children."""
    base = folder()
    (base / "below").mkdir()
    env = injected(Path("a/b"), {"PPROF_MEM_RATE": "1"})
    script = f"cd below && {program('process_ends')}; exit 0"
    result = run(["bash", "-c", script], env, base / "a/b", cwd=base)
    found = {f.exe for f in files_in(base / "a" / "b")}
    ok("a relative PPROF_OUT, made with its parents", found == {"bash", "process_ends"}, found)
    ok("nothing below", not list((base / "below").iterdir()))
    ok("the status is the program's", result.status == 0)


def default_place() -> None:
    base = folder()
    env = injected(base)
    del env["PPROF_OUT"]
    run([program("process_ends")], env, cwd=base)
    ok("PPROF_OUT's default", {f.exe for f in files_in(base / "pprof")} == {"process_ends"})


def unwritable() -> None:
    """If the folder cannot be made there are no profiles, and the program runs as ever."""
    base = folder()
    (base / "file").write_text("")
    result = run([program("process_ends")], injected(base / "file" / "out"), cwd=base)
    ok("PPROF_OUT cannot be made: the program runs", (result.status, result.stdout) == (7, "return\n"))


for part in (names, odd_name, loader, numbers, taken, place, default_place, unwritable):
    with case(part.__name__):
        part()
finish()
