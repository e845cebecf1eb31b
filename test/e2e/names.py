#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Names: after the symboliser the files have functions, source files and lines, also for libc's exported functions
and for a program whose only names are its exports.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import ROOT, Failure, case, files_in, finish, folder, inject, judged, ok, program, start
from profile import Profile

SITES = ("site_malloc", "site_calloc", "site_realloc", "site_memalign", "site_strdup")


def lines_of(name: str) -> dict[str, tuple[int, int]]:
    """First and last line of each function of a test program, read from its source."""
    found, current = {}, ""
    for number, text in enumerate((ROOT / f"test/programs/{name}.c").read_text().split("\n"), 1):
        head = re.match(r"(?:SITE |static |int )[^=;]*?(\w+)\([^;]*\)$", text)
        if head:
            current, first = head[1], number
        if text == "}" and current:
            found[current] = (first, number)
    return found


def judge_lines(profile: Profile, wanted: tuple[str, ...], source: str) -> None:
    spans = lines_of(source)
    frames = [x for loc in profile.locations for x in loc.lines]
    for name in wanted:
        at = [x for x in frames if x.function.name == name]
        files = {Path(x.function.filename).name for x in at}
        inside = at and all(spans[name][0] <= x.line <= spans[name][1] for x in at)
        ok(f"{name}: file and line", files == {f"{source}.c"} and bool(inside), [x.line for x in at])


def debug_info() -> None:
    heap = inject([program("heap_sites")], {"PPROF_MEM_RATE": "1"}, symbolize=True).dump()["heap"]
    judge_lines(heap, SITES, "heap_sites")
    main = heap.mappings[0]
    flags = (main.has_functions, main.has_filenames, main.has_line_numbers)
    ok("the program's mapping says so", all(flags), flags)
    leaves = heap.flat("alloc_space")
    hooks = [n for n in leaves if re.search(r"^(malloc|calloc|realloc|memalign|operator new)", n)]
    ok("the leaf is the program's caller, no allocator", not hooks, sorted(leaves))
    ok("strdup stands above its caller", "strdup" in leaves or "__strdup" in leaves, sorted(leaves))


def demangled() -> None:
    run = inject([program("own_operators")], {"PPROF_MEM_RATE": "1"}, symbolize=True)
    functions = run.dump()["heap"].functions
    mine = [(f.name, f.system_name) for f in functions if "stock" in f.system_name]
    want = [("shelf::stock", "_ZN5shelf5stockEm")]
    ok("name without parameters, system_name mangled", mine == want, mine)


def exports_alone() -> None:
    """Stripped but exporting, as redis-server is: functions without files."""
    out = folder() / "exporting"
    source = str(ROOT / "test/programs/heap_sites.c")
    argv = ["gcc", "-O2", "-s", "-D_GNU_SOURCE", "-rdynamic", "-pthread", source, "-o", str(out)]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise Failure(done.stderr)
    heap = inject([str(out)], {"PPROF_MEM_RATE": "1"}, symbolize=True).dump()["heap"]
    sums = heap.cumulative("inuse_space")
    ok("stripped: exported names", sums.get("site_malloc") == 64 << 20, sorted(sums))


def nothing() -> None:
    """Stripped altogether: the profile stays valid and keeps its sums."""
    out = folder() / "stripped"
    shutil.copy(program("heap_sites"), out)
    subprocess.run(["strip", str(out)], check=True)
    heap = inject([str(out)], {"PPROF_MEM_RATE": "1"}, symbolize=True).dump()["heap"]
    whole = inject([program("heap_sites")], {"PPROF_MEM_RATE": "1"}).dump()["heap"]
    same = heap.total("alloc_objects") == whole.total("alloc_objects")
    ok("nothing to be found: a valid profile, no sum lost", same, heap.total("alloc_objects"))
    names = [f.name for f in heap.functions]
    ok("no made-up names", not any(n.startswith("site_") for n in names), names[:5])


def while_running() -> None:
    """A dump by the signal is symbolised too, while the program goes on."""
    live = start([program("on_command")], {"PPROF_MEM_RATE": "1"}, symbolize=True)
    live.line()
    live.tell("work 1")
    live.line()
    heap = live.dump()["heap"]
    until = time.monotonic() + 20
    while not (found := judged(heap).cumulative("inuse_space").get("site_grow")):
        if time.monotonic() > until:
            raise Failure("no names 20 s after the dump")
        time.sleep(0.1)
    ok("a dump by the signal gets its names", found == 1 << 20, found)
    result = live.end()
    ok("no other file is left", result.numbers() == [1, 2], result.numbers())


def raw() -> None:
    heap = inject([program("heap_sites")], symbolize=False).dump()["heap"]
    named = [loc for loc in heap.locations if loc.mapping and loc.lines]
    ok("PPROF_SYMBOLIZE=0: addresses alone", not named and bool(heap.locations), len(heap.locations))


def cpu() -> None:
    profile = inject([program("cpu_shares")], symbolize=True).dump()["cpu"]
    sums = profile.cumulative("cpu")
    for name in ("burn_half", "burn_third", "burn_fifth"):
        ok(f"cpu: {name} has its name", sums.get(name, 0) > 0, sums.get(name))


ADA = """with Ada.Text_IO;
procedure Burner is
   package Work is
      function Spin (N : Integer) return Long_Float;
   end Work;
   package body Work is
      function Spin (N : Integer) return Long_Float is
         S : Long_Float := 0.0;
      begin
         for I in 1 .. N loop
            S := S + 1.0 / Long_Float (I);
         end loop;
         return S;
      end Spin;
   end Work;
begin
   Ada.Text_IO.Put_Line (Long_Float'Image (Work.Spin (30_000_000)));
end Burner;
"""


def ada() -> None:
    """GNAT's encoded names, also of nested functions; skipped if GNAT is not installed."""
    if not shutil.which("gnatmake"):
        print("# ada: no gnatmake here")
        return
    place = folder()
    (place / "burner.adb").write_text(ADA)
    subprocess.run(["gnatmake", "-g", "burner.adb"], cwd=place, check=True, capture_output=True)
    profile = inject([str(place / "burner")], {"PPROF_CPU_RATE": "1000"}, symbolize=True).dump()["cpu"]
    sums = profile.cumulative("cpu")
    ok("ada: as its source names it", sums.get("burner.work.spin", 0) > 0, [n for n in sums if "spin" in n])


def run_time_code() -> None:
    """A JIT's map is named by the number that the program has for itself, in a pid namespace, too."""
    enter = ["unshare", "--pid", "--fork", "--mount-proc"]
    apart = subprocess.run([*enter, "true"], capture_output=True).returncode == 0
    for way in ([], enter) if apart else ([],):
        out = folder() / "out"
        argv = [*way, program("run_time_code"), "made at run time"]
        result = inject(argv, {"PPROF_CPU_RATE": "1000"}, symbolize=True, out=out, expect=None)
        Path(result.stdout.strip()).unlink()
        found = [f.path for f in files_in(out) if f.exe == "run_time_code" and f.kind == "cpu"]
        spent = judged(found[-1]).cumulative("cpu").get("made at run time", 0) if found else 0
        ok(f"{' '.join(way) or 'plain'}: code made at run time has its name", spent > 0.15e9, spent)


for part in (ada, run_time_code, debug_info, demangled, exports_alone, nothing, while_running, raw, cpu):
    with case(part.__name__):
        part()
finish()
