#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the constructors and destructors of libraries do is in every profile: allocations exactly at rate 1, CPU
time, threads, waits, forked children, and an exit() before main. Programs that a constructor starts find what
the library hands down. Where another library has to be the first, the program runs as bare and is profiled
from later on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import ROOT, Run, bare, case, finish, folder, inject, ok
from profile import Profile
from truth import heap_checks, truth

SOURCES = ROOT / "test/loading"
PLACE = folder()
RATES = {"PPROF_MEM_RATE": "1", "PPROF_CPU_RATE": "1000", "PPROF_BLOCK_RATE": "1"}
OFF = 0.1  # of a wait: what the threads need to wake up; of CPU time: 0.2 s at 1,000 Hz, to a tick


def build(out: str, source: str, *flags: str) -> Path:
    command = ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-pthread", "-o", PLACE / out, SOURCES / source]
    subprocess.run([*command, *flags], check=True)
    return PLACE / out


LIBRARY = build("libconstructors.so", "constructors.c", "-fPIC", "-shared")
PROGRAM = str(build("constructed", "constructed.c", str(LIBRARY), f"-Wl,-rpath,{PLACE}"))


def lines(got: Run) -> list[str]:
    return got.stdout.splitlines()


def near(profile: Profile, column: str, site: str, true: float) -> tuple[bool, str]:
    got = profile.cumulative(column, elf.name).get(site, 0)
    return abs(got - true) <= OFF * true, f"{got / 1e9:.3f} of {true / 1e9:.3f} s"


def whole(profile: Profile, site: str) -> bool:
    stacks = [[n for at in s.locations for n in elf.name(at)] for s in profile.samples]
    of_site = [s for s in stacks if site in s]
    return bool(of_site) and all(s[-1] != "[truncated]" for s in of_site)


def undisturbed() -> Run:
    """On a busy machine the lock may be free before its waiter comes, or the waiter wakes up late."""
    for _ in range(3):
        got = inject([PROGRAM, "work"], RATES)
        if all(good for good, _ in waits(got).values()):
            break
    return got


def waits(got: Run) -> dict[str, tuple[bool, str]]:
    dump, waited = got.dump(), float(lines(got)[-2])
    return {
        "block: site_waits": near(dump["block"], "delay", "site_waits", waited),
        "mutex: site_thread": near(dump["mutex"], "delay", "site_thread", waited),
    }


def work() -> None:
    got = undisturbed()
    dump = got.dump()
    heap_checks("heap", dump["heap"], truth(got), 1, elf.name)
    for site, true in (("site_burns", 4e8), ("site_thread", 2e8), ("site_last_burns", 2e8)):
        ok(f"cpu: {site}", *near(dump["cpu"], "cpu", site, true))
    made = dump["threadcreate"].cumulative("threadcreate", elf.name).get("site_starts", 0)
    ok("threadcreate: site_starts", made == 1, made)
    for name, (good, figures) in waits(got).items():
        ok(name, good and float(lines(got)[-2]) > 0, figures)
    for kind, site in (("heap", "site_constructor"), ("cpu", "site_burns"), ("heap", "site_destructor")):
        ok(f"{kind}: the stacks of {site} are whole", whole(dump[kind], site))


def leaves() -> None:
    got = inject([PROGRAM, "exit"], RATES, expect=3)
    heap_checks("exit() before main", got.dump()["heap"], truth(got), 1, elf.name)


def forks() -> None:
    got = inject([PROGRAM, "fork"], RATES)
    child = int(lines(got)[0])
    ours, its = (got.dump(pid=pid)["heap"].cumulative("alloc_objects", elf.name) for pid in (got.pid, child))
    ok("a child's allocations", its.get("site_child") == 30, its.get("site_child"))
    apart = not ours.get("site_child") and not its.get("site_constructor")
    ok("are not its parent's", apart, (ours.get("site_child"), its.get("site_constructor")))


def starts() -> None:
    out = folder() / "out"
    got = inject([PROGRAM, "start"], RATES, out=out)
    said = [line.split(" ") for line in lines(got)]
    want = ["spawn", "system", "vfork", "exec"]
    ok("programs that a constructor starts", [s[0] for s in said] == want, lines(got))
    ok("they know their parent", all(len(s) == 3 and s[1] and s[2] == str(out) for s in said), lines(got))
    ok("they are silent", got.stderr == "", got.stderr)


def clears() -> None:
    """Where a constructor left no environment at all, the program was killed at start."""
    got = inject([PROGRAM, "clear"], RATES)
    said = got.stdout.split()
    ok("a constructor that clears the environment", len(said) == 2 and said[0] == "1", got.stdout)


def another_is_first() -> None:
    other = build("libwants.so", "wants_first.c", "-fPIC", "-shared", "-Wl,-z,initfirst")
    for label, order in (("before", {"before": [other]}), ("after", {"after": [other]})):
        plain = bare([PROGRAM, "fork"])
        got = inject([PROGRAM, "fork"], RATES, **order)
        ok(f"another that wants to be first, {label} ours: as bare", (got.status, got.stderr) == (plain.status, plain.stderr))
        objects = got.dump()["heap"].cumulative("alloc_objects", elf.name)
        seen = {site: objects.get(site, 0) for site in ("site_constructor", "site_main")}
        want = {"site_constructor": 1500 if label == "before" else 0, "site_main": 20}
        ok(f"another, {label} ours: what is seen", seen == want, seen)


for part in (work, leaves, forks, starts, clears, another_is_first):
    with case(part.__name__):
        part()
finish()
