#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The judge of all other tests (lib/profile.py, lib/rules.py): it reads what Go writes as `go tool pprof` does, and
each of its rules can fail.

Needs no library: a profile is built here field by field, broken in one place at a time, and the rule for that
must object.
"""

# timeout: 240

from __future__ import annotations

import copy
import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rules
from harness import Failure, case, environment, finish, folder, ok
from profile import FormatError, decode, load
from profile_writer import encoded

GO_PROGRAM = """package main

import (
\t"os"
\t"runtime"
\t"runtime/pprof"
\t"sync"
\t"time"
)

var kept [][]byte

func burn(d time.Duration) (n int) {
\tfor t := time.Now(); time.Since(t) < d; n++ {
\t}
\treturn n
}

func main() {
\truntime.MemProfileRate = 1
\truntime.SetBlockProfileRate(1)
\truntime.SetMutexProfileFraction(1)
\tcpu, _ := os.Create("cpu.pb.gz")
\tpprof.StartCPUProfile(cpu)
\tburn(300 * time.Millisecond)
\tfor i := 0; i < 1000; i++ {
\t\tkept = append(kept, make([]byte, 1000))
\t}
\tvar m sync.Mutex
\tm.Lock()
\tgo func() { burn(20 * time.Millisecond); m.Unlock() }()
\tm.Lock()
\tpprof.StopCPUProfile()
\tfor _, p := range pprof.Profiles() {
\t\tf, _ := os.Create(p.Name() + ".pb.gz")
\t\tp.WriteTo(f, 0)
\t\tf.Close()
\t}
}
"""


def go_files(out: Path) -> list[Path]:
    (out / "main.go").write_text(GO_PROGRAM)
    env = environment({"GOCACHE": str(out / "cache"), "GOFLAGS": "-mod=mod", "GO111MODULE": "off"})
    env |= {"HOME": str(out), "GOTOOLCHAIN": "local"}
    subprocess.run(["go", "build", "-o", "main", "main.go"], cwd=out, env=env, check=True)
    subprocess.run(["./main"], cwd=out, env=env, check=True)
    return sorted(out.glob("*.pb.gz"))


def raw_totals(path: Path) -> list[int]:
    """The column sums that go tool pprof -raw shows."""
    text = subprocess.run(
        ["go", "tool", "pprof", "-raw", str(path)],
        env=environment({"HOME": str(path.parent)}), check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    rows = text.split("Samples:\n")[1].split("Locations\n")[0].splitlines()[1:]
    sums: list[int] = []
    for row in rows:
        left = row.partition(":")[0].split()
        if left and all(x.lstrip("-").isdigit() for x in left) and ":" in row:
            values = [int(x) for x in left]
            sums = [a + b for a, b in zip(sums, values)] if sums else values
    return sums


def go_checks() -> None:
    out = folder()
    files = go_files(out)
    ok("go writes its profiles", len(files) == 7, [f.name for f in files])
    for path in files:
        profile = load(path)
        found = rules.faults(profile)
        ok(f"go's {path.name} breaks no general rule", not found, len(profile.samples), found)
        mine = [profile.total(t.type) for t in profile.sample_types] if profile.samples else []
        if any(not s.locations for s in profile.samples):
            continue  # go 1.19's threadcreate: pprof drops samples without a stack
        theirs = raw_totals(path)
        ok(f"go's {path.name}: the totals of pprof -raw", mine == theirs, mine, theirs)
    ok("names and stacks", load(out / "cpu.pb.gz").cumulative("cpu")["main.burn"] > 0)


# ------------------------------------------------------------------- a profile, built field by field

STRINGS = ["", "alloc_objects", "count", "alloc_space", "bytes", "inuse_objects", "inuse_space",
           "space", "/bin/x", "abcd", "main", "x.c", "[lost]", "text"]  # fmt: skip
S = {text: i for i, text in enumerate(STRINGS)}
GOOD = {
    1: [{1: S["alloc_objects"], 2: S["count"]}, {1: S["alloc_space"], 2: S["bytes"]},
        {1: S["inuse_objects"], 2: S["count"]}, {1: S["inuse_space"], 2: S["bytes"]}],
    2: [{1: [1, 2], 2: [2, 20, 1, 10], 3: [{1: S["bytes"], 3: 10}]},
        {1: [3], 2: [1, 5, 0, 0], 3: [{1: S["bytes"], 3: 5}]}],
    3: [{1: 1, 2: 0x1000, 3: 0x2000, 5: S["/bin/x"], 6: S["abcd"], 7: 1, 8: 1, 9: 1}],
    4: [{1: 1, 2: 1, 3: 0x1500, 4: [{1: 1, 2: 7}]}, {1: 2, 2: 1, 3: 0x1600, 4: [{1: 1, 2: 9}]},
        {1: 3, 4: [{1: 2}]}],
    5: [{1: 1, 2: S["main"], 3: S["main"], 4: S["x.c"]}, {1: 2, 2: S["[lost]"], 3: S["[lost]"]}],
    6: STRINGS,
    9: 1_750_000_000_000_000_000,
    11: {1: S["space"], 2: S["bytes"]},
    12: 1,
    14: S["inuse_space"],
}  # fmt: skip

# What is broken, how, and a word of the fault or the decoding error that must be reported.
BREAKS: list[tuple[str, Callable[[dict], object], str]] = [
    ("string 0", lambda p: p[6].__setitem__(0, "x"), "string_table[0]"),
    ("a string twice", lambda p: p[6].append("main"), "twice"),
    ("sparse ids", lambda p: p[5][1].update({1: 3}) or p[4][2].update({4: [{1: 3}]}), "function ids"),
    ("location id 0", lambda p: p[4].append({1: 0, 3: 1, 4: [{1: 1}]}), "location ids"),
    ("no mapping", lambda p: (p.pop(3), [x.pop(2, 0) for x in p[4]]), "no mapping 1"),
    ("unnamed program", lambda p: p[3][0].pop(5), "names no program"),
    ("dangling function", lambda p: p[4][0][4][0].update({1: 9}), "no function"),
    ("dangling mapping", lambda p: p[4][0].update({2: 9}), "no mapping 9"),
    ("dangling location", lambda p: p[2][0].update({1: [1, 9]}), "no location"),
    ("dangling string", lambda p: p[5][0].update({2: 99}), "string 99"),
    ("unnamed function", lambda p: p[5][0].pop(2), "has no name"),
    ("address outside", lambda p: p[4][0].update({3: 0x2000}), "outside"),
    ("mapping not named", lambda p: p[4][0].pop(2), "names no mapping"),
    ("empty mapping", lambda p: p[3][0].update({3: 0x1000}), "is empty"),
    ("bad build id", lambda p: p[3][0].update({6: S["main"]}), "build id"),
    ("unnamed location", lambda p: p[4][1].pop(4), "has no line"),
    ("no flags", lambda p: [p[3][0].pop(k) for k in (7, 8, 9)], "yet not has_functions"),
    ("file flag", lambda p: p[5][0].pop(4), "has_filenames"),
    ("no stack", lambda p: p[2].append({2: [1, 5, 0, 0], 3: p[2][1][3]}), "no stack"),
    ("one value short", lambda p: p[2][0].update({2: [1, 10, 1]}), "3 values"),
    ("negative value", lambda p: p[2][0].update({2: [1, 10, -1, -10]}), "negative value"),
    ("all zero", lambda p: p[2][0].update({2: [0, 0, 0, 0]}), "all zero"),
    ("stack twice", lambda p: p[2].append(p[2][1]), "repeats"),
    ("address twice", lambda p: p[4][1].update({3: 0x1500}), "twice"),
    ("unused location", lambda p: p[4].append({1: 4, 2: 1, 3: 0x1700, 4: [{1: 1}]}), "in no sample"),
    ("label without value", lambda p: p[2][0][3].append({1: S["text"]}), "without key or value"),
    ("no bytes label", lambda p: p[2][0].pop(3), "label 'bytes'"),
    ("bytes with a unit", lambda p: p[2][0][3][0].update({4: S["bytes"]}), "unit"),
    ("bytes off at rate 1", lambda p: p[2][0][3][0].update({3: 11}), "rate 1"),
    ("wrong types", lambda p: p[1].pop(0), "sample types"),
    ("wrong default", lambda p: p.update({14: S["alloc_space"]}), "default sample type"),
    ("no default", lambda p: p.pop(14), "default sample type"),
    ("no period", lambda p: p.update({12: 0}), "period 0"),
    ("no period type", lambda p: p.pop(11), "period type"),
    ("no time", lambda p: p.pop(9), "time_nanos"),
    ("time in seconds", lambda p: p.update({9: 1_750_000_000}), "time_nanos"),
    ("a duration", lambda p: p.update({10: 5}), "duration_nanos"),
    ("drop_frames", lambda p: p.update({7: S["main"]}), "drop_frames"),
    ("a comment", lambda p: p.update({13: [S["main"]]}), "drop_frames"),
    ("unknown field", lambda p: p.update({77: 1}), "unexpected field 77"),
    ("time twice", lambda p: p.update({"again": None}), "stands twice"),
]  # fmt: skip


def objections(message: dict) -> list[str]:
    twice = message.pop("again", 0) is None
    data = encoded(message) + (encoded({9: message[9]}) if twice else b"")
    try:
        return rules.faults(decode(gzip.compress(data)), "heap")
    except FormatError as error:
        return [str(error)]


def break_checks() -> None:
    found = objections(copy.deepcopy(GOOD))
    ok("the profile made here is good", not found, why=found)
    for name, damage, word in BREAKS:
        message = copy.deepcopy(GOOD)
        damage(message)
        found = objections(message)
        ok(f"caught: {name}", any(word in fault for fault in found), word, found)
    whole = gzip.compress(encoded(GOOD))
    for name, data in (("cut gzip", whole[:-9]), ("no gzip", encoded(GOOD)),
                       ("cut message", gzip.compress(encoded(GOOD)[:-3]))):  # fmt: skip
        try:
            decode(data)
            raise Failure("accepted")
        except FormatError as error:
            ok(f"caught: {name}", True, error)


with case("decoder against broken profiles"):
    break_checks()
with case("decoder against go"):
    go_checks()
finish()
