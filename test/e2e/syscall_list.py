#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The list of system calls that a filter is asked about is made from the sources: a call that is added is in it
and is tried, one that is taken away makes its row an error, and one that cannot be read out is an error.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import BUILD, ROOT, case, finish, folder, ok

TRIAL = "preload/output/syscall_trial.c"
ADDED = """
/* sys_call1(SYS_sync, 0) stands in a comment. */
void f(long nr) { sys_call1( SYS_acct, 0); if (nr == SYS_swapon) return; switch (nr) { case SYS_swapoff: ; } }
long g(void) { return ask("a"(SYS_syslog)); }
"""


def listed(files: dict[str, str]) -> tuple[int, set[str], str]:
    root = folder()
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    out = root / "made.h"
    argv = [sys.executable, ROOT / "scripts/list-syscalls", platform.machine(), TRIAL, out, root]
    done = subprocess.run(argv, capture_output=True, text=True)
    names = {word[5:-1] for word in out.read_text().split() if word.startswith("CALL(")} if out.exists() else set()
    return done.returncode, names, done.stderr


def trial(header: str) -> tuple[str, str]:
    """The unit test of the trial, built with this list: how it comes out, and what is said."""
    place = folder()
    (place / "syscalls_made.h").write_text(header)
    argv = ["gcc", "-std=gnu11", "-D_GNU_SOURCE", f"-I{place}", f"-I{ROOT}", "-o", place / "test", ROOT / TRIAL]
    argv += [ROOT / "test/unit/test_syscall_trial.c", BUILD / "unit.a", "-pthread", "-lcmocka", "-lm"]
    built = subprocess.run(argv, capture_output=True, text=True)
    if built.returncode:
        return "does not compile", built.stderr
    done = subprocess.run([place / "test"], capture_output=True, text=True)
    return "passes" if done.returncode == 0 else "fails", done.stdout + done.stderr


with case("what is listed"):
    status, names, _ = listed({"collectors/a.c": ADDED, "preload/x/b.h": "sys_call2(\n    SYS_sethostname, 1, 2);"})
    ok("calls, and no others", status == 0 and names == {"acct", "syslog", "sethostname"}, names)
    elsewhere = "collectors/base/arch/other_code.c"
    status, names, _ = listed({TRIAL: "sys_call0(SYS_sync);", elsewhere: "arch_syscall(SYS_acct, 0);",
                               "encoder/symbolize/c.c": "sys_call0(SYS_acct);"})  # fmt: skip
    ok("not the trial's, another processor's, the symboliser's", status == 0 and not names, names)
    status, _, said = listed({"preload/a.c": "sys_call1(number, 1);"})
    ok("one without a name is an error", status != 0 and "preload/a.c" in said, said.strip())

with case("what is tried"):
    made = (BUILD / "preload/syscalls_made.h").read_text()
    result, said = trial(made)
    ok("all", result == "passes", "", said)
    result, said = trial(made.rstrip() + " \\\n    CALL(acct)\n")
    ok("a call is added: it, too", result == "passes", "", said)
    result, said = trial(made.replace("    CALL(kcmp) \\\n", ""))
    ok("a call is taken away: its row does not compile", result == "does not compile" and "MADE_kcmp" in said, "", said)

finish()
