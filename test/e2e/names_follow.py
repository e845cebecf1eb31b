#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""When names are waited for, when they follow after the end, and when files stay raw."""

# timeout: 240

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness
from harness import LIBRARY, case, files_in, finish, folder, inject, injected, load, ok, program, run

# Python as a child that is a subreaper, or has several threads, before it goes on.
SUBREAPER = "import ctypes; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"
THREADS = "import threading, time; threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n"
PATIENCE = 60


def with_slow_symboliser(seconds: int) -> Path:
    """A copy of the library whose pprof-symbolize does nothing for some time, and says when it begins and ends."""
    place = folder()
    shutil.copy(LIBRARY, place / LIBRARY.name)
    script = f"#!/bin/sh\ncd {place}\ntrap 'echo ended >>log; exit 1' TERM\n"
    script += f"echo began >>log\nsleep {seconds} &\nwait $!\necho whole >>log\n"
    (place / "pprof-symbolize").write_text(script)
    (place / "pprof-symbolize").chmod(0o755)
    return place


def log_of(place: Path, wanted: str, patience: float = PATIENCE) -> list[str]:
    until = time.monotonic() + patience
    lines: list[str] = []
    while wanted not in lines and time.monotonic() < until:
        lines = (place / "log").read_text().split() if (place / "log").exists() else []
        time.sleep(0.01)
    return lines


def slow(code: str, extra: dict[str, str], seconds: int = 4) -> tuple[harness.Run, float, Path]:
    place = with_slow_symboliser(seconds)
    env = injected(place / "out", extra, symbolize=True) | {"LD_PRELOAD": str(place / LIBRARY.name)}
    began = time.monotonic()
    result = run([sys.executable, "-c", code], env)
    return result, time.monotonic() - began, place


def waits() -> None:
    result, took, place = slow("", {}, 2)
    ok("one thread: the end waits for names", took > 2 and log_of(place, "whole")[-1] == "whole", f"{took:.1f} s")
    result, took, place = slow("", {"PPROF_EXIT_WAIT": "1"})
    ok("at most for PPROF_EXIT_WAIT", 1 < took < 4 and result.status == 0, f"{took:.1f} s")
    ok("then names follow", log_of(place, "whole") == ["began", "whole"], log_of(place, "whole"))
    result, took, place = slow("", {"PPROF_EXIT_WAIT": "0"})
    ok("PPROF_EXIT_WAIT=0: not at all", took < 4 and log_of(place, "whole") == ["began", "whole"], f"{took:.1f} s")
    result, took, place = slow(THREADS, {})
    ok("two threads: not at all", took < 4 and log_of(place, "whole") == ["began", "whole"], f"{took:.1f} s")
    result, took, place = slow("import os; os.execvp('true', ['true'])", {})
    ok("an exec: not at all", took < 4 and log_of(place, "whole") == ["began", "whole"], f"{took:.1f} s")
    result, took, place = slow("import os; os.kill(os.getpid(), 15)", {})
    ok("a fatal signal: not at all", took < 4 and result.status == -15, f"{took:.1f} s")
    ok("and names follow", log_of(place, "whole") == ["began", "whole"])


CHILDREN = """
import os, subprocess, sys, time
def took(start):
    began = time.monotonic()
    start()
    return time.monotonic() - began
def forked(end):
    pid = os.fork()
    if pid == 0:
        bytearray(1 << 24)
        end(0)
    os.waitpid(pid, 0)
program = [sys.executable, '-c', 'bytearray(1 << 24)']
print(*(f'{took(x):.1f}' for x in (lambda: forked(sys.exit), lambda: forked(os._exit), lambda: subprocess.call(program))))
sys.stdout.flush()
os.kill(os.getpid(), 15)
"""


def children() -> None:
    """Only the first process waits; a child's names follow. Whatever becomes of the first, it is the first."""
    result, _, place = slow(CHILDREN, {"PPROF_MEM_RATE": "4096"}, 20)
    took = [float(x) for x in result.stdout.split()]
    ok("children, by exit, _exit and as programs: not at all", len(took) == 3 and max(took) < 15, took)
    until = time.monotonic() + PATIENCE
    while (begun := log_of(place, "began").count("began")) < 4 and time.monotonic() < until:
        time.sleep(0.05)
    ok("and their names follow, as those of the parent do", begun == 4, begun)
    code = "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'bytearray(1 << 24)'])"
    result, took, place = slow(code, {"PPROF_MEM_RATE": "4096"}, 2)
    ok("the first process after an exec: waits", took > 2 and "whole" in log_of(place, "whole"), f"{took:.1f} s")


