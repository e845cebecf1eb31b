#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program does not notice how its profiles get their names, and the raw files stay whatever happens to the
symboliser: it is missing, may not be started, crashes, is killed, never ends.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import BUILD, KINDS, LIBRARY, Run, case, environment, finish, folder, inject, injected, judged, ok, program, run

SYS_EXECVE = 59
FILTER = BUILD / "test/faults/filter.so"
RATE_1 = {"PPROF_MEM_RATE": "1"}
SECONDS = 3


def named(result: Run, number: int) -> bool:
    heap = next(f.path for f in result.files() if f.kind == "heap" and f.number == number)
    return "site_unseen" in judged(heap).cumulative("alloc_space")


def unseen() -> None:
    result = inject([program("self_observer"), str(SECONDS)], RATE_1, symbolize=True)
    seen, _, looks = result.stdout.strip().rpartition(" looks ")
    ok("no child, no SIGCHLD, no descriptor, no thread", seen == "children 0 signals 0 fds 0 threads 0", result.stdout)
    ok("while the dump got its names", named(result, 1) and int(looks) > 100, looks)


def stands(name: str, result: Run) -> None:
    whole = len({f.path for f in result.files()}) == 2 * len(KINDS)
    raw = [judged(f.path) for f in result.files()]  # raises if one does not open
    names = any(x.function.name == "site_unseen" for p in raw for l in p.locations for x in l.lines)
    quiet = result.stdout.startswith("children 0 signals 0 fds 0 threads 0 ")
    ok(f"{name}: the program ends as ever, the raw files stand", result.status == 0 and whole and quiet and not names,
       (result.status, len(raw), result.stdout.strip()), result.stderr[-200:])  # fmt: skip


def with_other(name: str, script: str | None) -> None:
    place = folder()
    shutil.copy(LIBRARY, place)
    if script is not None:
        (place / "pprof-symbolize").write_text(script)
        (place / "pprof-symbolize").chmod(0o755)
    env = environment(RATE_1 | {"LD_PRELOAD": str(place / LIBRARY.name), "PPROF_OUT": str(place / "out"),
                                "PPROF_EXIT_WAIT": "1"})  # fmt: skip
    began = time.monotonic()
    result = run([program("self_observer"), "1"], env, place / "out")
    stands(name, result)
    if "sleep" in name:
        ok("and the end waits PPROF_EXIT_WAIT, no longer", time.monotonic() - began < 20, f"{time.monotonic() - began:.1f} s")


def others() -> None:
    with_other("missing", None)
    with_other("crashing", "#!/bin/sh\nkill -SEGV $$\n")
    with_other("killed", "#!/bin/sh\nkill -KILL $$\n")
    with_other("no program", "\x7fELF nonsense")
    # Left to end by itself: no process waits for it.
    with_other("asleep: sleep", "#!/bin/sh\nexec sleep 5\n")


def forbidden() -> None:
    out = folder() / "out"
    env = injected(out, RATE_1 | {"FAULT": f"always {SYS_EXECVE} 1"}, after=[FILTER], symbolize=True)
    stands("exec refused by a filter", run([program("self_observer"), "1"], env, out))


for part in (unseen, others, forbidden):
    with case(part.__name__):
        part()
finish()
