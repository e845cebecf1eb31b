# SPDX-License-Identifier: MIT
"""Run test/unwind/fuzz_accept and fuzz_driver, judge what they say.

Used by test/long/unwind_fuzz.py and test/e2e/unwind_step.py.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import BUILD, LIBDIR, Failure, bare, case, ok  # noqa: E402

PROGRAMS = BUILD / "test" / "unwind"
FINDINGS = BUILD / "fuzz" / "findings"
WORST_US = 100_000  # a walk of 64 frames, each of whose rules reads as much as it may, sanitized
GROWN_KIB = 16 << 10  # pools and tables, once they have been used


def file_of(name: str) -> Path | None:
    """A library, a program of the path, or a part of the compiler."""
    for path in (LIBDIR / name, Path(name)):
        if path.is_file():
            return path.resolve()
    if found := shutil.which(name):
        return Path(found).resolve()
    compiler = sorted(Path("/usr/lib/gcc/x86_64-linux-gnu").glob(f"*/{name}"))
    return compiler[-1] if compiler else None


def judge_accepted(*names: str) -> None:
    """Every FDE of these files, those that are installed, passes collectors/rules_check.c."""
    files = {name: file_of(name) for name in names}
    for name, path in files.items():
        if not path:
            print(f"# {name} is not installed")
            continue
        with case(f"frame information of {name}"):
            done = bare([str(PROGRAMS / "fuzz_accept"), str(path)])
            said = done.stdout.replace(str(path), "").lstrip(": ")
            ok(f"all frame information of {name} is accepted", done.status == 0, said)


def judge_fuzz(inputs: int, seed: int = 1, timeout: float = 1500) -> None:
    with case("fuzz"):
        FINDINGS.mkdir(parents=True, exist_ok=True)
        argv = [str(PROGRAMS / "fuzz_driver"), f"inputs={inputs}", f"seed={seed}", "jobs=2"]
        done = bare([*argv, f"findings={FINDINGS}"], timeout=timeout)
        lines = done.stdout.splitlines()
        if not lines or not lines[-1].startswith("{"):
            raise Failure(f"fuzz_driver ended with {done.status}: {done.stderr[-300:]!r}")
        got = json.loads(lines[-1])
        why = "\n".join([*lines[:-1], done.stderr[-300:]])
        ok("no finding", got["findings"] == 0 and done.status == 0, lines[-1], why)
        ok("all inputs are walked", got["inputs"] >= inputs, got["inputs"])
        ok("no walk takes long", got["worst_us"] < WORST_US, f"{got['worst_us']} us")
        ok("memory does not grow", got["grown_kib"] < GROWN_KIB, f"{got['grown_kib']} KiB")
