#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Door 1: with the compiler of another architecture, all of the library compiles but what
collectors/base/arch has not got for it; and a file that knows the processor elsewhere is caught, by
that compiler and by lint."""

# timeout: 280

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
ROOT = HERE.parent
sys.path[:0] = [str(HERE / "lib"), str(ROOT / "scripts")]
sys.dont_write_bytecode = True
from harness import case, finish, folder, ok
from lint_rules import doors
from lint_rules.tree import Tree

CANARY = "collectors/base/canary.c"
TEXT = """/* SPDX-License-Identifier: MIT */
#include "collectors/base/sys.h"
uint64_t canary(void);
uint64_t canary(void)
{
    return __builtin_ia32_rdtsc();
}
"""


def check(root: Path) -> subprocess.CompletedProcess[str]:
    argv = ["make", "ARCH=aarch64", "CC=aarch64-linux-gnu-gcc", "arch-check"]
    return subprocess.run(argv, cwd=root, capture_output=True, text=True, timeout=250)


with case("every object outside collectors/base/arch compiles for aarch64"):
    done = check(ROOT)
    counts = re.search(r"^(\d+) of (\d+) objects outside", done.stdout, re.M)
    compiled, there = (int(counts[1]), int(counts[2])) if counts else (0, 0)
    sources = [p for top in ("collectors", "preload") for p in (ROOT / top).rglob("*.c") if "/base/arch/" not in str(p)]
    sources += [*(ROOT / "encoder").glob("*.c"), "profile.pb.c"]
    good = done.returncode == 0 and compiled == there == len(sources)
    ok("every object outside collectors/base/arch compiles for aarch64", good, f"{compiled} of {len(sources)}", done.stdout + done.stderr)

with case("a file that knows the processor"):
    few = folder()
    for name in ("collectors/base", "scripts", "encoder"):
        shutil.copytree(ROOT / name, few / name)
    for path in (few / "encoder").glob("*.c"):
        path.unlink()
    shutil.copy(ROOT / "collectors/snapshot.h", few / "collectors")
    shutil.copy(ROOT / "Makefile", few)
    clean, door = check(few), list(doors.door_arch(Tree(few), {}))
    (few / CANARY).write_text(TEXT)
    caught = check(few)
    ok("a clean tree passes", clean.returncode == 0, "", clean.stdout + clean.stderr)
    ok("the compiler catches it", caught.returncode != 0 and CANARY[:-2] in caught.stdout, "", caught.stdout + caught.stderr)
    said = [line for line in doors.door_arch(Tree(few), {}) if line not in door]
    ok("so does lint", len(said) == 1 and said[0].startswith(CANARY), "", said)

finish()
