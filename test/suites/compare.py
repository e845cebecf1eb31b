# SPDX-License-Identifier: MIT
"""Run other people's test programs bare and injected, and compare what comes out.

Each program runs bare twice, then injected under each of SETTINGS. Equal means: the same exit status,
and the same stdout as far as two bare runs agree about it (as it is; else with its numbers taken
out; else not at all). Where a result differs both are run again, up to ROUNDS times, because tests
that depend on time fail at times without us, too: an injected result is right if a bare run has
given it. Each injected run must have left a file of its very process.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from harness import Failure, environment, files_in, folder, injected, ok

JOBS = 2
ROUNDS = 3
SETTINGS: dict[str, dict[str, str]] = {
    "defaults": {},
    "everything": {"PPROF_MEM_RATE": "1", "PPROF_CPU_RATE": "1000", "PPROF_BLOCK_RATE": "1"},
}


@dataclass
class Job:
    name: str
    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    preload: list[Path] = field(default_factory=list)  # the test's own, behind the library
    files: str = ""  # why a run of it leaves no file of its own
    may_differ: str = ""  # why an injected result may differ


@dataclass
class Outcome:
    status: int | str
    stdout: str
    pid: int
    seconds: float
    files: int = 0  # of the very process
    others: int = 0  # processes besides it that left files


@dataclass
class Verdict:
    job: Job
    setting: str
    good: bool
    why: str
    bare: list[Outcome]
    injected: list[Outcome]


# What of an outcome is compared, from all to little: see judged().
Reading = Callable[[str], object]
READINGS: tuple[Reading, ...] = (
    lambda text: text,
    lambda text: re.sub(r"0x[0-9a-f]+|\d+(\.\d+)?", "N", text),
    lambda text: None,
)
base = folder()
counter = itertools.count()


def sessions_end(pid: int) -> None:
    """Kill what is left of a run that took too long: everything in its session."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            rest = stat.read_text().rpartition(")")[2].split()
            if int(rest[3]) == pid:
                os.kill(int(stat.parent.name), signal.SIGKILL)
        except (OSError, ValueError, IndexError):
            continue


def run_once(job: Job, env: dict[str, str], timeout: float, out: Path | None = None) -> Outcome:
    """Its own folder to work in; stdout goes to a file, for a child left behind may hold it open."""
    home = base / f"run.{next(counter)}"
    home.mkdir()
    env = env | {"TMPDIR": str(home)} | job.env
    with open(home / ".stdout", "wb") as stdout, open(home / ".stderr", "wb") as stderr:
        began = time.monotonic()
        child = subprocess.Popen(
            job.argv, env=env, cwd=home, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
            start_new_session=True,
        )  # fmt: skip
        status: int | str
        try:
            status = child.wait(timeout)
        except subprocess.TimeoutExpired:
            status = f"still running after {timeout:.0f} s"
            sessions_end(child.pid)
            child.wait()
    text = (home / ".stdout").read_text(errors="replace").replace(str(home), "HOME")
    result = Outcome(status, text, child.pid, time.monotonic() - began)
    if out:
        found = files_in(out)
        result.files = sum(f.pid == child.pid for f in found)
        result.others = len({f.pid for f in found} - {child.pid})
        shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
    return result


def run_bare(job: Job, timeout: float) -> Outcome:
    extra = {"LD_PRELOAD": ":".join(map(str, job.preload))} if job.preload else {}
    return run_once(job, environment(extra), timeout)


def run_injected(job: Job, setting: str, timeout: float) -> Outcome:
    out = base / f"out.{next(counter)}"
    env = injected(out, SETTINGS[setting], after=job.preload, symbolize=setting == "defaults")
    return run_once(job, env, timeout, out)


def reading_of(bare: list[Outcome]) -> Reading:
    """The sharpest one in which the bare runs of one status agree."""
    for reading in READINGS:
        seen = {o.status: {reading(x.stdout) for x in bare if x.status == o.status} for o in bare}
        if all(len(texts) == 1 for texts in seen.values()):
            return reading
    raise AssertionError


def alike(outcome: Outcome, bare: list[Outcome]) -> bool:
    reading = reading_of(bare)
    return any((o.status, reading(o.stdout)) == (outcome.status, reading(outcome.stdout)) for o in bare)


def difference(outcome: Outcome, bare: list[Outcome]) -> str:
    if outcome.status not in {o.status for o in bare}:
        return f"ended with {outcome.status}, bare {bare[-1].status}: {outcome.stdout[-200:]!r}"
    theirs = next(o.stdout for o in bare if o.status == outcome.status).splitlines()
    ours = outcome.stdout.splitlines()
    pairs = itertools.zip_longest(ours, theirs)
    return "stdout: " + next((f"{a!r}, bare {b!r}" for a, b in pairs if a != b), "?")[:300]


def verdicts(job: Job, timeout: float) -> list[Verdict]:
    found = []
    bare = [run_bare(job, timeout), run_bare(job, timeout)]
    for setting in SETTINGS:
        ours = [run_injected(job, setting, timeout)]
        while not alike(ours[-1], bare) and len(ours) < ROUNDS:
            bare.append(run_bare(job, timeout))
            ours.append(run_injected(job, setting, timeout))
        good, why = alike(ours[-1], bare), ""
        if not good:
            why = difference(ours[-1], bare)
        elif not ours[-1].files and not job.files:
            good, why = False, "the library has left no file of this process"
        found.append(Verdict(job, setting, good, why, bare, ours))
    return found


def compare(jobs: Iterable[Job], timeout: float) -> None:
    """One check for each program and setting, and a summary."""
    equal = differ = retried = unstable = failing = 0
    readings = [0, 0, 0]
    processes = 0
    with ThreadPoolExecutor(JOBS) as pool:
        for found in pool.map(lambda j: attempted(j, timeout), jobs):
            if isinstance(found, str):
                ok(found, False)
                continue
            for v in found:
                last = v.injected[-1]
                figures = f"{last.status}, {last.seconds:.1f} s, {last.others} more processes"
                if v.job.may_differ and not v.good:
                    print(f"# {v.job.name}, {v.setting}: {v.why}; {v.job.may_differ}", flush=True)
                    differ += 1
                else:
                    ok(f"{v.job.name}, {v.setting}", v.good, figures, v.why)
                    equal += v.good
                retried += len(v.injected) > 1
                processes += 1 + last.others
            bare = found[0].bare
            readings[READINGS.index(reading_of(bare))] += 1
            unstable += len({o.status for o in bare}) > 1
            failing += bare[0].status not in (0, 77)
    print(
        f"# {equal} equal, {differ} differ for a known reason; {retried} after a retry; {failing} programs fail "
        f"bare, {unstable} do so only at times; stdout compared as it is / without numbers / not: "
        f"{' / '.join(map(str, readings))}; {processes} processes left files",
        flush=True,
    )


def attempted(job: Job, timeout: float) -> list[Verdict] | str:
    try:
        return verdicts(job, timeout)
    except (Failure, OSError) as error:
        return f"{job.name}: {type(error).__name__}: {error}"
