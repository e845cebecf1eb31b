#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`go tool pprof` accepts every file, and -base first second shows what happened in between."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import Failure, case, environment, finish, folder, judged, ok, program, start
from truth import sites

FIRST, SECOND = 3, 5  # MiB


def pprof(*args: str) -> str:
    argv = ["go", "tool", "pprof", "-symbolize=none", *args]
    env = environment({"HOME": str(folder()), "PPROF_TMPDIR": str(folder())})
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise Failure(f"{' '.join(argv)}: {done.stderr[-300:]}")
    return done.stdout


def table(text: str) -> dict[str, int]:
    """The cumulative column of -top by function, in bytes."""
    rows = re.findall(r"^\s*\S+\s+\S+\s+\S+\s+(-?\d+)B?\s+\S+\s+(\S+)", text, re.M)
    return {name: int(value) for value, name in rows}


def judge() -> None:
    live = start([program("on_command")], {"PPROF_MEM_RATE": "1"}, symbolize=True)
    live.line()
    live.tell(f"work {FIRST}")
    live.line()
    first = live.dump()
    live.tell(f"work {SECOND}")
    books = sites(json.loads(live.line()))
    second = live.dump()
    run = live.end()
    ok("three dumps: two asked for, one at the end", run.numbers() == [1, 2, 3], run.numbers())
    for path in [f.path for f in run.files()]:
        judged(path)
        ok(f"pprof -raw takes {path.name.split('.', 2)[2]}", "PeriodType" in pprof("-raw", str(path)))
    for column, site in (("inuse_space", "site_grow"), ("alloc_space", "site_churn")):
        args = ("-top", f"-sample_index={column}", "-unit=B", "-nodefraction=0")
        # The end of the process has waited for the symboliser, so all names are there by now.
        got = table(pprof(*args, "-base", str(first["heap"]), str(second["heap"])))
        ok(f"-base {column} is the second part", got.get(site) == SECOND << 20, got)
        got = table(pprof(*args, str(second["heap"])))
        ok(f"{column} is all", got.get(site) == books[site].alloc.bytes(), got)
    first_run, second_run = (judged(x["cpu"]) for x in (first, second))
    more = second_run.total("cpu") - first_run.total("cpu")
    # Between the dumps the program burns 100 ms in one stretch, so the sample is off by at most a period of
    # 10 ms each way; its allocations take CPU time as well at rate 1.
    ok("cpu goes on counting", 80e6 <= more <= 1e9, f"{more / 1e6:.0f} ms")
    ok("the second dump is later", first_run.time_nanos < second_run.time_nanos)


with case("two dumps"):
    judge()
finish()
