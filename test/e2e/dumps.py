#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Dumps that the library makes by itself, how many are kept and what they hold: PPROF_INTERVAL, PPROF_KEEP,
PPROF_DELTA, PPROF_HEAP_GROWTH; and PPROF_LABELS and PPROF_LOG.
"""

# timeout: 180

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import KINDS, bare, case, files_in, finish, folder, inject, judged, load, ok, program, start

EXACT = {"PPROF_MEM_RATE": "1"}
MIB = 1 << 20


def interval() -> None:
    """Dumps of a program that sleeps in one system call: it is not woken and sees no child."""
    code = "import time, os; t=time.monotonic(); time.sleep(3.5); print(round(time.monotonic()-t, 1))\n"
    code += "try: os.waitpid(-1, 0)\nexcept ChildProcessError: print('no child')\n"
    code += "print(len(os.listdir('/proc/self/task')), len(os.listdir('/proc/self/fd')))"
    argv = [sys.executable, "-c", code]
    plain, result = bare(argv), inject(argv, {"PPROF_INTERVAL": "1"})
    ok("interval: as bare", result.stdout == plain.stdout, result.stdout.split(), plain.stdout.split())
    times = [result.dump(n)["heap"].time_nanos / 1e9 for n in result.numbers()]
    gaps = [b - a for a, b in zip(times, times[1:])]
    # One or two more where the machine is so busy that the program needs seconds to begin or to end.
    ok("interval: a dump each second and one at the end", 4 <= len(times) <= 6 and gaps[-1] < 1.5, gaps)
    ok("interval: a second apart", all(0.9 < g < 1.5 for g in gaps[:2]), gaps)


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    return [int(p) for t in tasks.iterdir() for p in (t / "children").read_text().split()]


def interval_and_signal() -> None:
    """A resident scribe serves the signal too, is not left behind, and is replaced when killed."""
    live = start([program("on_command")], {"PPROF_INTERVAL": "1", "PPROF_AT_EXIT": "0"})
    live.line()
    live.dump()
    keeper = children(live.pid)
    ok("one process beside it", len(keeper) == 1, keeper)
    scribe = children(keeper[0])
    for pid, with_what in ((keeper[0], signal.SIGKILL), (None, signal.SIGSEGV)):
        before = max(live.numbers())
        pid = pid or children(children(live.pid)[0])[0]
        os.kill(pid, with_what)
        for _ in range(15):
            live.tell("work 0")
            live.line()
        time.sleep(1.2)
        what = f"after {with_what.name} dumps go on"
        ok(what, max(live.numbers()) > before, live.numbers())
    ok("a scribe has a parent of its own", len(scribe) == 1, scribe)
    left = children(live.pid)
    os.kill(live.pid, signal.SIGKILL)
    live.child.wait()
    until = time.monotonic() + 5
    while any(Path(f"/proc/{p}").exists() for p in left) and time.monotonic() < until:
        time.sleep(0.02)
    gone = not any(Path(f"/proc/{p}").exists() for p in left)
    ok("it ends with the program", bool(left) and gone and until - time.monotonic() > 3, left)


def interval_credentials() -> None:
    """A program gives up its user id: later dumps are made with the new one."""
    out = folder() / "out"
    out.mkdir()
    os.chmod(out.parent, 0o755)
    os.chmod(out, 0o777)
    code = "import os, time; os.setgroups([]); os.setgid(65534); os.setuid(65534); time.sleep(1.5)"
    inject([sys.executable, "-c", code], {"PPROF_INTERVAL": "1"}, out=out)
    owners = {f.path.stat().st_uid for f in files_in(out)}
    ok("after setuid the files are the new user's", owners == {65534}, owners)


def interval_children() -> None:
    """Forked and started processes: each has an interval of its own; one that has recorded nothing makes no dump."""
    script = f"sleep 2.5 & {program('process_ends')} exec >/dev/null; sleep 2.5; wait; exit 3"
    result = inject(["bash", "-c", script], EXACT | {"PPROF_INTERVAL": "1"}, expect=3)
    numbers: dict[str, set[int]] = {}
    for f in files_in(result.out):
        judged(f.path)
        numbers.setdefault(f.exe, set()).add(f.number)
    # At rate 1 even the command sleep records its few allocations, and so makes dumps.
    good = numbers.get("bash", set()) >= {1, 2, 3} and numbers.get("sleep", set()) >= {1, 2, 3}
    ok("interval: children dump too", good, {k: sorted(v) for k, v in numbers.items()})
    result = inject(["bash", "-c", "sleep 1.5; exit 3"], {"PPROF_INTERVAL": "1"}, expect=3)
    writers = {f.exe for f in files_in(result.out)}
    ok("interval: an idle child leaves none", writers == {"bash"}, writers)


def keep() -> None:
    live = start([program("on_command")], {"PPROF_KEEP": "3"}, symbolize=True)
    live.line()
    for number in range(1, 8):
        os.kill(live.pid, signal.SIGUSR2)
        until = time.monotonic() + 20
        while number not in live.numbers() and time.monotonic() < until:
            time.sleep(0.01)
    result = live.end()
    ok("PPROF_KEEP=3: the newest three", result.numbers() == [6, 7, 8], result.numbers())
    for number in result.numbers():
        result.dump(number)


def delta() -> None:
    """Three dumps: after known work, after more of it, and after none."""
    env = EXACT | {"PPROF_DELTA": "1", "PPROF_CPU_RATE": "1000"}
    live = start([program("on_command")], env)
    live.line()
    sums = []
    cpu = []
    for work in (3, 5, 0):
        live.tell(f"work {work}")
        live.line()
        files = live.dump()
        heap = judged(files["heap"], delta=True)
        sums.append([heap.cumulative(c, elf.name).get("site_grow", 0) for c in ("alloc_space", "inuse_space")])
        cpu.append(load(files["cpu"]))
    live.end()
    want = [[3 * MIB, 3 * MIB], [5 * MIB, 8 * MIB], [0, 8 * MIB]]  # what is in use is whole
    ok("delta: what happened since the one before", sums == want, sums)
    # Each piece of work burns 0.1 s; a period is 1 ms and one more may be on the way.
    burnt = [p.total("cpu") / 1e9 for p in cpu]
    ok("delta: cpu too", all(0.09 < b < 0.25 for b in burnt), burnt)
    spans = [p.duration_nanos for p in cpu]
    times = [p.time_nanos for p in cpu]
    good = all(abs(s - (b - a)) < 1e8 for s, a, b in zip(spans[1:], times, times[1:]))
    ok("delta: duration is the time between the two", good, spans)


def growth() -> None:
    """A heap grows to 16 MiB in steps of 1 MiB, is freed, and grows again: only new peaks cause dumps."""
    code = "\n".join((
        "import ctypes, time",
        "libc = ctypes.CDLL(None)",
        "libc.malloc.restype = ctypes.c_void_p; libc.free.argtypes = [ctypes.c_void_p]",
        "for turn in range(2):",
        "    blocks = []",
        "    for i in range(16):",
        "        blocks.append(libc.malloc(1 << 20))",
        "        time.sleep(0.1)",  # the library waits 0.1 s for the dump; a busy machine needs more
        "    for b in blocks: libc.free(b)",
    ))  # fmt: skip
    env = EXACT | {"PPROF_HEAP_GROWTH": str(4 * MIB)}
    for _ in range(4):  # on a busy machine a dump may be of a later moment than it was asked for
        result = inject([sys.executable, "-c", code], env)
        live = [result.dump(n)["heap"].total("inuse_space") for n in result.numbers()[:-1]]
        # python itself has some MiB, so that 16 more pass 4 or 5 peaks, 4 to 5 MiB apart.
        steps = [b - a for a, b in zip([0, *live], live)]
        if all(4 * MIB < s <= 5.1 * MIB for s in steps):
            break
    ok("growth: a dump for each 4 MiB of a new peak", 3 <= len(live) <= 5, [x / MIB for x in live])
    ok("growth: at that moment", all(4 * MIB < s <= 5.1 * MIB for s in steps), steps)


def labels() -> None:
    env = {"PPROF_LABELS": "zone=b,app=web=1,zone=a", "PPROF_CPU_RATE": "1000"}
    result = inject([program("cpu_threads"), "8", "20000"], env | EXACT)
    found = {tuple((x.key, x.text) for x in s.labels) for s in result.dump()["cpu"].samples}
    want = {(("app", "web=1"), ("zone", "a"))}
    ok("labels on the samples of every thread", found - {()} == want, found)
    plain = [s for s in result.dump()["cpu"].samples if not s.labels]
    lost = [n for s in plain for x in s.locations for line in x.lines for n in [line.function.name]]
    ok("labels: none without but what is lost", all("lost" in n for n in lost), lost)
    heap = {x.key for s in result.dump()["heap"].samples for x in s.labels}
    ok("labels: not in the heap", heap == {"bytes"}, heap)


def log() -> None:
    """PPROF_OUT is a file: each dump is one line in the log and nowhere else; the program is as without the library."""
    place = folder()
    (place / "out").write_text("")
    env = {"PPROF_LOG": "log", "PPROF_OUT": "out"}
    argv = ["bash", "-c", "cd /; kill -USR2 $$; sleep 0.3; echo done; exit 4"]
    result = inject(argv, env, expect=None, cwd=place)
    ok("log: the program is as bare", (result.status, result.stdout, result.stderr) == (4, "done\n", ""))
    lines = [x for x in (place / "log").read_text().splitlines() if "no dump" in x]  # and one at start
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ pprofinject\[\d+\]: no dump: cannot open the folder .*/out: ENOTDIR"
    ok("log: a line for each dump", len(lines) == 2 and all(re.fullmatch(form, x) for x in lines), lines)
    stamp = subprocess.run(["date", "-u", "+%Y-%m-%dT%H"], stdout=subprocess.PIPE, text=True).stdout
    ok("log: the time is right", bool(lines) and lines[-1].startswith(stamp.strip()), lines[-1:])
    ok("log: private", (place / "log").stat().st_mode & 0o777 == 0o600)
    result = inject(argv, {"PPROF_LOG": "no/such/folder/log"}, expect=4, cwd=place)
    ok("log: one that cannot be written is said", "PPROF_LOG" in result.stderr, result.stderr)
    result = inject(["true"], {"PPROF_LOG": "log2", "PPROF_MEM_RATE": "x"}, cwd=place)
    said = (place / "log2").read_text()
    ok("log: start-up's messages too", result.stderr == "" and "PPROF_MEM_RATE" in said, said)


for part in (interval, interval_and_signal, interval_credentials, interval_children, keep, delta, growth, labels, log):  # fmt: skip
    with case(part.__name__):
        part()
finish()
