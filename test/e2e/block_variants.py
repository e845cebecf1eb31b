#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 120
"""block and mutex in less usual cases: priority ceilings, mutexes of two processes, rates that change during a
wait, a mutex's first wait, libraries whose calls are bound to libc and not to us. As in block_mutex.py the
programs know what they waited, and a case in which a thread lost its processor is run again.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import ROOT, bare, case, finish, folder, inject, ok, program
from profile import Profile
from truth import truth

TRIES = 3
BAR = 0.03
EXACT = {"PPROF_BLOCK_RATE": "1", "PPROF_MUTEX_FRACTION": "1"}
RACES_MISSED = 0.02  # share of races in which the mutex is taken between the look at it and the lock

Dumps = dict[str, Profile]


def figures(profile: Profile, site: str) -> tuple[int, int]:
    return tuple(profile.cumulative(kind, elf.name).get(site, 0) for kind in ("contentions", "delay"))


def judge(profile: Profile, kind: str, site: str, true: int, known: bool, disturbed: bool) -> None:
    n, delay = figures(profile, site)
    if known:
        good = n == 1 and (abs(delay - true) <= BAR * true or disturbed)
        text = f"{n} x, {delay / 1e9:.4f} s of {true / 1e9:.4f} s" + ", disturbed" * disturbed
        ok(f"{kind}: {site}", good, text)
    else:
        ok(f"{kind}: nothing at {site}", n == 0, (n, delay) if n else "")


def known_waits(name_of: str, *args: str) -> tuple[dict, Dumps, Dumps]:
    """Runs the program until each case has come out undisturbed once, and judges that. Returns, of the last
    run, what the program says, its profiles, and its child's."""
    argv = [program(name_of), *args]
    found: dict[str, tuple[dict, Dumps, Dumps]] = {}
    for _ in range(TRIES):
        run = inject(argv, EXACT)
        data = truth(run)
        if "skipped" in data:
            ok(f"skipped: {data['skipped']}", True)
            return {}, {}, {}
        dump = run.dump()
        child = run.dump(pid=data["child"]) if data["child"] else {}
        for name, wait in data["cases"].items():
            if name not in found or found[name][0]["disturbed"]:
                found[name] = wait, dump, child
        if not any(wait["disturbed"] for wait, _, _ in found.values()):
            break
    for name, (wait, mine, childs) in found.items():
        if name == "hammered":  # not a case: judged in rates()
            continue
        late = bool(wait["disturbed"])
        block = childs if wait["in_child"] else mine
        judge(block["block"], "block", f"wait_{name}", wait["waited"], bool(wait["block"]), late)
        judge(mine["mutex"], "mutex", f"release_{name}", wait["held_up"], bool(wait["mutex"]), late)
    expected = {f"release_{name}" for name, (wait, _, _) in found.items() if wait["mutex"]}
    expected |= {"release_two", "release_hammered", "release_mixed"}  # the first calls one of them
    sites = dump["mutex"].cumulative("delay", elf.name)
    more = {s for s in sites if s.startswith(("release_", "later_"))} - expected
    ok(f"{name_of} {Path(args[0]).name}: nobody else is charged", not more, more or "")
    return data["cases"], dump, child


def protect() -> None:
    known_waits("mutex_variants", "protect")


def shared() -> None:
    _, _, child = known_waits("mutex_variants", "shared")
    # A wait in another process is shown only in that process's profiles; the unlock here is not charged.
    ok("shared: the child, which holds nobody up, is not charged", not child["mutex"].samples)
    sites = child["block"].cumulative("delay", elf.name)
    ok("shared: the parent's wait is not the child's", "wait_shared_by_three" not in sites)


def rates() -> None:
    data, dump, _ = known_waits("mutex_variants", "rates")
    n, charged = figures(dump["mutex"], "release_hammered")
    most = 2 * data["hammered"]["waited"]  # two of three threads wait at a time, at most all the time
    text = f"{n} x, {charged / 1e9:.3f} of at most {most / 1e9:.3f} s"
    ok("rates that change 3,000 times under contention", n > 0 and charged <= most, text)
    ok("rates: nobody is left over", figures(dump["mutex"], "later_hammered") == (0, 0))


def first() -> None:
    run = inject([program("mutex_variants"), "first"], EXACT)
    data, dump = truth(run), run.dump()
    late = data["disturbed"]
    for kind, site, true in (
        ("block", "wait_first", data["waited"]),
        ("mutex", "release_first", data["held_up"]),
    ):
        n, delay = figures(dump[kind], site)
        good = n == data["n"] and abs(delay - true) <= BAR * true + late
        text = f"{n} of {data['n']}, {delay / true:.4f} of the time, disturbed {late / true:.3f}"
        ok(f"{kind}: the first wait for a mutex that is held", good, text)
    raced, seen = data["races"], figures(dump["block"], "wait_race")[0]
    text = f"{seen}, {raced} by the program's clock"
    ok("block: the first wait for a mutex after a race", seen >= (1 - RACES_MISSED) * raced, text)


def unhooked_library() -> None:
    plugin = str(folder() / "plugin.so")
    source = str(ROOT / "test/programs/unhooked_library.c")
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-fPIC", "-shared", "-pthread", "-DPLUGIN"]
    subprocess.run(["gcc", *flags, "-o", plugin, source], check=True)
    argv = [program("unhooked_library"), plugin]
    plain, run = (how(argv).stdout.splitlines()[:-1] for how in (bare, inject))
    same = plain == run and len(plain) == 6
    ok("a cancellation that is pending, made past us: as bare", same, "; ".join(run), plain)
    _, dump, _ = known_waits("unhooked_library", plugin)
    # Waits by libc's own functions are not seen. A wait that is seen is charged once, to an unlock that is seen.
    waits, waited = figures(dump["block"], "wait_mixed")
    n, charged = figures(dump["mutex"], "release_mixed")
    text = f"{n} x {charged / 1e9:.4f} s, {waits} x {waited / 1e9:.4f} s waited"
    ok("a mutex that others lock past us: no more is charged than waited", charged <= 1.05 * waited, text)


for check in (protect, shared, rates, first, unhooked_library):
    with case(check.__name__):
        check()
finish()
