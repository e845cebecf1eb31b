#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""debug=1: each text of a dump, read by `go tool pprof`, has the functions and totals of the protobuf of
the same dump, within the rounding of its sampling; and can be read
without tools.

The program has DWARF and no code in .text.startup, where Go's own reader finds no lines: `go tool pprof` looks the
addresses of a text up by itself. The names in the text are the symboliser's, also of a main that lies there.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import ROOT, Failure, case, finish, folder, inject, ok
from profile import Profile, load

UNITS = {"B": 1, "kB": 1024, "MB": 1 << 20, "GB": 1 << 30, "ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9, "": 1}
COLUMN = {"heap": "inuse_space", "allocs": "alloc_space", "block": "delay", "mutex": "delay", "cpu": "samples"}
HEADS = {
    "heap": r"heap profile: \d+: \d+ \[\d+: \d+\] @ heap/1048576\n",
    "allocs": r"heap profile: \d+: \d+ \[\d+: \d+\] @ heap/1048576\n",
    "block": r"--- contention:\ncycles/second=1000000000\n",
    "mutex": r"--- mutex:\ncycles/second=1000000000\nsampling period=1\n",
}


def top(path: Path, column: str) -> tuple[float, dict[str, float]]:
    """The total and the cumulative sums that go tool pprof shows."""
    argv = ["go", "tool", "pprof", "-top", "-cum", "-nodecount=1000", "-nodefraction=0"]
    argv += ["-sample_index=" + column] if column in ("inuse_space", "alloc_space") else []
    done = subprocess.run([*argv, str(path)], capture_output=True, text=True)
    head = re.search(r"of ([\d.]+)(\w*) total", done.stdout)
    if done.returncode or not head:
        if "Showing nodes" in done.stdout:
            return 0.0, {}
        raise Failure(f"{path.name}: {done.stderr[-300:]} {done.stdout[-300:]}")
    rows = re.findall(r"^\s*\S+\s+\S+%\s+\S+%\s+([\d.]+)(\w*)\s+\S+%\s+(.*)$", done.stdout, re.M)
    return float(head[1]) * UNITS[head[2]], {n: float(v) * UNITS[u] for v, u, n in rows}


def judge(kind: str, text: Path, proto: Profile) -> None:
    column = COLUMN.get(kind, proto.sample_types[0].type)
    total, rows = top(text, column)
    want = proto.total(column)
    # The text has whole samples, and one is worth up to the rate; pprof rounds what it prints, too.
    slack = max(0.006 * want, 0.5)
    ok(f"{kind}: the same total", abs(total - want) <= slack, f"{total} of {want}")
    main = proto.mappings[0]
    sums: dict[str, int] = {}
    for s in proto.samples:
        names = {x.function.name for loc in s.locations if loc.mapping is main for x in loc.lines[-1:]}
        for name in names - {"_start"}:
            sums[name] = sums.get(name, 0) + s.values[proto.index(column)]
    wrong = {n: (rows.get(n), v) for n, v in sums.items() if v and abs(rows.get(n, 0) - v) > max(0.06 * v, slack)}
    ok(f"{kind}: the same functions", not wrong, sorted(sums), wrong)
    content = text.read_text()
    ok(f"{kind}: its head", re.match(HEADS.get(kind, rf"{unquote(kind)} profile: total \d+\n"), content) is not None, content[:80])
    frame = re.search(r"^#\t0x[0-9a-f]+\t\S+\+0x[0-9a-f]+\t+\S+every_profile\.c:\d+$", content, re.M)
    ok(f"{kind}: function + offset, file:line", not want or frame is not None, "", content[:400])
    ok(f"{kind}: the memory map", "\n--- Memory map: ---\n" in content)


def main() -> None:
    exe = folder() / "every_profile"
    source = str(ROOT / "test/programs/every_profile.c")
    flags = ["-O1", "-g", "-pthread", "-fno-reorder-functions", "-fno-optimize-sibling-calls", "-D_GNU_SOURCE", f"-I{ROOT}"]
    built = subprocess.run(["gcc", *flags, source, "-o", str(exe)], capture_output=True, text=True)
    if built.returncode:
        raise Failure(built.stderr)
    run = inject([str(exe)], {"PPROF_DEBUG": "1"}, symbolize=True, expect=None)
    ok("the program runs", run.status == 0, run.status, run.stderr)
    files = sorted(run.out.glob("*.001.*.pb.gz"))
    for path in files:
        kind = path.name.split(".001.")[1].removesuffix(".pb.gz")
        judge(kind, path.with_name(path.name.replace(".pb.gz", ".txt")), load(path))
    ok("all of them", len(files) >= 6, [p.name for p in files])
    labels = [p.read_text() for p in run.out.glob("*.001.goroutine.txt")]
    ok("labels", labels and '\n# labels: {"route":"/a \\"quoted\\""}\n' in labels[0], "", labels)


# gcc puts an optimised main into .text.startup. The first one's last instruction is a call, behind which another
# function begins.
LEAVES = """
#include <stdlib.h>
int main(void) { exit(0); }
"""
ASKS = """
#include "pprofinject.h"
#include <pthread.h>
#include <unistd.h>
static void *waits(void *arg) { return sleep(600) ? arg : 0; }
int main(void)
{
    pthread_t thread;
    pthread_create(&thread, 0, waits, 0);
    return pprof_profile_write_to(pprof_lookup("goroutine"), 1, 1); /* asks */
}
"""


def optimised(compiler: str, flags: str) -> None:
    place = folder()
    for name, source in ("leaves", LEAVES), ("asks", ASKS):
        (place / f"{name}.c").write_text(source)
        argv = [compiler, *flags.split(), f"-I{ROOT}/preload", f"{place}/{name}.c", "-o", f"{place}/{name}", "-pthread", "-ldl"]
        subprocess.run(argv, check=True, capture_output=True)
    result = inject([str(place / "leaves")], {"PPROF_DEBUG": "1"}, symbolize=True, expect=None)
    text = "".join(p.read_text() for p in result.out.glob("*.001.goroutine.txt"))
    debug = "-g" in flags
    found = re.search(r"^#\t0x[0-9a-f]+\tmain\+0x[0-9a-f]+(\t+\S+leaves\.c:3)?$", text, re.M)
    ok(f"{compiler} {flags}: main that ends the program is named", found is not None and bool(found[1]) == debug, "", text[:600])
    text = inject([str(place / "asks")], symbolize=True, expect=None).stdout
    wanted = str(ASKS[: ASKS.index("/* asks */")].count("\n") + 1) if debug else ""
    stacks = [re.findall(r"^#\t0x[0-9a-f]+\t(\w+)\+0x[0-9a-f]+(?:\t+\S+:(\d+))?$", x, re.M) for x in text.split("\n\n")]
    first = [x[0] for x in stacks if x]
    ok(f"{compiler} {flags}: main that asks for the text is the first frame", ("main", wanted) in first, "", text[:600])


with case("text forms"):
    main()
for each in ("gcc", "-O2"), ("gcc", "-O2 -g"), ("gcc", "-O2 -g -flto"), ("clang", "-O2 -g"):
    with case(" ".join(each)):
        optimised(*each)
finish()
