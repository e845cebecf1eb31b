#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a hook calls, and what interrupts a hook, has its own frames, CPU time and allocations.

Only the instructions of this library are [pprofinject]; of frames between the program's and libc's, the hook's own
are left out.
"""

# timeout: 180

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import case, finish, inject, ok, program

RATE = 1000
# A function's share of [pprofinject] that perf shows for this library's own instructions is 1 to 15 % in these loops; the
# bound leaves room for 400 samples' statistics (4 sigma of 15 % are 7 %) and for a processor that is shared.
OURS = 0.30
# What must be seen leafward of each function, by part of a name, for at least that share of its time. Of the fork it is
# libc's own function, because the signals are held back until the kernel is through.
BELOW = {
    "clears": (("memset",), 0.2),
    "copies": (("realloc", "malloc", "memcpy", "memmove", "memset"), 0.2),
    "times_out": (("futex", "cond_timedwait", "pthread_cond"), 0.4),
    "forks": (("fork",), 0.5),
}


def functions(sample) -> list[str]:
    return [line.function.name for location in sample.locations for line in location.lines]


def placed(cpu) -> None:
    for name, (parts, least) in BELOW.items():
        inside = [(functions(s), s.values[1]) for s in cpu.samples if name in functions(s)]
        total = sum(v for _, v in inside)
        ok(f"{name}: about 0.4 s", 0.36e9 <= total <= 0.6e9, total)
        ours = sum(v for f, v in inside if "[pprofinject]" in f)
        ok(f"{name}: not [pprofinject]", ours <= OURS * total, f"{100 * ours / max(total, 1):.0f} %")
        below = sum(v for f, v in inside if any(p in g for g in f[: f.index(name)] for p in parts))
        ok(f"{name}: {parts[0]} below it", below >= least * total, f"{100 * below / max(total, 1):.0f} %")


def in_a_handler(cpu, heap, count: int) -> None:
    burnt = [s for s in cpu.samples if "handler_burns" in functions(s)]
    spent = sum(s.values[1] for s in burnt)
    # Each handler's 40 ms may lose and gain a period at its ends.
    ok("a handler in a wait has its CPU time", abs(spent / 1e9 - 0.04 * count) < 0.02, spent)
    ok("its stack holds the wait that it interrupts", all("waits" in functions(s) for s in burnt))
    made = sum(s.values[0] for s in heap.samples if "handler_allocates" in functions(s))
    ok("a handler in a wait has its allocations", made == count, made)


with case("below the hooks"):
    result = inject([program("below_hooks")], {"PPROF_CPU_RATE": str(RATE), "PPROF_MEM_RATE": "1"}, symbolize=True)
    dump = result.dump()
    placed(dump["cpu"])
    in_a_handler(dump["cpu"], dump["heap"], int(result.stdout))
finish()
