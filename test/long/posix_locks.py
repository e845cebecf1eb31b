#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The conformance programs of glibc's own suite (nptl and C11 threads) end injected as they end bare:
mutexes, read-write locks, condition variables, semaphores, barriers, joins, once, cancellation.

The sources are Debian's package glibc-source; what of the suite's support library and of the tests
builds outside glibc's tree is taken, the rest is named. Each program runs bare, then injected with
every wait recorded; the statuses must be the same. Where they differ, both run twice more: a program
that a busy machine fails sometimes must be no more often wrong injected than bare.
"""

# timeout: 3600

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import environment, finish, folder, injected, ok

WANTED = re.compile(
    r"tst-(mutex|rwlock|cond|sem|barrier|join|once|cancel|cleanup|robust|mtx|cnd|call-once|thrd|abstime"
    r"|pthread-timedlock|clock|eintr|fork|exit|kill|signal|tsd|key|basic|unload|detach)[^/]*\.c$"
)
LIMIT = 60.0  # seconds for one program
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-DTIMEOUTFACTOR=3", "-O1", "-w", "-pthread", "-fexceptions"]
EXACT = {"PPROF_BLOCK_RATE": "1", "PPROF_MUTEX_FRACTION": "1"}


def unpack(place: Path) -> Path | None:
    archives = sorted(Path("/usr/src/glibc").glob("glibc-*.tar.xz"))
    if not archives:
        return None
    with tarfile.open(archives[-1]) as tar:
        keep = re.compile(r"[^/]+/(support|nptl|sysdeps/pthread|sysdeps/nptl|test-skeleton\.c|include/(libc-diag|array_length|intprops|libc-pointer-arith)\.h)(/|$)")
        tar.extractall(place, [m for m in tar.getmembers() if keep.match(m.name)])
    return next(place.glob("glibc-*"))


def includes(root: Path) -> list[str]:
    folders = (root / d for d in ("nptl", "sysdeps/pthread", "support"))
    return [f"-I{root}", *(f"-I{d}" for d in folders), "-idirafter", str(root / "include")]


def compile_one(argv: list[str]) -> bool:
    return subprocess.run(["gcc", *argv], capture_output=True).returncode == 0


def support_library(root: Path, place: Path) -> Path:
    sources = sorted((root / "support").glob("*.c"))
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(
            lambda s: compile_one([*FLAGS, *includes(root), "-c", str(s), "-o", str(place / f"{s.stem}.o")]),
            sources,
        )  # fmt: skip
        built = [str(place / f"{s.stem}.o") for s, good in zip(sources, done) if good]
    library = place / "libsupport.a"
    subprocess.run(["ar", "rcs", str(library), *built], check=True)
    return library


def programs(root: Path, place: Path, library: Path) -> list[Path]:
    sources = [p for d in ("nptl", "sysdeps/pthread") for p in sorted((root / d).glob("tst-*.c")) if WANTED.search(p.name)]

    def build(source: Path) -> Path | None:
        binary = place / source.stem
        argv = [*FLAGS, *includes(root), str(source), "-o", str(binary), str(library)]
        return binary if compile_one([*argv, "-lrt", "-ldl", "-lm"]) else None

    with ThreadPoolExecutor(2) as pool:
        built = [b for b in pool.map(build, sources) if b]
    left = len(sources) - len(built)
    ok("programs of the suite built", len(built) >= 100, f"{len(built)}, {left} need glibc's own tree")
    return built


def status(binary: Path, env: dict[str, str]) -> int | str:
    try:
        done = subprocess.run([str(binary)], env=env, capture_output=True, timeout=LIMIT, cwd=binary.parent)
    except subprocess.TimeoutExpired:
        return "late"
    return done.returncode


def compare(binary: Path, out: Path) -> tuple[str, list, list]:
    bare, ours = environment(), injected(out / binary.name, EXACT)
    was, now = [status(binary, bare)], [status(binary, ours)]
    if was != now:
        was += [status(binary, bare) for _ in range(2)]
        now += [status(binary, ours) for _ in range(2)]
    return binary.name, was, now


place = folder()
root = unpack(place)
if root is None:
    ok("skipped: glibc-source is not installed", True)
    finish()
library = support_library(root, place)
binaries = programs(root, place, library)
out = place / "out"
active = 0
with ThreadPoolExecutor(2) as pool:
    for name, was, now in pool.map(lambda b: compare(b, out), binaries):
        worse = sum(s != 0 for s in now) > sum(s != 0 for s in was)
        ok(f"{name}: as bare", was == now or not worse, f"{was[0] if was == now else (was, now)}")
        active += any((out / name).glob("*.pb.gz")) if (out / name).exists() else 0
ok("the library was active", active >= len(binaries) // 2, f"{active} of {len(binaries)} wrote profiles")
finish()
