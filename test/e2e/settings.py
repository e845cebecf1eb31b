#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The PPROF_* variables: what each does to the files, and that a bad value is one clear line on stderr."""

# timeout: 240

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import KINDS, LIBRARY, case, files_in, finish, folder, inject, injected, judged, ok, program, run, start

NONSENSE = {
    "PPROF_SIGNAL": ("NOSUCH", "0", "9", "STOP", "999", "RTMIN+99"),
    "PPROF_CPU_RATE": ("fast", "-1", "99999999999999999999", "1e3"),
    "PPROF_MEM_RATE": ("512K", "-1", "99999999999999999999"),
    "PPROF_AT_EXIT": ("maybe", "2"),
    "PPROF_DEPTH": ("deep", "-3"),
    "PPROF_CHILDREN": ("some", "2"),
    "PPROF_SYMBOLIZE": ("perhaps", "3"),
    "PPROF_DEBUGINFOD": ("yes", "2"),
    "PPROF_EXIT_WAIT": ("long", "-1"),
    "PPROF_SEED": ("random",),
    "PPROF_INTERVAL": ("often", "-1"),
    "PPROF_KEEP": ("some", "-1"),
    "PPROF_DELTA": ("maybe", "2"),
    "PPROF_HEAP_LABELS": ("route", "2"),
    "PPROF_THREAD_LABELS": ("names", "-1"),
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


def name() -> None:
    """PPROF_NAME stands for the program's name, also in a program that it starts."""
    script = f"{program('process_ends')}; exit 3"
    for value, shown in (("web-1.b_2", "web-1.b_2"), ("a b/ü%", "a%20b%2F%C3%BC%25"), ("x" * 300, "x" * 158)):
        result = inject(["sh", "-c", script], {"PPROF_NAME": value, "PPROF_MEM_RATE": "1"}, expect=3)
        found = {f.exe for f in files_in(result.out)}
        pids = {f.pid for f in files_in(result.out)}
        ok(f"PPROF_NAME={value[:12]}", found == {shown} and len(pids) == 2, f"{found}, {len(pids)} processes")
    result = inject([program("heap_sites")], {"PPROF_NAME": ""})
    ok("PPROF_NAME empty: the program's", {f.exe for f in result.files()} == {"heap_sites"})


def seed() -> None:
    def sampled(value: str) -> list:
        heap = inject([program("heap_sites")], {"PPROF_SEED": value}).dump()["heap"]
        return sorted(tuple(s.values) for s in heap.samples)

    first, again, other = sampled("7"), sampled("7"), sampled("8")
    ok("PPROF_SEED: equal seeds sample the same", first == again, len(first))
    ok("PPROF_SEED: other seeds sample others", first != other, len(other))


def said_at_start() -> None:
    """What cannot work is one line with the way out; the program runs as it does bare."""

    def lines(extra: dict[str, str], **more) -> list[str]:
        result = inject([program("process_ends")], extra, expect=None, **more)
        ok(f"{extra}: the program runs", (result.status, result.stdout) == (7, "return\n"), result.status)
        return result.stderr.splitlines()

    for name, meant in (("PPROF_OUTPUT", "PPROF_OUT"), ("PPROF_CPURATE", "PPROF_CPU_RATE"),
                        ("PPROF_PROFILE", "PPROF_PROFILES"), ("PPROF_QWERTYUIOP", None)):  # fmt: skip
        said = lines({name: "1"})
        good = len(said) == 1 and name in said[0] and (f"did you mean {meant}?" in said[0]) == bool(meant)
        ok(f"{name} is no variable: one line", good, said)
    others = {"PPROF_TOOLS": "/x", "PPROF_TMPDIR": "/x", "PPROF_BINARY_PATH": "/x"}
    ok("variables of go tool pprof: silent", lines(others) == [])
    wall = folder() / "file"
    wall.touch()
    for out in (wall, wall / "below"):
        said = lines({}, out=out)
        ok("a folder that cannot be: one line", len(said) == 1 and str(out) in said[0] and "PPROF_OUT" in said[0], said)
    made = folder() / "not" / "yet"
    ok("a folder that can be made: silent", lines({}, out=made) == [] and made.is_dir())


def locked_folder() -> None:
    """A user without the right to write the folder is told so, and root's folder stays as it is."""
    if os.geteuid() != 0:
        return ok("a folder of another user: not tried, this is not root", True)
    home = folder()
    shutil.copy(LIBRARY, home)
    shutil.copy(program("process_ends"), home)
    os.chmod(home, 0o755)
    env = injected(home / "out")
    preload = f"LD_PRELOAD={home / LIBRARY.name}"
    del env["LD_PRELOAD"]
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    direct = run([*drop, "env", preload, str(home / "process_ends")], env, home / "out")
    said = direct.stderr.splitlines()
    ok("a folder of another user: one line", len(said) == 1 and "EACCES" in said[0], said)
    ok("a folder of another user: the program runs", direct.status == 7, direct.status)


def symboliser_missing() -> None:
    home = folder()
    shutil.copy(LIBRARY, home)
    for value, told in (("1", 1), ("0", 0)):
        env = injected(home / "out", {"LD_PRELOAD": str(home / LIBRARY.name), "PPROF_SYMBOLIZE": value})
        said = run([program("process_ends")], env, home / "out").stderr.splitlines()
        good = len(said) == told and all("pprof-symbolize" in line for line in said)
        ok(f"no symboliser, PPROF_SYMBOLIZE={value}", good, said)


def children_silent() -> None:
    """The first process says it; its children, whose stderr may be another program's pipe, do not."""
    script = f"{program('process_ends')} 2>&1 >/dev/null; {program('process_ends')} 2>&1 >/dev/null"
    result = inject(["sh", "-c", script], {"PPROF_DEPTH": "deep", "PPROF_DEPHT": "3"}, expect=None)
    ok("two lines on stderr", len(result.stderr.splitlines()) == 2, result.stderr)
    ok("none on what children write", result.stdout == "", result.stdout)
    log = folder() / "log"
    inject(["sh", "-c", script], {"PPROF_DEPTH": "deep", "PPROF_LOG": str(log)}, expect=None)
    ok("PPROF_LOG has one of each process", len(log.read_text().splitlines()) == 3, log.read_text())


for part in (said_at_start, locked_folder, symboliser_missing, children_silent, profiles, at_exit, signals, depth, name, seed):
    with case(part.__name__):
        part()
for variable, values in NONSENSE.items():
    for text in values:
        with case(f"{variable}={text!r}"):
            nonsense(variable, text)
finish()
