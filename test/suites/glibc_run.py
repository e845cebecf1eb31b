# SPDX-License-Identifier: MIT
"""glibc's tests of some folders, bare and injected: what test/long/glibc_*.py share."""

from __future__ import annotations

import sys
from pathlib import Path

import glibc_build
from compare import Job, compare
from harness import ok

# The driver's own limit is 20 s for most tests, some take longer; times FACTOR on a busy machine.
FACTOR = 3
TIMEOUT = 180.0


def job_of(test: glibc_build.Test, may_differ: dict[str, str], without: dict[str, str]) -> Job:
    needs = test.needs
    args = [a.replace("PROGRAM", test.path) for a in needs.args]
    env = {"LD_LIBRARY_PATH": str(glibc_build.OBJECTS), "TIMEOUTFACTOR": str(FACTOR)} | needs.env
    preload = [Path(needs.preload)] if needs.preload else []
    why, no_files = may_differ.get(test.name, ""), without.get(test.name, "")
    return Job(test.name, [test.path, *args], env, preload, no_files, why)


def run(
    folders: list[str], least: int, left_out: dict[str, str], may_differ: dict[str, str], without: dict[str, str]
) -> None:
    """least: how many have to compile, so that a broken build is no silent success."""
    tests = glibc_build.tests(folders)
    wanted = sys.argv[1:]
    built = [t for t in tests if t.path]
    for test in tests:
        if not test.path:
            print(f"# {test.name}: {test.why}")
        elif test.name in left_out:
            print(f"# {test.name}: left out, {left_out[test.name]}")
    static = sum(t.static for t in tests)
    figures = f"{len(built)} of {len(tests)}, {static} more are statically linked"
    ok("the tests compile", len(built) >= least, figures, f"fewer than {least}")
    chosen = [t for t in built if t.name not in left_out and (not wanted or t.name in wanted)]
    compare([job_of(t, may_differ, without) for t in chosen], TIMEOUT)
