#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 300
"""Names in the profiles of real programs: every location has one, lines are addr2line's, and a machine
that has none of the binaries shows the same.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from binaries import Binary, addr2line, llvm_symbolizer
from harness import BUILD, LIBRARY, Failure, Run, case, finish, folder, inject, injected, judged, ok, program
from profile import load
from profile_writer import ProfileWriter
from symbolizer import SYMBOLIZER, frames

SAMPLED = 2000
SQL = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<200000) SELECT max(hex(i)) FROM n;"
PYTHON = "import json\nfor i in range(200): json.loads(json.dumps({str(j): [j] * 9 for j in range(300)}))"


def redis(out: Path) -> Run:
    """Runs redis-server under its own benchmark. Only its files are judged, not its exit status."""
    where = folder()
    argv = ["redis-server", "--port", "0", "--unixsocket", str(where / "s"), "--save", "", "--dir", str(where)]
    env = injected(out, {"PPROF_MEM_RATE": "4096"}, symbolize=True)
    server = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while not (where / "s").exists() and time.monotonic() < until:
            time.sleep(0.05)
        bench = ["redis-benchmark", "-s", str(where / "s"), "-n", "20000", "-t", "set,lpush", "-q"]
        subprocess.run(bench, stdout=subprocess.DEVNULL, check=True, timeout=60)
    finally:
        server.terminate()
        server.wait(60)
    return Run(server.pid, server.returncode, "", "", out)


def unsymbolized(run: Run) -> list[Path]:
    """The files that have no names yet: a process that ends by a signal does not wait for the symboliser."""
    return [f.path for f in run.files() if any(not x.lines for x in judged(f.path).locations)]


def named(name: str, run: Run) -> list[Path]:
    until = time.monotonic() + 60
    while (left := unsymbolized(run)) and time.monotonic() < until:
        time.sleep(0.2)
    all_of_it = [judged(f.path) for f in run.files()]
    locations = [x for p in all_of_it for x in p.locations]
    bare = [hex(x.address) for x in locations if not x.lines]
    made_up = sum(1 for x in locations if re.search(r"!0x[0-9a-f]+$", x.lines[0].function.name)) if not bare else 0
    ok(f"{name}: every location has a name or module!0xaddress", bool(locations) and not bare,
       f"{len(locations)} locations, {made_up} of them by address", bare[:5] or left)  # fmt: skip
    return [f.path for f in run.files()]


def bound(argv: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs pprof in a root that has Go and the files, and none of the profile's binaries."""
    tool = subprocess.run(["go", "tool", "-n", "pprof"], stdout=subprocess.PIPE, text=True).stdout.strip()
    box = ["bwrap", "--tmpfs", "/", "--proc", "/proc", "--dev", "/dev", "--ro-bind", str(cwd), "/files",
           "--ro-bind", tool, "/pprof", "--tmpfs", "/tmp", "--setenv", "HOME", "/tmp", "--chdir", "/files"]  # fmt: skip
    needed = subprocess.run(["ldd", tool], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    for lib in re.findall(r"(/\S+)", needed):
        box += ["--ro-bind", lib, lib]
    return subprocess.run([*box, "/pprof", *argv], capture_output=True, text=True, timeout=60)


def elsewhere(files: list[Path]) -> None:
    here = folder()
    for path in files:
        shutil.copy(path, here / path.name)
    differ, said = [], []
    env = dict(os.environ, HOME=str(here), PPROF_TMPDIR=str(here))
    for path in files:
        argv = ["-top", "-lines", "-nodecount=100000", path.name]
        home = subprocess.run(["go", "tool", "pprof", *argv], cwd=here, env=env, capture_output=True, text=True)
        away = bound(argv, here)
        if home.stdout != away.stdout or away.returncode or not home.stdout:
            differ.append((path.name, away.returncode, away.stdout[:200], away.stderr[:200]))
        if away.stderr.strip():
            said.append((path.name, away.stderr[:300]))
    ok("an empty root: pprof shows the same", not differ, f"{len(files)} files", differ[:1])
    ok("and says nothing", not said, "", said[:1])


def lines() -> None:
    """2,000 random addresses of some binaries with debug information are named as addr2line or LLVM names them."""
    picked, total, by_llvm, differ = random.Random(7), 0, 0, []
    judges: list[tuple[str, str]] = []
    for path in (program("heap_sites_cxx"), program("everything_at_once"), str(BUILD / "test/unwind/truth_cxx"),
                 str(LIBRARY), str(SYMBOLIZER)):  # fmt: skip
        judges.append((path, path))
    libc = Binary("/lib/x86_64-linux-gnu/libc.so.6")
    debug = f"/usr/lib/debug/.build-id/{libc.build_id[:2]}/{libc.build_id[2:]}.debug"
    if os.path.exists(debug):
        judges.append((str(libc.path), debug))
    for path, judge in judges:
        binary, raw, file = Binary(path), ProfileWriter(), folder() / "lines.pb.gz"
        out = subprocess.run(["nm", "-S", "--defined-only", judge], stdout=subprocess.PIPE, text=True, check=True).stdout
        spans = [(int(a, 16), int(b, 16)) for a, b in re.findall(r"^(\w+) (\w+) [tTwWi] ", out, re.M)]
        where = [(x.vaddr, x.size, m) for m, x in binary.add_to(raw)]
        addresses = []
        while len(addresses) < SAMPLED // len(judges) + 1:
            start, size = picked.choice(spans)
            address = start + picked.randrange(size) if size else 0
            for low, length, mapping in where:
                if low <= address < low + length and address not in addresses:
                    raw.location(mapping, binary.base + address)
                    addresses.append(address)
        raw.write(file)
        subprocess.run([SYMBOLIZER, file], check=True, timeout=120)
        decoded = load(file)
        theirs, second = addr2line(judge, addresses), llvm_symbolizer(judge, addresses)
        for i, address in enumerate(addresses):
            got = [(f if n else "", n) for _, _, f, n in frames(decoded, i + 1)]
            got = got if len(got) == 1 else [(f, n) for _, _, f, n in frames(decoded, i + 1)]
            wanted = [[(f, n) for _, f, n in answer[i]] for answer in (theirs, second) if answer]
            # Without debug information both take a file name from the symbol table, and have no line.
            plain = [[("", 0)] if len(w) == 1 and w[0][1] == 0 else w for w in wanted]
            total += 1
            by_llvm += got != plain[0] and got in plain
            if got not in plain:
                differ.append((path, hex(address), got, plain))
    ok("file and line of all frames as addr2line -i or llvm-symbolizer", not differ,
       f"{total} addresses of {len(judges)} binaries, {by_llvm} as llvm-symbolizer alone, {len(differ)} as neither", differ[:30])  # fmt: skip


def programs() -> None:
    rate = {"PPROF_MEM_RATE": "4096"}
    files = named("redis", redis(folder() / "out"))
    files += named("sqlite3", inject(["sqlite3", ":memory:"], rate, symbolize=True, stdin=SQL))
    files += named("python3", inject(["/usr/bin/python3", "-c", PYTHON], rate, symbolize=True))
    files += named("C++", inject([program("heap_sites_cxx")], rate, symbolize=True))
    elsewhere(files)


def loader() -> None:
    linker = "/lib64/ld-linux-x86-64.so.2"
    run = inject([linker, program("heap_sites_cxx")], symbolize=True)
    heap = run.dump()["heap"]
    ok("started through ld.so: the program is mapping 1, with names and lines",
       heap.mappings[0].filename == program("heap_sites_cxx") and heap.mappings[0].has_line_numbers,
       heap.mappings[0].filename)  # fmt: skip


for part in (programs, lines, loader):
    with case(part.__name__):
        part()
if not shutil.which("go"):
    raise Failure("go is not installed")
finish()
