#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The C API: every call and every error of it, with the library and without it; the header in every way of
building a program; no leak; a custom profile of a million entries.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rules
from harness import ROOT, bare, case, finish, folder, inject, injected, ok, program, run
from profile import load

SOURCE = ROOT / "test/programs/api_calls.c"
WARN = ["-Wall", "-Wextra", "-Werror"]
BUILDS = {
    "C89": ["gcc", "-std=c89", "-pedantic", *WARN],
    "C89 by clang": ["clang", "-std=c89", "-pedantic", *WARN],
    "no PIE": ["gcc", "-std=gnu11", "-O2", "-no-pie", "-fno-pie", *WARN],
    "static": ["gcc", "-std=gnu11", "-O2", "-static", *WARN],
    "disabled": ["gcc", "-std=c89", "-pedantic", "-DPPROFINJECT_DISABLE", *WARN],
    "C++98": ["g++", "-xc++", "-std=c++98", *WARN],
    "C++17 by clang": ["clang++", "-xc++", "-std=c++17", *WARN],
    "leak sanitizer": ["gcc", "-std=gnu11", "-fsanitize=leak", *WARN],
}
SMALL = r"""
#include "pprofinject.h"
#include <stdio.h>
static void called(pprof_ctx *ctx, void *arg) { *(int *)arg += ctx ? 10 : 1; }
int main(void)
{
    int n = 0;
    pprof_do(NULL, pprof_labels("k", "v", (char *)NULL), called, &n);
    printf("%d %d %d %ld\n", (int)pprof_active(), n, pprof_dump(), pprof_set_mem_profile_rate(-1));
    return 0;
}
"""
ABSENT = "0 1 -38 -38\n"  # -ENOSYS
PRESENT = "1 10 0 524288\n"


def whole() -> None:
    place = folder()
    result = inject([program("api_calls"), str(place)], symbolize=True)
    ok("every call, injected", result.stdout == '{"done": true}\n', result.stdout)
    dump = result.files()
    names = {f.path.name.split(".", 3)[3] for f in dump}
    long = "a name as long as a sentence, which still has room in a file's"
    ok("a long name in full", quote(long, safe="") + ".pb.gz" in names, names)
    ok("a custom profile in every dump", "my%2Ffiles%20%C3%A9.pb.gz" in names, names)
    custom = load(place / "custom.pb.gz")
    kind = "my/files \u00e9"
    ok("custom: by the rules", not rules.faults(custom, kind), rules.faults(custom, kind))
    flat = custom.flat(kind)
    want = {"add_here": 1, "add_caller": 1, "[skip beyond the stack]": 1}
    ok("custom: skip 0, 1 and beyond", flat == want, dict(flat))
    session = load(place / "session.pb.gz")
    ok("session: by the rules", not rules.faults(session, "cpu"), rules.faults(session, "cpu"))
    got = session.cumulative("cpu").get("session", 0)
    ok("session: its CPU time", abs(got - 4e8) <= 4e7, got)
    for name in ("heap", "allocs", "goroutine", "threadcreate"):
        faults = rules.faults(load(place / f"{name}.0"), name)
        ok(f"write_to {name}", not faults, "", faults)
    named = load(place / "goroutine.0").cumulative("goroutine")
    ok("write_to: with names", named.get("main") == 1, named)
    ok("write_to: text for people", "main+0x" in (place / "goroutine.1").read_text(), (place / "goroutine.1").read_text())
    ok("write_to: debug 2", (place / "goroutine.2").read_text().startswith("thread "), "")
    ok("write_to: debug 2 of others is 1", (place / "heap.1").read_text().split("@")[0] == (place / "heap.2").read_text().split("@")[0])


def session_alone() -> None:
    place = folder()
    result = inject([program("api_calls"), str(place)], {"PPROF_CPU_RATE": "0"})
    session = load(place / "session.pb.gz")
    got = session.total("cpu")
    ok("a session at 100 Hz where the rate is 0", session.period == 10**7 and abs(got - 4e8) <= 4e7, got)
    left = load([f.path for f in result.files() if f.kind == "cpu"][0])
    ok("... and the other profile stays empty", not left.samples, len(left.samples))


def absent() -> None:
    done = bare([program("api_calls"), "absent"])
    ok("every call, not injected", done.status == 0, done.stderr)


def builds() -> None:
    place = folder()
    (place / "small.c").write_text(SMALL)
    for name, compiler in BUILDS.items():
        if not shutil.which(compiler[0]):
            continue
        exe = place / "small"
        argv = [*compiler, f"-I{ROOT}/preload", str(place / "small.c"), "-o", str(exe)]
        built = subprocess.run(argv, capture_output=True, text=True)
        plain = bare([str(exe)]) if built.returncode == 0 else None
        ok(f"{name}: builds, and runs alone", plain is not None and plain.stdout == ABSENT,
           plain and plain.stdout, built.stderr)  # fmt: skip
        out = folder() / "out"
        done = run([str(exe)], injected(out), out)
        quiet = name in ("static", "disabled", "leak sanitizer")
        ok(f"{name}: injected", done.stdout == (ABSENT if quiet else PRESENT), done.stdout, done.stderr)


def valgrind() -> None:
    if not shutil.which("valgrind"):
        return
    place = folder()
    env = injected(place / "out") | {"PPROF_EXIT_WAIT": "0"}
    preload = env.pop("LD_PRELOAD")
    argv = ["valgrind", "--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite",
            "--error-exitcode=9", "--trace-children=yes",
            "env", f"LD_PRELOAD={preload}", program("api_calls"), str(place)]  # fmt: skip
    done = run(argv, env, place / "out", timeout=100)
    ok("valgrind: no error, no leak", done.status == 0, done.status, done.stderr[-600:])


def entries() -> None:
    done = inject([program("api_entries")], timeout=100)
    ok("a million entries, added and removed by 8 threads", done.stdout.startswith("{"), done.stdout)


for part in (whole, session_alone, absent, builds, valgrind, entries):
    with case(part.__name__):
        part()
finish()
