# SPDX-License-Identifier: MIT
"""Run real programs under test/unwind/truth.c, sum what it reports, judge it.

Used by test/e2e/unwind_truth.py and test/long/unwind_truth.py. A program is run again until it has
given as many samples as are wanted. That it prints what it prints by itself is judged too.

Known differences, all of them in programs that throw: while libgcc leaves _Unwind_RaiseException or
_Unwind_Resume for a landing pad, the saved registers of that frame are already those of the catching
one, so that no rule finds the caller. Both walks end there; the walk proper leaves out a last frame
that is no code.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import BUILD, Failure, case, environment, folder, ok, run  # noqa: E402
from truth_programs import PROGRAMS, Skip, needed  # noqa: E402

HERE = Path(__file__).resolve().parent
LIBRARY = BUILD / "test" / "unwind" / "truth.so"
BAR = 0.999  # of the samples: the stack is that of libunwind's slow steps
RUNS = 400
CAUSES_SHOWN = 6
STOP_EVERY = 10  # samples, so that the stops of gdb are spread over a program's life
STOPS_LEAST = 100
PROGRAMS_AT_ONCE = 2


@dataclass
class Books:
    """What all runs of one program have reported."""

    samples: int = 0
    truncated: int = 0  # equal, and neither walk gets to the end
    bare: int = 0  # equal as far as the truth goes, which is to code without frame information
    bare_cut: int = 0  # of these, walks that do not get to the end
    different: int = 0
    frames: int = 0
    deepest: int = 0
    idle: int = 0
    runs: int = 0
    same_output: bool = True
    causes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    shown: list[dict] = field(default_factory=list)

    def add(self, line: dict) -> None:
        for name in ("samples", "truncated", "bare", "bare_cut", "different", "frames", "idle"):
            setattr(self, name, getattr(self, name) + line[name])
        self.deepest = max(self.deepest, line["deepest"])
        for how, kind, place, count in line["causes"]:
            self.causes[how, kind, place] += count
        self.shown += line["shown"]


def preloaded(report: Path, exe: str, samples: int, **more: str) -> dict[str, str]:
    if not LIBRARY.exists():
        raise Failure(f"{LIBRARY} is not built")
    ours = {"LD_PRELOAD": str(LIBRARY), "TRUTH_REPORT": str(report), "TRUTH_EXE": exe}
    return environment(ours | {"TRUTH_SAMPLES": str(samples)} | more)


def measure(name: str, wanted: int) -> Books:
    tmp = folder()
    program = PROGRAMS[name](tmp)
    report = tmp / "report"
    books = Books()
    alone = program.once(environment())
    while books.samples < wanted and books.runs < RUNS:
        left = wanted - books.samples
        env = preloaded(report, program.exe, left, TRUTH_THREADS="1")
        books.same_output &= program.once(env) == alone
        books.runs += 1
        if not report.exists():
            raise Failure(f"{program.exe} has reported nothing")
        for line in report.read_text().splitlines():
            books.add(json.loads(line))
        report.unlink()
    return books


def try_measure(name: str, wanted: int) -> Books | Exception:
    try:
        return measure(name, wanted)
    except (Skip, Failure, OSError, ValueError, KeyError) as error:
        return error


def listed(books: Books) -> Iterable[str]:
    """The causes, the most frequent first; then stacks that differ, from where they do."""
    for equal in (False, True):
        causes = books.causes.most_common()
        of = [(c, n) for c, n in causes if c[0].startswith("equal") == equal]
        for (how, kind, place), count in of[:CAUSES_SHOWN]:
            yield f"{count} × {how}: last common frame {place}, rule {kind}"
    for pair in books.shown[:4]:
        walk, truth = pair["walk"], pair["truth"]
        pairs = enumerate(zip(walk, truth))
        same = next((i for i, (a, b) in pairs if a != b), min(len(walk), len(truth)))
        near = slice(max(same - 2, 0), same + 3)
        yield f"{pair['how']}, frame {same}: walk … {walk[near]}, truth … {truth[near]}"


def judge(samples: int, names: Iterable[str] = tuple(PROGRAMS)) -> None:
    names = list(names)
    with ThreadPoolExecutor(PROGRAMS_AT_ONCE) as pool:
        for name, books in zip(names, pool.map(lambda n: try_measure(n, samples), names)):
            if isinstance(books, Skip):
                print(f"# {name}: skipped, {books}", flush=True)
                continue
            if isinstance(books, Exception):
                ok(f"{name}: the walk tells the truth", False, why=f"{type(books).__name__}: {books}")
                continue
            n = max(books.samples, 1)
            figures = (
                f"{n - books.different} of {n}, truncated {(books.truncated + books.bare_cut) / n:.3%}, "
                f"beyond the truth's end {books.bare / n:.3%}, "
                f"{books.frames / n:.1f} frames, deepest {books.deepest}, {books.runs} runs"
            )
            good = books.samples >= samples and n - books.different >= BAR * n
            ok(f"{name}: the walk tells the truth", good, figures)
            ok(f"{name}: it prints what it prints by itself", books.same_output)
            for line in listed(books):
                print(f"#   {line}", flush=True)


def by_gdb(name: str, stops: int) -> None:
    """gdb, stopped in the handler of a sample, reads call frame information by itself."""
    with case(f"{name}: the walk is gdb's"):
        tmp = folder()
        try:
            program = PROGRAMS[name](tmp)
        except Skip as reason:
            print(f"# {name}: skipped, {reason}", flush=True)
            return
        inner = preloaded(tmp / "report", program.exe, 10**9, TRUTH_STOP=str(STOP_EVERY))
        passed = {k: v for k, v in inner.items() if k.startswith(("LD_PRELOAD", "TRUTH_"))}
        ours = {
            "GDB_PROGRAM": json.dumps(program.argv),
            "GDB_ENVIRONMENT": json.dumps(passed),
            "GDB_STOPS": str(stops),
        }
        argv = [needed("gdb"), "-nx", "-batch", "-x", str(HERE / "truth_gdb.py")]
        done = run(argv, environment(ours), cwd=program.cwd, timeout=600)
        found = done.stdout.strip().rsplit("\n", 1)[-1]
        if not found.startswith("{"):
            raise Failure(f"gdb says {done.stdout[-300:]!r} {done.stderr[-300:]!r}")
        books = json.loads(found)
        n = books["stops"]
        good = n - len(books["different"])
        figures = f"{good} of {n}, truncated {books['truncated']}"
        ok(f"{name}: the walk is gdb's", n >= STOPS_LEAST and good >= BAR * n, figures)
        for pair in books["different"][:4]:
            print(f"#   frame {pair['at']}: walk … {pair['walk']}, gdb … {pair['gdb']}", flush=True)