def signals() -> None:
    """A signal that comes while names are waited for: without the library the process would have been gone."""
    handler = "import signal, os\nsignal.signal(14, lambda *a: os.write(1, b'ran'))\n"
    for how, code in (("its default is death", ""), ("it has a handler", handler)):
        code += "import signal; signal.setitimer(signal.ITIMER_REAL, 0.5)"
        result, took, place = slow(code, {})
        good = (result.status, result.stdout) == (0, "") and took < 4
        ok(f"ALRM while names are made, {how}: the status stays", good, f"{result.status} {took:.1f} s")
        ok("and names follow", log_of(place, "whole") == ["began", "whole"])
    place = with_slow_symboliser(4)
    env = injected(place / "out", {}, symbolize=True) | {"LD_PRELOAD": str(place / LIBRARY.name)}
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.exit(5)"], env=env)
    began = log_of(place, "began") == ["began"]
    child.send_signal(signal.SIGTERM)
    sent = time.monotonic()
    status = child.wait()
    took = time.monotonic() - sent
    ok("TERM while names are made: ends, as it would have", began and status == 5 and took < 3, f"{status} {took:.1f} s")


def adopted() -> None:
    """Below a program that adopts orphans none is left; what may still be named is."""
    child = "import os, sys\npid = os.fork()\nif pid == 0:\n    {}\n    bytearray(1 << 24); os._exit(0)\n"
    child = SUBREAPER + child + "os.waitpid(pid, 0)\nimport time; time.sleep(0.3)\n"
    child += "try: print(os.waitpid(-1, 0))\nexcept ChildProcessError: print('none')\n"
    for what, how in (("one thread", "pass"), ("two threads", f"exec({THREADS!r})")):
        extra = {"PPROF_EXIT_WAIT": "1", "PPROF_MEM_RATE": "4096"}
        result, took, place = slow(child.format(how), extra)
        ok(f"subreaper, {what}: no stranger", result.stdout == "none\n", result.stdout)
        ended = log_of(place, "ended", 1)
        good = ended.count("whole") == 0 if what == "two threads" else "ended" in ended
        ok(f"subreaper, {what}: the symboliser does not outlive its program", good, ended)


def named(files: list[harness.File]) -> bool:
    profiles = [load(f.path) for f in files]
    return bool(profiles) and all(x.lines for p in profiles for s in p.samples for x in s.locations)


def wait_named(out: Path, pid: int) -> bool:
    until = time.monotonic() + PATIENCE
    while not (good := named([f for f in quiet(out) if f.pid == pid])) and time.monotonic() < until:
        time.sleep(0.05)
    return good


def quiet(out: Path) -> list[harness.File]:
    """The files, once none is being written."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            return files_in(out)
        except harness.Failure:
            time.sleep(0.01)
    return files_in(out)


def follow() -> None:
    """The true pprof-symbolize: all files have names in the end."""
    result = inject([sys.executable, "-c", THREADS + "bytearray(1 << 24)"], {"PPROF_MEM_RATE": "4096"}, symbolize=True)
    ok("two threads: names follow", wait_named(result.out, result.pid), len(result.files()))
    code = "import os, sys\nbytearray(1 << 24)\nn = int(sys.argv[1])\n"
    code += "if n: os.execv(sys.executable, [sys.executable, '-c', sys.argv[2], str(n - 1), sys.argv[2]])\n"
    fork = "import os\npid = os.fork()\nbytearray(1 << 24)\nif pid: os.waitpid(pid, 0); print(pid)"
    result = inject([sys.executable, "-c", fork], {"PPROF_MEM_RATE": "4096"}, symbolize=True)
    ok("a child: names follow", wait_named(result.out, int(result.stdout)), result.stdout)
    for below, more in (("", ""), (" below a subreaper", SUBREAPER)):
        env = {"PPROF_MEM_RATE": "4096"}
        result = inject([sys.executable, "-c", more + code, "3", code], env, symbolize=True)
        good = wait_named(result.out, result.pid)
        ok(f"three execs{below}: all four programs have names", good and len(result.numbers()) == 4, result.numbers())


for part in (waits, children, signals, adopted, follow):
    with case(part.__name__):
        part()
finish()
