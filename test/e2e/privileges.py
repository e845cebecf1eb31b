#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program gives up what it may do: its user, groups, capabilities, calls, root. What runs beside it never has more
than the program, each call ends as bare, and the profiles of what comes before and after are written where they can be.
"""

# timeout: 300

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import KINDS, LIBRARY, bare, case, files_in, finish, folder, inject, injected, ok, program, start  # fmt: skip

RIGHTS = program("rights")
SOMEONE = 33


def watched(changes: int, symbolize: bool) -> None:
    """Processes of ours are compared with their program all the time, as the only ones of a pid namespace."""
    place = folder()
    os.chmod(place, 0o755)
    env = injected(place / "out", {"PPROF_INTERVAL": "1"}, symbolize=symbolize)
    env["RIGHTS_PRELOAD"] = env.pop("LD_PRELOAD")
    argv = ["unshare", "-pf", "--mount-proc", RIGHTS, "watch", "change", str(changes)]
    result = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=1200)
    label = f"{changes} changes, {'with' if symbolize else 'without'} names"
    ok(f"{label}: all are made", f"changed {changes} of {changes}" in result.stdout, why=result.stdout + result.stderr)
    match = re.search(r"looks (\d+) compared (\d+) excesses (\d+) (.*)", result.stdout)
    ok(f"{label}: nothing beside the program has more", match and int(match[2]) >= changes and match[3] == "0", match and match[0])


def errors() -> None:
    """Results and errno of all functions, for arguments that the kernel refuses."""
    plain = bare([RIGHTS, "errors"])
    for extra in ({}, {"PPROF_INTERVAL": "1"}):
        got = inject([RIGHTS, "errors"], extra, expect=None)
        ok(f"results {extra}: as bare", got.status == plain.status == 0 and got.stdout == plain.stdout, why=f"{got} for {plain}")


def beside(pid: int) -> list[tuple[str, str]]:
    """Name and users of all processes that descend from one."""
    status = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "status").read_text()
            except OSError:
                continue
            status[int(entry.name)] = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    found, these = [], {pid}
    while these:
        these = {p for p, s in status.items() if int(s["PPid"]) in these}
        found += [(status[p]["Name"], status[p]["Uid"]) for p in these if status[p]["State"][0] != "Z"]
    return found


def unseen() -> None:
    """A change by inline system calls, which no hook sees: what stays looks for itself, within a second."""
    live = start([RIGHTS, "raw"], {"PPROF_INTERVAL": "1"})
    live.line()
    there = beside(live.pid)
    time.sleep(1.7)
    left = beside(live.pid)
    live.end()
    ok("inline calls: something was beside the program", len(there) >= 2, there)
    ok("inline calls: after a second nothing has another user", all(set(users.split()) == {str(SOMEONE)} for _, users in left), left)


BURN = "import os, signal, sys, time\ne = time.process_time() + 0.3\nwhile time.process_time() < e: pass\n"


def jailed() -> None:
    """Before a change of the root a dump is made; after it nothing is written in the jail, also as another user."""
    for label, more in (("chroot", ""), ("chroot and setuid", f"os.setgid({SOMEONE}); os.setuid({SOMEONE})\n")):
        place = folder()
        os.chmod(place, 0o755)
        jail, out, log = place / "jail", place / "out", place / "log"
        jail.mkdir()
        code = f"{BURN}os.chroot({str(jail)!r}); os.chdir('/')\n{more}os.kill(os.getpid(), signal.SIGUSR2)\nprint('well')"
        result = inject([sys.executable, "-c", code], {"PPROF_LOG": str(log)}, out=out)
        ok(f"{label}: as bare", (result.stdout, result.stderr) == ("well\n", ""), result.stderr)
        samples = sum(s.values[0] for s in result.dump()["cpu"].samples)
        ok(f"{label}: what came before is written", result.numbers() == [1] and samples > 15, f"{samples} samples of 300 ms")
        ok(f"{label}: the jail stays empty", not list(jail.iterdir()), list(jail.iterdir()))
        ok(f"{label}: said once", log.read_text().count("changes its root") == 1, log.read_text())
    place = folder()
    os.chmod(place, 0o755)
    (place / "jail").mkdir()
    out, log = place / "jail" / "out", place / "log"
    code = f"{BURN}os.chroot({str(place / 'jail')!r}); os.chdir('/'); os.setuid({SOMEONE})\n{BURN}"
    result = inject([sys.executable, "-c", code], {"PPROF_LOG": str(log)}, out=out)
    own = {(f.path.parent.name, f.path.stat().st_uid) for f in result.files()}
    ok("folder below the new root: found there", own == {(f"uid-{SOMEONE}", SOMEONE)} and log.read_text() == "", own)
    cpu = result.dump()["cpu"]
    samples = sum(s.values[0] for s in cpu.samples)
    ok("folder below the new root: before and after", samples > 40 and len(cpu.mappings) > 3, f"{samples} samples of 600 ms")
    place = folder()
    code = f"{BURN}os.chroot('/'); os.chdir('/'); print('well')"
    result = inject([sys.executable, "-c", code], out=place / "out")
    ok("chroot to the same root: one dump, at the end", result.numbers() == [1], result.numbers())


def in_vain() -> None:
    """Calls that fail, or change a namespace that files do not depend on, make no dumps; those that may, one a second."""
    libc = "import ctypes, os, threading, time\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    uts = "uts = os.open('/proc/self/ns/uts', 0)\n"
    many = "def run():\n for i in range(50): assert libc.setns(uts, 0) == 0\n"
    many += "t = [threading.Thread(target=run) for i in range(8)]\n[x.start() for x in t]; [x.join() for x in t]\n"
    for label, code, most in (
        ("400 changes of a host name's namespace", uts + many, 1),
        ("50 chroots to no folder", "assert all(libc.chroot(b'/no/such') < 0 for i in range(50))\n", 1),
        ("1,000 pivot_roots in vain", "assert all(libc.pivot_root(b'/', b'/') < 0 for i in range(1000))\n", 0),
    ):
        began = time.monotonic()
        result = inject([sys.executable, "-c", f"{libc}{code}print('well')"], {"PPROF_SYMBOLIZE": "0"})
        most = most or 2 + int(time.monotonic() - began)
        ok(f"{label}: few dumps", result.stdout == "well\n" and len(result.numbers()) <= most, result.numbers(), result.stderr)


def handed_down() -> None:
    """Children and programs of a process that has changed its user find its folder."""
    place = folder()
    os.chmod(place, 0o755)
    out = place / "out"
    in_child = "".join(f" {line}\n" for line in BURN.splitlines())
    code = f"{BURN}os.setgid({SOMEONE}); os.setuid({SOMEONE})\nif os.fork() == 0:\n{in_child}"
    loop = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
    code += f" os.execv('/bin/sh', ['sh', '-c', {loop!r}])\nos.wait()"
    shutil.copy(LIBRARY, place)  # the new user may not be able to read it where it lies
    result = inject([sys.executable, "-c", code], {"LD_PRELOAD": str(place / LIBRARY.name)}, out=out, expect=None)
    own = out / f"uid-{SOMEONE}"
    found = {(f.path.parent == own, f.path.stat().st_uid, f.pid == result.pid) for f in files_in(out)}
    names = {f.exe for f in files_in(out) if f.pid != result.pid}
    ok("children: all in the folder of their user", found == {(True, SOMEONE, x) for x in (True, False)}, found, result.stderr)
    ok("children: of the child, and of what it became", len(names) == 2, names)


def temporarily() -> None:
    """A process that is another user for a while writes as that user meanwhile, and counts on."""
    place = folder()
    os.chmod(place, 0o755)
    out = place / "out"
    code = "import os, signal, time\ndef dump(): os.kill(os.getpid(), signal.SIGUSR2); time.sleep(0.2)\n"
    code += f"dump(); os.seteuid({SOMEONE}); dump(); os.seteuid(0); dump()"
    result = inject([sys.executable, "-c", code], out=out)
    found = sorted({(f.number, f.path.parent.name) for f in result.files()})
    ok("for a while: three dumps and the last", found == [(1, "out"), (2, f"uid-{SOMEONE}"), (3, "out"), (4, "out")], found)
    ok("for a while: all profiles of each", len(result.files()) == 4 * len(KINDS))


if os.geteuid() != 0:
    ok("needs root", True, "skipped")
    finish()
if len(sys.argv) > 1:
    watched(int(sys.argv[1]), symbolize=False)
    watched(int(sys.argv[1]) // 20, symbolize=True)
    finish()
for part in (errors, unseen, jailed, in_vain, handed_down, temporarily):
    with case(part.__name__):
        part()
with case("watched"):
    watched(24, symbolize=False)
    watched(4, symbolize=True)
finish()
