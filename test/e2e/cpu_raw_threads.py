#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cpu: threads that libc does not know, which use another thread's block or none.

Threads made by clone() are timed from their first instruction. Threads made by the raw system call are found
when the library counts the process's tasks, once in 16 samples. What they burn until then shows as
"[lost: not sampled]" if it exceeds a hundredth of the whole and ten periods (0.1 of 4 s).
"""

# alone

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import case, finish, inject, ok, program
from truth import truth

TOTAL = 5.0  # percent of getrusage

with case("raw threads"):
    run = inject([program("raw_threads")], {"PPROF_CPU_RATE": "100"})
    said = truth(run)
    cpu = run.dump()["cpu"]
    off = 100 * (cpu.total("cpu") / said["rusage"] - 1)
    ok("raw threads: total of getrusage", abs(off) <= TOTAL, f"{off:+.2f} %")
    share = 100 * cpu.cumulative("cpu", elf.name)["site_burn"] / said["burnt"]
    ok("raw threads: under their function", share >= 100 - TOTAL - 2.5, f"{share:.1f} %")
finish()
