# SPDX-License-Identifier: MIT
"""Runs inside gdb: stops a program at samples of test/unwind/truth.c and compares the frames of the
walk with those that gdb finds by itself, above the same signal frame.

The arguments come in the environment: GDB_PROGRAM, a list of words in JSON; GDB_ENVIRONMENT, what
to set for it; GDB_STOPS, how many times to stop. Prints one line of JSON at the end.
"""

from __future__ import annotations

import json
import os
import shlex

import gdb  # type: ignore[import-not-found]

TRUNCATED = 1  # PSEUDO_TRUNCATED
WORD = 8


def walked() -> list[int]:
    """The arguments of truth_stop(frames, how many)."""
    at, n = (int(gdb.parse_and_eval(f"(long)${reg}")) for reg in ("rdi", "rsi"))
    words = bytes(gdb.selected_inferior().read_memory(at, n * WORD))
    return [int.from_bytes(words[i : i + WORD], "little") for i in range(0, len(words), WORD)]


def debugged() -> list[int]:
    """What gdb finds, stored as the walk does: interrupted instructions plus one."""
    frame = gdb.newest_frame()
    while frame and frame.type() != gdb.SIGTRAMP_FRAME:
        frame = frame.older()
    frame = frame.older() if frame else None
    found: list[int] = []
    interrupted = True
    while frame:
        if frame.pc() == 0:  # it takes a coroutine's zeroed return address for a frame
            break
        if frame.type() in (gdb.NORMAL_FRAME, gdb.SIGTRAMP_FRAME):  # not inlined ones, nor guesses
            found.append(frame.pc() + interrupted)
            interrupted = frame.type() == gdb.SIGTRAMP_FRAME
        frame = frame.older()
    return found


def name(pc: int) -> str:
    return gdb.execute(f"info symbol {pc - 1:#x}", to_string=True).strip().split(" in section")[0]


def main() -> None:
    program = json.loads(os.environ["GDB_PROGRAM"])
    for setting in (
        "debuginfod enabled off",
        "startup-with-shell off",
        "breakpoint pending on",
        "backtrace past-main on",
        "confirm off",
        "pagination off",
        "args " + shlex.join(program[1:]),
        *(f"environment {k} {v}" for k, v in json.loads(os.environ["GDB_ENVIRONMENT"]).items()),
    ):
        gdb.execute("set " + setting)
    gdb.execute("handle all nostop noprint pass", to_string=True)
    gdb.execute("handle SIGTRAP stop", to_string=True)
    gdb.execute("file " + program[0], to_string=True)
    gdb.execute("break truth_stop", to_string=True)
    gdb.execute("run", to_string=True)
    stops = equal = truncated = 0
    different: list[dict] = []
    while stops < int(os.environ["GDB_STOPS"]) and gdb.selected_inferior().pid:
        stops += 1
        ours, theirs = walked(), debugged()
        if ours == theirs:
            equal += 1
        elif ours[-1] == TRUNCATED and ours[:-1] == theirs[: len(ours) - 1]:
            truncated += 1
        else:
            pairs = enumerate(zip(ours, theirs))
            at = next((i for i, (a, b) in pairs if a != b), min(len(ours), len(theirs)))
            near = slice(max(at - 2, 0), at + 2)
            names = [list(map(name, pcs[near])) for pcs in (ours, theirs)]
            different.append({"at": at, "walk": names[0], "gdb": names[1]})
        gdb.execute("continue", to_string=True)
    if gdb.selected_inferior().pid:
        gdb.execute("kill", to_string=True)
    books = {"stops": stops, "equal": equal, "truncated": truncated, "different": different}
    print("\n" + json.dumps(books))


main()
