#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every way in which a process can end: it ends as without the library, and writes its profiles in the cases that
the manual names."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import bare, case, finish, inject, ok, program

DUMPING = ("return", "exec_fails", "exec_ignored", "exit", "quick_exit", "_exit", "_Exit", "ignored", "handled")
FATAL = ("TERM", "INT", "HUP", "restored", "blocked")
SILENT = ("abort", "SEGV", "KILL", "QUIT", "USR1", "ALRM")
LIVE = 2048 * 4096  # site_before's blocks; the program frees none


def judge(how: str, dumps: bool) -> None:
    argv = [program("process_ends"), how]
    plain = bare(argv)
    result = inject(argv, {"PPROF_MEM_RATE": "1"}, expect=None)
    same = (result.status, result.stdout, result.stderr) == (plain.status, plain.stdout, plain.stderr)
    ok(f"{how}: ends as bare", same, f"status {result.status}", f"bare {plain.status} {result.stderr}")
    if dumps:
        numbers = result.numbers()
        got = result.dump(1)["heap"].cumulative("inuse_space", elf.name)["site_before"]
        ok(f"{how}: one dump, and its heap", numbers == [1] and got == LIVE, f"{numbers} {got} B")
    else:
        ok(f"{how}: no dump", not result.out.exists() or not result.files())


for way in DUMPING + FATAL:
    with case(way):
        judge(way, True)
def judge_exec() -> None:
    """An exec: both programs of the process leave a dump, and the numbers of the second follow the first's."""
    argv = [program("process_ends"), "exec"]
    plain, result = bare(argv), inject(argv, {"PPROF_MEM_RATE": "1"}, expect=None)
    same = (result.status, result.stdout, result.stderr) == (plain.status, plain.stdout, plain.stderr)
    ok("exec: ends as bare", same, f"status {result.status}", f"bare {plain.status} {result.stderr}")
    numbers = result.numbers()
    got = [result.dump(n)["heap"].cumulative("inuse_space", elf.name)["site_before"] for n in numbers]
    ok("exec: a dump of each program", numbers == [1, 2] and got == [LIVE, LIVE], f"{numbers} {got}")


for way in SILENT:
    with case(way):
        judge(way, False)
with case("exec"):
    judge_exec()
finish()
