#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs that leave their terminal, by daemon() or by two forks: they find what they find bare, and both the process
that ends on the way and the daemon leave their profiles, also into a folder that is named from where the first began.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import LIBRARY, case, environment, files_in, finish, folder, injected, judged, ok, program, run

ENV = {"PPROF_CPU_RATE": "1000"}
SAMPLES = 5  # of 60; on a busy machine the kernel looks at timers late
WAYS = [
    ("daemon", "0", "0"),
    ("daemon", "1", "0"),
    ("daemon", "0", "1"),
    ("daemon", "1", "1", "threads"),
    ("daemon", "0", "0", "threads"),
    ("daemon", "0", "0", "limit"),
    ("daemon", "0", "0", "closed"),
    ("twice", "0", "1"),
    ("twice", "1", "1", "threads"),
]


def reported(way: tuple[str, ...], env: dict[str, str], work: Path, before: tuple[str, ...] = ()) -> tuple[int, str]:
    """The first process's status, and what the daemon says, once both have ended: the report's lock is theirs."""
    report = work / "report"
    first = run([*before, program("daemons"), *way[:3], str(report), *way[3:]], env, cwd=work)
    with report.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read()
    report.unlink()
    return first.status, text


def burnt(out: Path, site: str) -> int:
    """In how many processes' profiles that is, and nothing of the other's."""
    sites = {"burn_first", "burn_as_daemon"}
    profiles = [judged(f.path).cumulative("samples", elf.name) for f in files_in(out) if f.kind == "cpu"]
    return sum(p.get(site, 0) > SAMPLES and not (sites - {site}) & set(p) for p in profiles)


def judge(way: tuple[str, ...], before: tuple[str, ...] = ()) -> None:
    name = " ".join((*way, *before[-1:]))
    work, out = folder(), folder() / "out"
    plain = reported(way, environment(), work, before)
    mine = reported(way, injected(Path(os.path.relpath(out, work)), ENV), work, before)
    ok(f"{name}: as bare", mine == plain and "result" in plain[1], plain[1].partition("\n")[0], f"{mine} for {plain}")
    both = burnt(out, "burn_first"), burnt(out, "burn_as_daemon")
    ok(f"{name}: a profile each", both == (1, 1), both, [f.path.name for f in files_in(out)])


for one in WAYS:
    with case(" ".join(one)):
        judge(one)
def no_process() -> None:
    """Where there can be no child, daemon() returns in its caller, which goes on being profiled."""
    work = folder()
    work.chmod(0o777)
    out = work / "out"
    out.mkdir(mode=0o777)
    out.chmod(0o777)
    limited = ("setpriv", "--reuid=65534", "--clear-groups", "prlimit", "--nproc=1")
    plain = reported(WAYS[0], environment(), work, limited)
    mine = reported(WAYS[0], injected(out, ENV), work, limited)
    ok("no process: as bare", mine == plain and "result -1" in plain[1], plain[1].partition("\n")[0], f"{mine} for {plain}")
    last = [judged(f.path) for f in files_in(out) if (f.exe, f.kind) == ("daemons", "cpu")][-1].cumulative("samples", elf.name)
    both = last.get("burn_first", 0), last.get("burn_as_daemon", 0)
    ok("no process: one profile of both", min(both) > SAMPLES, both)


if os.getuid() == 0:  # a namespace in which /dev/null is a file
    hide = f"mount --bind {LIBRARY} /dev/null && exec \"$@\""
    with case("no device"):
        judge(("daemon", "0", "0"), ("unshare", "--mount", "sh", "-c", hide, "no device"))
    with case("no process"):
        no_process()
finish()
