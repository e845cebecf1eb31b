#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No leak by LeakSanitizer: the C API called in every way, right and wrong, by programs that are built
with it. The library is inactive in such programs; the build of it that runs here is active.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import BUILD, LIBRARY, ROOT, bare, case, environment, files_in, finish, folder, ok

LEAK = r"""
#include "pprofinject.h"
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static void *loses(void *arg)
{
    void *volatile lost = malloc(4321);
    lost = NULL;
    return arg;
}
int main(void)
{
    pthread_t thread; /* its stack and registers go: what is left of an address there is no leak */
    pthread_create(&thread, NULL, loses, NULL);
    pthread_join(thread, NULL);
    return pprof_active() && write(1, "active", 6) == 6 ? 0 : 1;
}
"""
REPORT = re.compile(r"SUMMARY: LeakSanitizer: (\d+) byte")

place = folder()


def built_beside() -> Path:
    """Builds the library with one file compiled so that it stays active beside a sanitizer."""
    tree = place / "tree"
    for name in ("collectors", "encoder", "preload"):
        shutil.copytree(ROOT / name, tree / name)
    (tree / "scripts").mkdir()
    for name in ("Makefile", "scripts/list-syscalls"):
        shutil.copy2(ROOT / name, tree / name)
    for name in ("lib", "encoder", "preload"):
        shutil.copytree(BUILD / name, tree / "build" / name)
    (tree / "preload/sanitizer.c").touch()
    argv = ["make", "BUILD=build", "CFLAGS=-DBESIDE_SANITIZER=true", "libpprofinject.so"]
    done = subprocess.run(argv, cwd=tree, capture_output=True, text=True, env=environment())
    ok("builds", done.returncode == 0, "", done.stderr[-400:])
    return tree / "libpprofinject.so"


def with_leaks(name: str, source: Path) -> str:
    exe = place / name
    compiler = ["g++"] if source.suffix == ".cc" else ["gcc", "-std=gnu11", "-D_GNU_SOURCE"]
    argv = [*compiler, "-O2", "-g", "-pthread", "-fsanitize=leak", f"-I{ROOT}/preload", "-o", str(exe), str(source)]
    subprocess.run(argv, check=True, cwd=ROOT)
    return str(exe)


def judged_by_it(library: Path, name: str, argv: list[str], leaked: int = 0, heap: int = 1) -> None:
    out = folder() / "out"
    env = {"LD_PRELOAD": str(library), "PPROF_OUT": str(out), "PPROF_MEM_RATE": str(heap), "PPROF_CPU_RATE": "1000"}
    done = bare(argv, env)
    found = sum(int(n) for n in REPORT.findall(done.stderr))
    ok(f"{name}: {leaked} bytes leaked", found == leaked and (done.status == 0) == (leaked == 0),
       f"{found}, status {done.status}", done.stderr[-600:])  # fmt: skip
    # A process that leaks is ended by LeakSanitizer's exit handler, before the last dump.
    ok(f"{name}: was profiled", done.stdout == "active" if leaked else bool(files_in(out)))


with case("LeakSanitizer"):
    library = built_beside() if LIBRARY == ROOT / "libpprofinject.so" else LIBRARY
    (place / "leak.c").write_text(LEAK)
    judged_by_it(library, "one that does leak", [with_leaks("leak", place / "leak.c")], 4321)
    source = ROOT / "test/programs"
    judged_by_it(library, "every call", [with_leaks("api_calls", source / "api_calls.c"), str(place)])
    labels = with_leaks("api_labels", source / "api_labels.c")
    for what in ("server", "million"):
        judged_by_it(library, f"labels, {what}", [labels, what])
    # The end of a thread loads a library. LeakSanitizer ignores what the dynamic linker never frees, which it
    # tells by the callers; in a sampled allocation one of these is ours.
    judged_by_it(library, "labels, exits", [labels, "exits"], heap=0)
    judged_by_it(library, "do, exception", [with_leaks("api_do", source / "api_do.cc")])
    judged_by_it(library, "entries", [with_leaks("api_entries", source / "api_entries.c")])
finish()
