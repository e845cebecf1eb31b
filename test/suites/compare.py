# SPDX-License-Identifier: MIT
"""Run other projects' test programs without and with the library, and compare the outcomes.

Each program runs bare twice, then injected under each of SETTINGS. Equal means: the same exit status, and
the same stdout as far as two bare runs agree: all of it, or with its numbers taken out, or none of it. For
a program that prints TAP the result of each case is compared instead. If they differ, both are run again,
up to ROUNDS times, because tests that depend on time sometimes fail without the library, too: a result with
the library is right if a bare run has given it. Each injected run must have left a file of its very
process.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from harness import FILE_NAME, Failure, environment, folder, injected, ok

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
    given: list[Path] = field(default_factory=list)  # files that it finds in its working folder
    tap: bool = False
    no_files: str = ""  # why a run of it leaves no file of its own
    numbers: str = ""  # why its stdout is compared without numbers
    raced: str = ""  # cases, as a pattern, that are skipped where no race came about


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
    why: str  # it differs; empty if it does not
    bare: list[Outcome]
    injected: list[Outcome]


# What of a stdout is compared, from all to nothing: see reading_of().
Reading = Callable[[str], object]
READINGS: tuple[Reading, ...] = (
    lambda text: text,
    lambda text: re.sub(r"0x[0-9a-f]+|\d+(\.\d+)?", "N", text),
    lambda text: None,
)
TAP_LINE = re.compile(r"^(not ok|ok)\b *\d* *-? *([^#\n]*?) *(?:# *(SKIP|TODO)\b.*)?$", re.M | re.I)
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
    """Runs the program once, in a folder of its own. stdout goes to a file, since a child that outlives it would keep
    a pipe open."""
    home = base / f"run.{next(counter)}"
    home.mkdir()
    for path in job.given:
        (home / path.name).symlink_to(path)
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
        pids = [int(m["pid"]) for p in out.glob("[!.]*") if (m := FILE_NAME.fullmatch(p.name))]
        result.files = pids.count(child.pid)
        result.others = len(set(pids) - {child.pid})
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


def reading_of(job: Job, bare: list[Outcome]) -> Reading:
    """The most exact reading of stdout by which bare runs that ended alike agree."""
    for reading in READINGS[1:] if job.numbers else READINGS:
        seen: dict[int | str, set[object]] = {}
        for o in bare:
            seen.setdefault(o.status, set()).add(reading(o.stdout))
        if all(len(texts) == 1 for texts in seen.values()):
            return reading
    raise AssertionError


def cases(text: str, raced: str = "") -> dict[str, str]:
    """The result of each case of a TAP stream; cases of the same name count together; a random seed is not part of a
    name."""
    found: dict[str, str] = {}
    for result, name, directive in TAP_LINE.findall(text):
        name = re.sub(r"seed:\d+", "seed:N", name)
        if raced and re.match(raced, name):
            directive = ""
        found[name] = f"{found.get(name, '')} {result} {directive}".strip()
    return found


def difference(job: Job, outcome: Outcome, bare: list[Outcome]) -> str:
    """In what an outcome differs from every bare one; empty if it equals one. A run that has not ended equals none."""
    if isinstance(outcome.status, str):
        return f"{outcome.status}, bare {bare[-1].status}"
    if outcome.status not in {o.status for o in bare}:
        return f"ended with {outcome.status}, bare {bare[-1].status}: {outcome.stdout[-200:]!r}"
    if job.tap:
        ours, *theirs = (cases(o.stdout, job.raced) for o in (outcome, *bare))
        for name in {n for found in (ours, *theirs) for n in found}:
            if ours.get(name) not in [t.get(name) for t in theirs]:
                return f"{name}: {ours.get(name)}, bare {theirs[-1].get(name)}"
        return ""
    reading = reading_of(job, bare)
    of_status = [o.stdout for o in bare if o.status == outcome.status]
    if reading(outcome.stdout) in [reading(text) for text in of_status]:
        return ""
    pairs = itertools.zip_longest(outcome.stdout.splitlines(), of_status[0].splitlines())
    unlike = ((a, b) for a, b in pairs if reading(a or "") != reading(b or ""))
    return "stdout: {!r}, bare {!r}".format(*next(unlike, ("?", "?")))[:300]


def dumps(outcome: Outcome) -> bool:
    """No file is written by a process that aborts or crashes."""
    ends = (-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)
    return isinstance(outcome.status, int) and (outcome.status >= 0 or outcome.status in ends)


def verdicts(job: Job, timeout: float) -> list[Verdict]:
    found = []
    bare = [run_bare(job, timeout), run_bare(job, timeout)]
    for setting in SETTINGS:
        ours = [run_injected(job, setting, timeout)]
        while difference(job, ours[-1], bare) and len(ours) < ROUNDS:
            bare.append(run_bare(job, timeout))
            ours.append(run_injected(job, setting, timeout))
        why = difference(job, ours[-1], bare)
        if not why and not ours[-1].files and not job.no_files and dumps(ours[-1]):
            why = "the library has left no file of this process"
        found.append(Verdict(job, setting, why, bare, ours))
    return found


def attempted(job: Job, timeout: float) -> list[Verdict] | str:
    try:
        return verdicts(job, timeout)
    except (Failure, OSError) as error:
        return f"{job.name}: {type(error).__name__}: {error}"


def compare(jobs: Iterable[Job], timeout: float) -> None:
    """One check for each program and setting, and a summary."""
    count: Counter[str] = Counter()
    with ThreadPoolExecutor(JOBS) as pool:
        running = [pool.submit(attempted, job, timeout) for job in jobs]
        for future in as_completed(running):
            found = future.result()
            if isinstance(found, str):
                ok(found, False)
                continue
            for v in found:
                last = v.injected[-1]
                tap = f", {len(cases(last.stdout))} cases" if v.job.tap else ""
                figures = f"{last.status}{tap}, {last.seconds:.1f} s, {last.others} more processes"
                ok(f"{v.job.name}, {v.setting}", not v.why, figures, v.why)
                count["equal" if not v.why else "different"] += 1
                count["after a retry"] += not v.why and len(v.injected) > 1
                count["unproven, for the program aborts"] += not dumps(last) and not last.files
                count["with further profiled processes"] += last.others > 0
            job, bare = found[0].job, found[-1].bare
            count["programs that fail bare"] += all(o.status not in (0, 77) for o in bare)
            count["programs that fail bare at times"] += len({o.status for o in bare}) > 1
            if not job.tap:
                what = ("as it is", "without numbers", "not at all")[READINGS.index(reading_of(job, bare))]
                count[f"programs whose stdout is compared {what}"] += 1
    print("# " + ", ".join(f"{n} {what}" for what, n in count.items()), flush=True)
