# SPDX-License-Identifier: MIT
"""glibc's tests of some folders, bare and injected: what test/long/glibc_*.py share."""

from __future__ import annotations

import sys
from pathlib import Path

import glibc_build
from compare import Job, compare
from harness import ok

# The tests' own limit is mostly 20 s; it is multiplied by FACTOR because the machine is shared.
FACTOR = 5
TIMEOUT = 240.0


def job_of(test: glibc_build.Test, numbers: dict[str, str], no_files: dict[str, str]) -> Job:
    needs = test.needs
    return Job(
        test.name,
        [test.path, *(a.replace("PROGRAM", test.path) for a in needs.args)],
        env={"LD_LIBRARY_PATH": str(glibc_build.OBJECTS), "TIMEOUTFACTOR": str(FACTOR)} | needs.env,
        preload=[Path(needs.preload)] if needs.preload else [],
        given=[glibc_build.SOURCE / "nptl" / "Makefile"],  # some open it, for a file that is there
        no_files=no_files.get(test.name, ""),
        numbers=numbers.get(test.name, ""),
    )


def run(folders: list[str], least: int, numbers: dict[str, str], no_files: dict[str, str]) -> None:
    """least: how many have to compile, so that a broken build is no silent success. numbers and
    no_files: exceptions, each with its reason, as compare.Job has them. Arguments: only these."""
    tests = glibc_build.tests(folders)
    wanted = sys.argv[1:]
    built = [t for t in tests if t.path]
    for test in tests:
        if not test.path:
            print(f"# {test.name} is left out: {test.why}")
    static = sum(t.static for t in tests)
    figures = f"{len(built)} of {len(tests)}; {static} are statically linked"
    ok("the tests compile", len(built) >= least, figures, f"fewer than {least}")
    chosen = [t for t in built if not wanted or t.name in wanted]
    compare([job_of(t, numbers, no_files) for t in chosen], TIMEOUT)
