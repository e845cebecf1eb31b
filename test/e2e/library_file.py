#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The library as a file: what it needs, what it exports, what it asks of the loader."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rules
from harness import ALLOCATORS, KINDS, LIBDIR, LIBRARY, Failure, case, finish, ok

C = """malloc calloc realloc free reallocarray memalign aligned_alloc posix_memalign valloc pvalloc
malloc_usable_size free_sized free_aligned_sized""".split()
JEMALLOC = "mallocx rallocx xallocx sallocx dallocx sdallocx nallocx".split()
NEW = [f"_Z{op}m{rest}" for op in ("nw", "na") for rest in
       ("", "RKSt9nothrow_t", "St11align_val_t", "St11align_val_tRKSt9nothrow_t")]  # fmt: skip
DELETE = [f"_Z{op}Pv{rest}" for op in ("dl", "da") for rest in
          ("", "m", "RKSt9nothrow_t", "St11align_val_t", "mSt11align_val_t",
           "St11align_val_tRKSt9nothrow_t")]  # fmt: skip
THREADS = ["pthread_create", "thrd_create"]
# Exports that no installed library needs to define: our own, and C23's, which glibc has from 2.43 on.
OWN = {"pprofinject_api_v1", "__asan_default_options", "free_sized", "free_aligned_sized"}


def read(*args: str) -> str:
    done = subprocess.run(["readelf", "-W", *args], capture_output=True, text=True)
    if done.returncode or not done.stdout:
        raise Failure(done.stderr)
    return done.stdout


def exports(path: Path) -> set[str]:
    """Defined dynamic symbols, with a version where they have one."""
    rows = re.findall(
        r"^\s*\d+: [0-9a-f]+\s+\S+\s+\S+\s+(?:GLOBAL|WEAK|UNIQUE)\s+\S+\s+(?!UND)\S+\s+(\S+)",
        read("--dyn-syms", str(path)),
        re.M,
    )
    return set(rows)


def judge() -> None:
    dynamic = read("-d", str(LIBRARY))
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    ok("NEEDED is libc alone", needed <= {"libc.so.6", "ld-linux-x86-64.so.2"}, needed)
    ok("libc is NEEDED", "libc.so.6" in needed, needed)
    ok("no RPATH, no TEXTREL", not re.search(r"RPATH|RUNPATH|TEXTREL", dynamic))
    segments = read("-l", str(LIBRARY))
    ok("no executable stack", re.search(r"GNU_STACK.*\bRW\b", segments) is not None)
    mine = exports(LIBRARY)
    want = {*C, *JEMALLOC, *NEW, *DELETE, *THREADS}
    ok(f"it interposes the {len(want)} names", want <= mine, len(mine), sorted(want - mine))
    versioned = sorted(n for n in mine if "@" in n)
    ok("no export has a version", not versioned, versioned)
    # A function that we export must be one that the program would otherwise get from one of these.
    known = set(OWN)
    for path in (LIBDIR / "libc.so.6", LIBDIR / "libstdc++.so.6", ALLOCATORS["jemalloc"]):
        known |= {n.partition("@")[0] for n in exports(path)}
    strange = sorted(mine - known)
    ok("it exports nothing but what it interposes and the API", not strange, "", strange)
    model = "STATIC_TLS" in dynamic or "TLSDESC" not in read("-r", str(LIBRARY))
    calls = "__tls_get_addr" in read("--dyn-syms", str(LIBRARY))
    ok("thread-local state is initial-exec", model and not calls)


with case("library"):
    if not LIBRARY.exists():
        raise Failure("not built")
    judge()
ok("profiles: those of the contract", set(KINDS) == set(rules.KINDS) and len(KINDS) == len(rules.KINDS), sorted(KINDS))
finish()
