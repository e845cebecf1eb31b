#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The PPROF_* variables: what each does to the files, and that a bad value is one clear line on stderr."""

# timeout: 240

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import KINDS, case, finish, inject, judged, ok, program, start

NONSENSE = {
    "PPROF_SIGNAL": ("NOSUCH", "0", "9", "STOP", "999", "RTMIN+99"),
    "PPROF_CPU_RATE": ("fast", "-1", "99999999999999999999", "1e3"),
    "PPROF_MEM_RATE": ("512K", "-1", "99999999999999999999"),
    "PPROF_AT_EXIT": ("maybe", "2"),
    "PPROF_DEPTH": ("deep", "-3"),
    "PPROF_CHILDREN": ("some", "2"),
    "PPROF_SYMBOLIZE": ("perhaps", "3"),
    "PPROF_EXIT_WAIT": ("long", "-1"),
    "PPROF_SEED": ("random",),
    "PPROF_INTERVAL": ("often", "-1"),
    "PPROF_KEEP": ("some", "-1"),
    "PPROF_DELTA": ("maybe", "2"),
    "PPROF_HEAP_GROWTH": ("1G", "-1"),
    "PPROF_LABELS": ("novalue", "k=", "=v", "a=b,,c=d"),
    "PPROF_LOG": ("/nonexistent/log",),
}


def nonsense(name: str, value: str) -> None:
    result = inject([program("process_ends")], {name: value}, expect=None)
    lines = result.stderr.splitlines()
    good = len(lines) == 1 and name in lines[0] and value in lines[0]
    # A line that names what is allowed is longer than the variable, the value and a few words.
    good = good and len(lines[0]) > len(name) + len(value) + 20
    ok(f"{name}={value!r}: one clear line", good, lines)
    ran = (result.status, result.stdout) == (7, "return\n")
    ok(f"{name}={value!r}: the program runs", ran, result.status)
    ok(f"{name}={value!r}: with the default", set(result.dump()) == set(KINDS))


def profiles() -> None:
    """PPROF_PROFILES: a profile that is not listed is empty; its file may be there or not."""
    for listed in ("cpu", "heap", "heap,allocs"):
        env = {"PPROF_PROFILES": listed, "PPROF_MEM_RATE": "1", "PPROF_CPU_RATE": "1000"}
        live = start([program("on_command")], env)
        live.line()
        live.tell("work 4")
        live.line()
        result = live.end()
        files = {f.kind: f.path for f in result.files()}
        full = {kind for kind, path in files.items() if judged(path).samples}
        ok(f"PPROF_PROFILES={listed}", full == set(listed.split(",")), sorted(full))
        ok(f"PPROF_PROFILES={listed}: silent", result.stderr == "", result.stderr)


def at_exit() -> None:
    live = start([program("on_command")], {"PPROF_AT_EXIT": "0"})
    live.line()
    active = live.preloaded()
    live.dump()
    result = live.end()
    ok("PPROF_AT_EXIT=0: the signal alone", active and result.numbers() == [1], result.numbers())


def signals() -> None:
    rtmin3 = signal.SIGRTMIN + 3
    named = (("USR1", signal.SIGUSR1), ("SIGUSR1", signal.SIGUSR1), ("12", signal.SIGUSR2),
             ("RTMIN+3", rtmin3), (str(int(rtmin3)), rtmin3), ("HUP", signal.SIGHUP))  # fmt: skip
    for value, number in named:
        live = start([program("on_command")], {"PPROF_SIGNAL": value, "PPROF_AT_EXIT": "0"})
        live.line()
        live.dump(number)
        result = live.end()
        ok(f"PPROF_SIGNAL={value}", result.numbers() == [1] and result.status == 0)
    for value, number in (("none", signal.SIGUSR2), ("USR1", signal.SIGUSR2)):
        live = start([program("on_command")], {"PPROF_SIGNAL": value})
        live.line()
        active = live.preloaded()
        os.kill(live.pid, number)
        status = live.child.wait(20)
        killed = active and status == -number and not list(live.whole())
        ok(f"PPROF_SIGNAL={value}: USR2 is what it was", killed, status)


def depth() -> None:
    for frames in (1, 5):
        env = {"PPROF_DEPTH": str(frames), "PPROF_MEM_RATE": "1"}
        live = start([program("big_profile"), "main", "200"], env)
        live.line()
        heap = live.end().dump()["heap"]
        most = max(len(s.locations) for s in heap.samples)
        # A pseudo frame may follow, which says that the stack was cut.
        ok(f"PPROF_DEPTH={frames}", frames <= most <= frames + 1, most)


def seed() -> None:
    def sampled(value: str) -> list:
        heap = inject([program("heap_sites")], {"PPROF_SEED": value}).dump()["heap"]
        return sorted(tuple(s.values) for s in heap.samples)

    first, again, other = sampled("7"), sampled("7"), sampled("8")
    ok("PPROF_SEED: equal seeds sample the same", first == again, len(first))
    ok("PPROF_SEED: other seeds sample others", first != other, len(other))


for part in (profiles, at_exit, signals, depth, seed):
    with case(part.__name__):
        part()
for variable, values in NONSENSE.items():
    for text in values:
        with case(f"{variable}={text!r}"):
            nonsense(variable, text)
finish()
