#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Threads asleep, each in another call: the dump signal that the program does not handle cuts none of them, a
handler of the program's cuts each as it does without us, and of a process that has left root each has its stack.
"""

# timeout: 120

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import Failure, Live, Run, bare, case, finish, folder, inject, injected, judged, ok, program

NOBODY = 65534
WHOLE = 1 << 20  # bytes
SECONDS = 2.0
# A wait that began anew when a signal cut it would last until 3.5 s: three dumps, at 0.5, 1 and 1.5 s.
LATE = 1.2
RELEASED = ("msgrcv", "semop", "pause", "sigsuspend", "sigwaitinfo", "poll_ever")
QUIET = {"PPROF_SYMBOLIZE": "0", "PPROF_KEEP": "1"}


def rows(run: Run) -> dict[str, tuple[int, int, float, int]]:
    """Of each call: result, errno, seconds, milliseconds left or -1."""
    table = {}
    for line in run.stdout.splitlines():
        name, result, error, ms, left = line.split()
        table[name] = (int(result), int(error), int(ms) / 1000, int(left))
    return table


CALLS: list[str] = []  # all that the program knows


def whole() -> None:
    """No sleep is cut, none begins anew, none ends early; results and errno as without the library."""
    truth = rows(bare([program("sleeps"), "ignored"]))
    CALLS.extend(truth)
    ok("bare: every call sleeps to its end", all(SECONDS - 0.2 <= r[2] for r in truth.values()), len(truth))
    for how in ("ignored", "unhandled"):
        got = rows(inject([program("sleeps"), how], QUIET))
        for name, (result, error, _, left) in truth.items():
            r = got[name]
            same = r[:2] == (result, error) and (r[3] == left or name == "select")
            # Calls without an end of their own are ended by the first thread, by its own clock.
            early = 0.2 if name in RELEASED or name.endswith("_whole") else 0.001
            if name in ("sem_timedwait", "clock_nanosleep_until"):
                early = 0.05  # they end by the time of day, which the machine may be setting right meanwhile
            good = same and SECONDS - early <= r[2] < SECONDS + LATE
            ok(f"{how}: {name} goes on", good, f"{r[0]}, errno {r[1]}, {r[2]:.2f} s", (result, error, left))


def cut() -> None:
    """After the dumps a handler of the program's ends each, and what is left is right to the seconds."""
    truth = rows(bare([program("sleeps"), "handled"]))

    def good(name: str, r: tuple[int, int, float, int]) -> bool:
        result, error, _, left = truth[name]
        # How much of a message a socket takes before it is full is the kernel's affair.
        part = name.endswith("_whole") and 0 < r[0] < WHOLE and 0 < result < WHOLE
        same = (part or r[:2] == (result, error)) and r[2] < SECONDS - 0.01 and (r[3] < 0) == (left < 0)
        return same and (left <= 0 or abs(r[2] + r[3] / 1000 - SECONDS) < 0.05)

    got: dict[str, tuple[int, int, float, int]] = {}
    for _ in range(3):  # the handler may come too late on a busy machine
        got = rows(inject([program("sleeps"), "handled"], QUIET))
        if all(good(name, got[name]) for name in truth):
            break
    for name, r in got.items():
        ok(f"handled: {name} ends with its handler", good(name, r), f"{r[0]}, errno {r[1]}, {r[2]:.2f} s, {r[3]} left", truth[name])


def cancelled() -> None:
    """A cancellation comes while a sleep goes on: as without the library, and no thread hangs."""
    run = inject([program("sleeps"), "cancelled"], QUIET)
    got, should = run.stdout.split()
    ok("cancelled as they are cut: all of them", got == should, f"{got} of {should}")


def alike() -> None:
    """Masks, handlers, cancellations and messages of calls that were cut are as without the library."""
    truth, run = bare([program("cut_calls")]).stdout, inject([program("cut_calls")], QUIET).stdout
    for a, b in zip(truth.splitlines(), run.splitlines()):
        ok(f"as bare: {a}", a == b, "", b)
    ok("as bare: all of it", truth.count("\n") == run.count("\n") > 25, run.count("\n"), truth.count("\n"))
    run = inject([program("cut_calls"), "once"], QUIET).stdout
    ok("a wait is not cut after a handler that runs once", run == "waited: 1, errno 0\n", "", run)


def stacks() -> None:
    """A process that has left root: procfs hides where its threads sleep, and their own notes tell."""
    if os.geteuid() != 0:
        ok("asleep in a process that has left root: not root, not tried", True)
        return
    out = folder() / "out"
    out.mkdir(mode=0o777)
    out.parent.chmod(0o755)
    out.chmod(0o777)
    live = Live([program("sleeps"), "uid", str(NOBODY)], injected(out, symbolize=True), out)
    if live.line() != "asleep":
        raise Failure("the program did not start")
    os.kill(live.pid, signal.SIGUSR2)
    until = time.monotonic() + 30
    seen: dict[str, int] = {}
    while time.monotonic() < until and not seen:
        time.sleep(0.1)
        for path in out.glob("**/*.001.goroutine.pb.gz"):
            profile = judged(path)
            seen = profile.cumulative("goroutine") if profile.functions else {}
    slept = [f"wait_{c}" for c in CALLS if c not in ("msgrcv", "semop")]
    for name in slept + ["before_read", "before_accept", "before_sem_wait", "before_cond_wait"]:
        ok(f"left root: asleep in {name}()", seen.get(name) == 1)
    for name in ("poll", "epoll_wait", "recv", "sem_timedwait", "usleep"):
        ok(f"left root: {name}() is in its stack", seen.get(name, 0) >= 1)
    ok("left root: no thread is without a stack", seen.get("[no response]", 0) == 0, len(seen))
    live.end("x")


with case("the dump signal"):
    whole()
with case("a handler"):
    cut()
with case("a cancellation"):
    cancelled()
with case("as bare"):
    alike()
with case("a process that has left root"):
    stacks()
finish()
