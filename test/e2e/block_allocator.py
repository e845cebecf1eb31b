#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Contention inside the allocator appears at one named frame, in block and in mutex. For allocators that lock
through libc the waits themselves are seen. Those of glibc's malloc and of allocators with locks of their own
cannot be: they are estimated from the sampled calls that had to sleep.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import ALLOCATORS, Run, case, finish, inject, ok, program
from truth import SIGMAS

NAME = "[allocator lock]"
TRIES = 4
RATE = 8192
EXACT = {"PPROF_BLOCK_RATE": "1", "PPROF_MUTEX_FRACTION": "1"}
ONE_ARENA = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_CONF": "narenas:1,tcache:false",
    "TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES": "0",
}


def found(run: Run) -> dict[str, tuple[int, int]]:
    dump = run.dump()
    return {k: (dump[k].flat("contentions", elf.name).get(NAME, 0),
                dump[k].flat("delay", elf.name).get(NAME, 0)) for k in ("block", "mutex")}  # fmt: skip


def glibc_exact() -> None:
    """The program's clock is read outside the library's work for the same call, and the thread can lose its
    processor between the two: the best of some runs is judged.
    """
    for _ in range(TRIES):
        run = inject([program("arena_lock"), "census", "2"], EXACT | ONE_ARENA | {"PPROF_MEM_RATE": "1"})
        data = json.loads(run.stdout)
        got = found(run)
        if 0.9 * data["ns"] <= got["block"][1]:
            break
    for kind, (count, delay) in got.items():
        figures = f"{count} of {data['waits']}, {delay / 1e6:.1f} of {data['ns'] / 1e6:.1f} ms"
        # Making the program's threads allocates, too.
        good = 0.9 * data["waits"] <= count <= data["waits"] + 3
        good &= 0.8 * data["ns"] <= delay <= 1.02 * data["ns"]
        ok(f"glibc, every call: {kind}", good and count > 0, figures)


def near(data: dict, count: int, delay: int) -> tuple[bool, str]:
    """An estimate from sampled calls against all calls. A sampled object counts twice, for its malloc
    and its free, hence sqrt(2). 10 % and three calls are allowed for where the clocks are read and for what making the
    threads allocates.
    """
    q = -math.expm1(-data["size"] / RATE)
    sigma_n = math.sqrt(data["waits"] * (1 - q) / q)
    sigma_ns = math.sqrt(data["squares"] * (1 - q) / q)
    good = abs(count - data["waits"]) <= math.sqrt(2) * SIGMAS * sigma_n + 0.1 * data["waits"] + 3
    good &= abs(delay - data["ns"]) <= math.sqrt(2) * SIGMAS * sigma_ns + 0.1 * data["ns"]
    return good, (f"{count} of {data['waits']} (sigma {sigma_n:.0f}), "
                  f"{delay / 1e6:.1f} of {data['ns'] / 1e6:.1f} ms (sigma {sigma_ns / 1e6:.1f})")  # fmt: skip


def glibc_sampled() -> None:
    run = inject([program("arena_lock"), "census", "4"], EXACT | ONE_ARENA | {"PPROF_MEM_RATE": str(RATE), "PPROF_SEED": "5"})
    data = json.loads(run.stdout)
    for kind, (count, delay) in found(run).items():
        good, figures = near(data, count, delay)
        ok(f"glibc, sampled: {kind}", good and count > 0, figures)


def unseen(path: Path, mode: str, rate: int) -> tuple[dict, dict[str, tuple[int, int]]]:
    settings = EXACT | ONE_ARENA | {"PPROF_MEM_RATE": str(rate), "PPROF_SEED": "5"}
    run = inject([program("arena_lock"), mode, "3"], settings, after=[path])
    return json.loads(run.stdout), found(run)


def raw() -> None:
    """An allocator that waits by futex calls of its own."""
    path = Path(program("raw_malloc"))
    for rate in (1, RATE):
        for _ in range(TRIES):  # see glibc_exact()
            data, got = unseen(path, "calm", rate)
            good = {kind: near(data, *sums) for kind, sums in got.items()}
            if rate == 1:
                n, ns = data["waits"], data["ns"]
                exact = {k: 0.9 * n <= c <= n + 3 and 0.8 * ns <= d <= 1.02 * ns for k, (c, d) in got.items()}
                good = {kind: (exact[kind], figures) for kind, (_, figures) in good.items()}
            if all(g for g, _ in good.values()):
                break
        for kind, (same, figures) in good.items():
            ok(f"raw locks, rate {rate}: {kind}", same and data["waits"] > 100, figures)


def tcmalloc() -> None:
    """tcmalloc spins and hardly ever sleeps: most of the waits that the program counts are for the lock of the
    library's own table."""
    path = ALLOCATORS["tcmalloc"]
    if path and path.exists():
        for rate in (1, RATE):
            data, got = unseen(path, "busy", rate)
            for kind, (count, delay) in got.items():
                made_up = not near(data, count, delay)[0] and count > data["waits"]
                ok(f"tcmalloc, rate {rate}: {kind}", not made_up, near(data, count, delay)[1])


def jemalloc() -> None:
    path = ALLOCATORS["jemalloc"]
    if not path or not path.exists():
        return
    for rate in (512 << 10, 1):  # at 1 all its waits are in sampled calls
        run = inject([program("arena_lock"), "busy", "2"], EXACT | ONE_ARENA | {"PPROF_MEM_RATE": str(rate)}, after=[path])
        data = json.loads(run.stdout)
        count, delay = found(run)["block"]
        # A lock that is not taken at once counts as a wait here, also if the thread need not sleep.
        # At a rate of 1 the program also waits for the lock of the library's own table.
        good = rate == 1 or (count >= 0.5 * data["waits"] and delay >= 0.5 * data["ns"])
        ok(f"jemalloc, rate {rate}: block", good, f"{count} x, {delay / 1e6:.1f} of {data['ns'] / 1e6:.1f} ms")
        ok(f"jemalloc, rate {rate}: mutex", count == 0 or found(run)["mutex"][1] > 0, found(run)["mutex"])
        sites = run.dump()["block"].cumulative("delay", elf.name)
        inside = {s: d for s, d in sites.items() if s in ("allocate", "release")}
        ok(f"jemalloc, rate {rate}: nowhere else", not inside, inside)


def sleeps() -> None:
    """An allocator's own thread sleeps on a condition until it gives memory back: that is no contention."""
    path = ALLOCATORS["jemalloc"]
    if not path or not path.exists():
        return
    background = {"MALLOC_CONF": "background_thread:true,dirty_decay_ms:300"}
    run = inject([program("arena_lock"), "alone", "2"], EXACT | background, after=[path])
    _, delay = found(run)["block"]
    total = sum(run.dump()["block"].flat("delay", elf.name).values())
    figures = f"{delay / 1e6:.1f} of {total / 1e6:.1f} ms"
    ok("a thread that has nothing to do waits for no lock", delay < 1e8 < total, figures)


def apart() -> None:
    """Threads with arenas of their own: the profile has no more waits than the few that the program counts."""
    run = inject([program("arena_lock"), "busy", "1"], EXACT | {"PPROF_MEM_RATE": "1"})
    data = json.loads(run.stdout)
    count, _ = found(run)["block"]
    ok("no wait is made up", count <= data["waits"] + 3, f"{count} of {data['waits']}")


for part in (glibc_exact, glibc_sampled, apart, jemalloc, raw, tcmalloc, sleeps):
    with case(part.__name__):
        part()
finish()
