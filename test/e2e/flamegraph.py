#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""scripts/flamegraph: what it draws is what the profile holds.

Profiles with known stacks are drawn, and the SVG is read back as XML: each box has its name, its
value and its place above its caller. A profile of an injected program is drawn by the command itself.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import ROOT, Failure, case, finish, folder, inject, ok, program
from profile import Function, Line, Location, Mapping, Profile, Sample, ValueType, load

SCRIPT = ROOT / "scripts/flamegraph"
SVG = "{http://www.w3.org/2000/svg}"


def script():
    """The script as a module; it has no .py in its name."""
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("flamegraph", str(SCRIPT))
    spec = importlib.util.spec_from_loader("flamegraph", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    sys.modules["flamegraph"] = module
    loader.exec_module(module)
    return module


flamegraph = script()


@dataclass
class Drawn:
    name: str
    value: str
    share: float
    x: float
    y: float
    width: float
    fill: str


def boxes(svg: str) -> list[Drawn]:
    found = []
    for group in ET.fromstring(svg).findall(f"{SVG}g"):
        title, rect = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
        assert title is not None and title.text and rect is not None
        match = re.fullmatch(r"(?s)(.*): ([^:]*), ([\d.]+) %", title.text)
        if not match:
            raise Failure(f"tooltip {title.text!r}")
        place = [float(rect.get(key, "nan")) for key in ("x", "y", "width")]
        found.append(Drawn(match[1], match[2], float(match[3]), *place, fill=rect.get("fill", "")))
    return found


def made(stacks: dict[str, int], unit: str = "count", named: bool = True) -> Profile:
    """A profile of one sample type, "events". A stack is "main;f;g", the leaf last."""
    mappings = [Mapping(1, 0x1000, 0x2000, 0, "/bin/app"), Mapping(2, 0x8000, 0x9000, 0, "/lib/libx.so")]
    profile = Profile(sample_types=[ValueType("events", unit)], mappings=mappings)
    table: dict[str, Location] = {}
    for stack, value in stacks.items():
        for name in stack.split(";"):
            if name not in table:
                number = len(table) + 1
                mapping = mappings[1] if name.startswith("lib") else mappings[0]
                lines = [Line(Function(number, name), 1)] if named else []
                table[name] = Location(number, mapping, 0x1000 + number, lines)
        profile.samples.append(Sample([table[n] for n in reversed(stack.split(";"))], [value], []))
    profile.locations = list(table.values())
    return profile


def drawn(stacks: dict[str, int], **more) -> list[Drawn]:
    return boxes(flamegraph.draw(made(stacks, **more), "events", "a title"))


def known() -> None:
    found = drawn({"main;f;g": 50, "main;f": 10, "main;h;g": 30, "main;f;libc_read": 10})
    shares = [(b.name, b.value, b.share) for b in found]
    wanted = [
        ("all", "100", 100.0), ("main", "100", 100.0), ("f", "70", 70.0), ("g", "50", 50.0),
        ("libc_read", "10", 10.0), ("h", "30", 30.0), ("g", "30", 30.0),
    ]  # fmt: skip
    ok("each box has its name, its value and its share; the widest stands first", shares == wanted, why=shares)
    full = found[0].width
    wide = all(abs(b.width - full * b.share / 100) < 1.2 for b in found)
    ok("a box is as wide as its share", wide, why=found)
    of = {(b.name, b.value): b for b in found}
    above = [("main", "100", "all", "100"), ("f", "70", "main", "100"), ("g", "50", "f", "70"),
             ("libc_read", "10", "f", "70"), ("h", "30", "main", "100"), ("g", "30", "h", "30")]  # fmt: skip
    good = True
    for name, value, caller, callers_value in above:
        box, below = of[name, value], of[caller, callers_value]
        good &= box.y == below.y - flamegraph.ROW and below.x <= box.x
        good &= box.x + box.width <= below.x + below.width + 1
    ok("a box stands on its caller and within it", good, why=found)
    same = of["g", "50"].fill == of["g", "30"].fill
    ok("a function has one colour", same and of["g", "50"].fill != of["libc_read", "10"].fill)
    found = drawn({"main;main;main": 5})
    ok("recursion is a tower", [b.name for b in found] == ["all", "main", "main", "main"], why=found)


def odd() -> None:
    text = 'operator<< <char>("&")'
    found = drawn({f"main;{text}": 3, "main;[truncated]": 1})
    ok("names with <, & and quotes come through", text in [b.name for b in found], why=found)
    found = drawn({"main;f": 3}, named=False)
    names = [b.name for b in found]
    ok("a location without a name shows module and address", names == ["all", "app!0x1001", "app!0x1002"], why=names)
    found = drawn({"main;f": 1_500_000_000, "main;g": 2_000}, unit="nanoseconds")
    values = {b.name: b.value for b in found}
    ok("time is in s and ms", values.get("f") == "1.5 s", why=values)
    ok("what is too narrow to be seen is left out", "g" not in values, why=values)
    found = drawn({"main;f": 3 << 20}, unit="bytes")
    ok("memory is in MiB", found[0].value == "3 MiB", why=found)
    found = drawn({"main;f": -5, "main;g": 5})
    ok("negative values, as of -base, are left out", [b.name for b in found] == ["all", "main", "g"], why=found)
    svg = flamegraph.draw(made({}), "events", "t")
    ok("a profile without samples says so", not boxes(svg) and "no samples" in svg)
    many = {";".join(f"a_long_name_{n}_{i % (7 + n % 5)}" for i in range(60)): 9000 // (n + 9) for n in range(300)}
    size = len(flamegraph.draw(made(many), "events", "t").encode())
    limit = flamegraph.BYTES_MAX
    ok("a large profile is a small picture, its widest boxes left", limit / 3 < size < limit, f"{size} bytes")


def command() -> None:
    """The command on a profile that an injected program left, against the decoder's own sums."""
    out = folder() / "out"
    result = inject([program("cpu_shares")], {"PPROF_CPU_RATE": "1000"}, symbolize=True, out=out)
    path = next(f.path for f in result.files() if f.kind == "cpu")
    svg = out / "picture.svg"
    done = subprocess.run([SCRIPT, "-t", "a & b", "-o", svg, path], capture_output=True, text=True)
    ok("the command draws a file", done.returncode == 0 and done.stdout == f"{svg}\n", why=done.stderr)
    profile, found = load(path), boxes(svg.read_text())
    total = profile.total("cpu")
    wide = {name for name, value in profile.flat("cpu").items() if value > 0.02 * total}
    missing = wide - {b.name for b in found}
    ok("every leaf of two percent is there", bool(wide) and not missing, f"{len(wide)} leaves", why=missing)
    ok("the whole is the profile's total", found[0].value == flamegraph.human(total, "nanoseconds"), found[0].value)
    done = subprocess.run([SCRIPT, "-s", "bytes", path], capture_output=True, text=True)
    ok("an unknown sample type is an error", done.returncode == 1 and "samples, cpu" in done.stderr, why=done.stderr)
    path.write_bytes(b"not a profile")
    done = subprocess.run([SCRIPT, path], capture_output=True, text=True)
    told = done.returncode == 1 and done.stderr.startswith("flamegraph: ")
    ok("what is no profile is an error", told and "Traceback" not in done.stderr, why=done.stderr)


with case("known stacks"):
    known()
with case("odd profiles"):
    odd()
with case("the command"):
    command()
finish()
