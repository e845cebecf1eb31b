#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The end of a process, and an exec: no dump is begun afterwards, no process of the library's is left to any program
that counts its children, and nothing of the program's runs on."""

# timeout: 240

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import Run, bare, case, files_in, finish, folder, inject, injected, ok, program, run, start

ENDS = ("", "now", "quick", "term", "exec", "threads", "threads now", "threads term", "threads exec")
SETTINGS = ({}, {"PPROF_SYMBOLIZE": "1"}, {"PPROF_INTERVAL": "1"})


@lru_cache
def plainly(*argv: str) -> Run:
    return run(argv, bare_env())


def same(name: str, argv: list[str], extra: dict[str, str], before: list[str] = []) -> None:
    """Status and output as bare. before: a program that runs this one."""
    plain = plainly(*before, *argv)
    result = run([*before, "env", *[f"{k}={v}" for k, v in ours(extra).items()], *argv], bare_env())
    good = (result.status, result.stdout, result.stderr) == (plain.status, plain.stdout, plain.stderr)
    figures = f"{extra or 'default'}: {result.stdout.strip()} {result.stderr.strip()[-200:]}"
    ok(name, good and plain.status == 0, figures, f"bare {plain.status} {plain.stdout.strip()}")


def bare_env() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("PPROF_") and k != "LD_PRELOAD"}


def ours(extra: dict[str, str]) -> dict[str, str]:
    env = injected(folder() / "out", extra)
    return {k: v for k, v in env.items() if k.startswith(("PPROF_", "LD_"))}


def subreaper() -> None:
    """Children that end in every way, of a program that adopts orphans."""
    for extra in SETTINGS:
        for how in ENDS:
            same(f"subreaper, children end by {how or 'return'}", [program("strangers"), "adopts", how], extra)


def next_program() -> None:
    """What a program becomes by exec hears of no child."""
    argv = program("strangers")
    for extra in SETTINGS:
        same("exec: no SIGCHLD, no child", [argv, "notices"], extra)
        same("six execs after dumps", [argv, "again", "6"], extra)
        same("an exec in a thread, while another asks for dumps", [argv, "thread"], extra)
        same("an exec that fails leaves no child", [argv, "fails"], extra)
        same("a handler for SIGCHLD counts", [argv, "counts"], extra)
        same("SIGCHLD is ignored", [argv, "ignores"], extra)


def between_dumps() -> None:
    """Without a tick of the CPU timers, the end of a sleep collects what a dump has left."""
    for extra in ({}, {"PPROF_SYMBOLIZE": "1"}):
        same("a dump leaves no child", [program("strangers"), "collects"], {"PPROF_CPU_RATE": "0"} | extra)


def process_1() -> None:
    """The first process of a pid namespace, and its children: nothing but their profiles is left."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-pf", "--mount-proc", "true"]).returncode:
        print("# no pid namespace can be made here")
        return
    namespace = ["unshare", "-pf", "--mount-proc"]
    for how in ("counts", "ignores", "adopts", "notices"):
        same(f"as process 1: {how}", [program("strangers"), how], {"PPROF_SYMBOLIZE": "1"}, namespace)
    out = folder() / "out"
    env = injected(out, {"PPROF_MEM_RATE": "1"}, symbolize=True)
    run([*namespace, program("strangers"), "counts"], env)
    pids = {f.pid for f in files_in(out) if f.exe == "strangers"}
    ok("process 1 and all its children leave profiles", len(pids) == 5 and 1 in pids, sorted(pids))


def own_signals() -> None:
    """The dump signal from a timer of the program's own and the like is the program's."""
    for how, most in (([], 1), (["flood"], 2)):
        argv = [program("own_dump_signal"), *how]
        began = time.monotonic()
        result = inject(argv, {"PPROF_SYMBOLIZE": "1"})
        took = time.monotonic() - began
        ok(f"{how or 'each way'}: as bare", result.stdout == bare(argv).stdout, result.stdout)
        ok(f"{how or 'each way'}: no dump", len(result.numbers()) <= most, f"{result.numbers()} {took:.1f} s")


def runs_on() -> None:
    """Threads that sleep now and then do not run on while the last dump is written, however long that takes."""
    place = folder()
    for extra in ({}, {"PPROF_SYMBOLIZE": "1"}):
        counts = place / f"counts{len(extra)}"
        inject([program("runs_on"), str(counts)], {"PPROF_MEM_RATE": "1"} | extra)
        woken = struct.unpack("6i", counts.read_bytes()[:24])
        ok("threads do not run on after the destructors", max(woken) <= 3, f"{extra or 'default'}: woken {woken}")


def processes_of(pid: int) -> list[int]:
    """The library's processes beside a program: its child and that one's."""
    found = [pid]
    for p in found:
        try:
            for task in Path(f"/proc/{p}/task").iterdir():
                found += [int(c) for c in (task / "children").read_text().split()]
        except OSError:
            pass
    return found[1:]


def killed() -> None:
    """What stays beside a program keeps no folder busy, and neither its folder nor its memory once it is killed."""
    live = start([program("on_command")], {"PPROF_INTERVAL": "1"})
    live.line()
    live.dump()
    beside = processes_of(live.pid)
    folders = {os.readlink(f"/proc/{p}/cwd") for p in beside}
    ok("the processes beside it are in /", len(beside) == 2 and folders == {"/"}, folders)
    os.kill(live.pid, signal.SIGKILL)
    live.child.wait()
    gone(beside, "killed while they sleep")
    for _ in range(5):
        live = start([program("runs_on"), str(folder() / "counts")], {"PPROF_MEM_RATE": "1"})
        until = time.monotonic() + 30
        while not (beside := processes_of(live.pid)) and time.monotonic() < until:
            time.sleep(0.001)
        os.kill(live.pid, signal.SIGKILL)
        live.child.wait()
        gone(beside, "killed during a dump")


def gone(pids: list[int], what: str) -> None:
    until = time.monotonic() + 10
    while (left := [p for p in pids if alive(p)]) and time.monotonic() < until:
        time.sleep(0.005)
    ok(f"{what}: they are gone", bool(pids) and not left, f"{len(pids)} of them")


def alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()[:64]
    except OSError:
        return False


for part in (subreaper, next_program, between_dumps, process_1, own_signals, runs_on, killed):
    with case(part.__name__):
        part()
finish()
