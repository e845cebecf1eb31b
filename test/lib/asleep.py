# SPDX-License-Identifier: MIT
"""Threads asleep in 27 kinds of wait (programs/asleep.c), and at the end of random ways (programs/asleep_anywhere.c),
built in many ways: does none of them notice an end, an exec or a dump, and are their stacks whole?
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import elf
from harness import ROOT, Failure, Run, inject

KINDS = 27
COMPILERS = tuple(c for c in ("gcc", "clang") if shutil.which(c))
PATHS = re.compile(r"f\d+|starts|\[truncated\]")


def build(where: Path, source: str, compiler: str, flags: str) -> str:
    exe = where / re.sub(r"[^\w.]+", "_", f"{source}_{compiler}_{flags}")
    command = [compiler, "-w", "-g", "-D_GNU_SOURCE", "-pthread", *flags.split(), "-o", exe]
    subprocess.run([*command, ROOT / f"test/programs/{source}.c"], check=True)
    return str(exe)


def remove_queues(stdout: str) -> None:
    """System V's queue and semaphores outlive the program, whose threads sleep on them to its end."""
    ids = json.loads(stdout.splitlines()[0])
    subprocess.run(["ipcrm", "-q", str(ids["queue"]), "-s", str(ids["semaphores"])], check=False)


@dataclass
class Count:
    runs: int = 0
    noticed: str = ""  # what a run did that it does not do bare
    asleep: int = 0  # threads asleep in the dumps
    whole: int = 0  # those whose stack is whole
    first_cut: str = ""


def add_stacks(count: Count, run: Run) -> None:
    for sample in run.dump(1)["goroutine"].samples:
        names = [n for location in sample.locations for n in elf.name(location)]
        if "_start" in names:  # the main thread
            continue
        waits = [i for i, n in enumerate(names) if n.startswith("wait_")]
        above = names[waits[0] + 1 : waits[0] + 4] if waits else []
        whole = above == ["below_outer", "outer", "sleeper"] and "[truncated]" not in names
        count.asleep += sample.values[0]
        count.whole += sample.values[0] if whole else 0
        count.first_cut = count.first_cut or ("" if whole else " < ".join(names))


def try_all(count: Count, exe: str, how: list[str]) -> None:
    run = inject([exe, *how], expect=None)
    count.runs += 1
    remove_queues(run.stdout)
    if run.status != 3 or run.stderr:
        count.noticed = count.noticed or f"{Path(exe).name} {how}: status {run.status}, {run.stderr!r}"
    add_stacks(count, run)


def name_of(line: str) -> str:
    """The function of a line that is a pseudo frame, or the place of a return address: "FILE+0xOFFSET"."""
    path, _, offset = line.strip().rpartition("+0x")
    table = elf.symbols(path) if path else None
    name = table.name_at(int(offset, 16) - 1) if table else None
    return name.split(".")[0] if name else line


def blocks_of(run: Run) -> dict[int, list[str]]:
    """The functions of each thread, from the text form of goroutine, without inlined ones."""
    found = [p for p in run.out.iterdir() if p.name.endswith(".001.goroutine.debug2.txt")]
    if not found:
        raise Failure("no dump")
    blocks = re.findall(r'^thread (\d+) "[^"]*" \[.*\]:\n((?:.+\n)*)', found[0].read_text(), re.M)
    return {
        int(tid): [name_of(line) for line in text.splitlines() if line.startswith(("\t/", "["))]
        for tid, text in blocks
    }


@dataclass
class Ways:
    whole: int = 0
    cut: int = 0
    wrong: str = ""


def follow_ways(ways: Ways, exe: str, seed: int, threads: int) -> None:
    settings = {"PPROF_DEBUG": "1", "PPROF_PROFILES": "goroutine"}
    run = inject([exe, str(seed), str(threads)], settings, expect=None)
    if run.status != 3:
        raise Failure(f"{exe} {seed}: status {run.status}, {run.stderr}")
    blocks = blocks_of(run)
    for line in run.stdout.splitlines():
        tid, *way = line.split()
        want = way[::-1] + ["starts"]
        got = [n for n in blocks.get(int(tid), []) if PATHS.fullmatch(n)]
        if got == want:
            ways.whole += 1
        elif got and got[-1] == "[truncated]" and got[:-1] == want[: len(got) - 1]:
            ways.cut += 1
        else:
            ways.wrong = ways.wrong or f"{Path(exe).name} {seed}: {got}, not {want}"


