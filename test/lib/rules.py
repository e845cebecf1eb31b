# SPDX-License-Identifier: MIT
"""What a profile written by the library must obey, beyond being decodable: the contract's table of
kinds, and what Go's pprof, Parca, Pyroscope and speedscope each reject or mis-show.

The harness calls faults() on every file that any test loads. decoder.py proves that each rule
fires.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from profile import Location, Profile, Sample


@dataclass(frozen=True)
class Kind:
    sample_types: tuple[tuple[str, str], ...]
    period_type: tuple[str, str]
    default: str
    period: int | None = None  # None: the rate in force, so only known to be positive


CONTENTION = (("contentions", "count"), ("delay", "nanoseconds"))
HEAP = (
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
)


def counted(name: str) -> Kind:
    """A profile with one value, its own count."""
    return Kind(((name, "count"),), (name, "count"), name, 1)


KINDS = {
    "cpu": Kind((("samples", "count"), ("cpu", "nanoseconds")), ("cpu", "nanoseconds"), "cpu"),
    "heap": Kind(HEAP, ("space", "bytes"), "inuse_space"),
    "allocs": Kind(HEAP, ("space", "bytes"), "alloc_space"),
    "block": Kind(CONTENTION, ("contentions", "count"), "delay", 1),
    "mutex": Kind(CONTENTION, ("contentions", "count"), "delay", 1),
    "threadcreate": counted("threadcreate"),
    "goroutine": counted("goroutine"),
}


def kind_of(name: str) -> Kind:
    """The row of a profile by its name; those that a program makes have one value, their own count."""
    return KINDS.get(name) or counted(name)


def kind_of_file(path: str) -> str | None:
    """The profile's name out of <exe>.<pid>.<NNN>.<profile>.pb.gz, or None for any other file."""
    parts = str(path).rsplit("/", 1)[-1].removesuffix(".pb.gz").rsplit(".", 3)
    good = len(parts) == 4 and parts[1].isdigit() and parts[2].isdigit()
    return parts[3] if good else None


def is_pseudo(location: Location) -> bool:
    """Whether a location is no code but a frame of the library's own: "[thread end]", "[truncated]", ..."""
    return bool(location.lines) and all(x.function.name.startswith("[") for x in location.lines)


def tables(p: Profile) -> Iterator[str]:
    if not p.strings or p.strings[0] != "":
        yield "string_table[0] is not empty"
    if len(set(p.strings)) != len(p.strings):
        yield "string_table holds a string twice"
    for what, table in (("mapping", p.mappings), ("location", p.locations), ("function", p.functions)):
        if [x.id for x in table] != list(range(1, len(table) + 1)):
            yield f"{what} ids are not 1..{len(table)} in table order"
    if not p.mappings:
        yield "there is no mapping 1 (the main program)"
    elif not p.mappings[0].filename.startswith("/"):
        yield f"mapping 1 names no program: {p.mappings[0].filename!r}"
    for f in p.functions:
        if not f.name:
            yield f"function {f.id} has no name"
        if f.start_line < 0:
            yield f"function {f.id} has a negative start_line"


def mappings(p: Profile) -> Iterator[str]:
    for m in p.mappings:
        if m.limit <= m.start:
            yield f"mapping {m.id} is empty: {m.start:#x}-{m.limit:#x}"
        if m.filename.endswith(" (deleted)"):
            yield f"mapping {m.id} keeps the kernel's ' (deleted)'"
        if m.build_id.strip("0123456789abcdef") or len(m.build_id) % 2:
            yield f"mapping {m.id}: build id {m.build_id!r} is not lower-case hex"
        inside = [x for x in p.locations if x.mapping is m and not is_pseudo(x)]
        if m.has_functions and any(not x.lines for x in inside):
            yield f"mapping {m.id} has_functions, yet a location of it has no line"
        if not m.has_functions and any(x.lines for x in inside):
            yield f"mapping {m.id} has a named location, yet not has_functions"
        if (m.has_filenames or m.has_line_numbers or m.has_inline_frames) and not m.has_functions:
            yield f"mapping {m.id} claims files, lines or inlines without functions"
        if m.has_filenames and not any(line.function.filename for x in inside for line in x.lines):
            yield f"mapping {m.id} has_filenames, yet no function of it has a file"
        if m.has_line_numbers and not any(line.line for x in inside for line in x.lines):
            yield f"mapping {m.id} has_line_numbers, yet no line of it has a number"


def locations(p: Profile) -> Iterator[str]:
    seen: set[tuple[int, int]] = set()
    used = {loc.id for sample in p.samples for loc in sample.locations}
    for x in p.locations:
        where = f"location {x.id} ({x.address:#x})"
        if x.id not in used:
            yield f"{where} is in no sample"
        if any(line.line < 0 or line.column < 0 for line in x.lines):
            yield f"{where} has a negative line"
        if is_pseudo(x):
            continue
        if x.address == 0:
            yield f"{where} has neither an address nor a pseudo-frame's name"
        elif x.mapping and not x.mapping.start <= x.address < x.mapping.limit:
            yield f"{where} lies outside its mapping {x.mapping.id}"
        elif not x.mapping and any(m.start <= x.address < m.limit for m in p.mappings):
            yield f"{where} names no mapping, though one holds it"
        key = (x.mapping.id if x.mapping else 0, x.address)
        if key in seen:
            yield f"{where} stands twice"
        seen.add(key)


def sample_key(s: Sample) -> tuple:
    labels = tuple(sorted((x.key, x.text, x.num, x.unit) for x in s.labels))
    return tuple(x.id for x in s.locations), labels


def samples(p: Profile) -> Iterator[str]:
    for i, s in enumerate(p.samples):
        if len(s.values) != len(p.sample_types):
            yield f"sample {i} has {len(s.values)} values for {len(p.sample_types)} types"
        if any(v < 0 for v in s.values):
            yield f"sample {i} has a negative value: {s.values}"
        if any(not x.key or (not x.text and not x.num) for x in s.labels):
            yield f"sample {i} has a label without key or value"
        if any(x.text and x.num for x in s.labels):
            yield f"sample {i} has a label with text and number"


def header(p: Profile, name: str, delta: bool) -> Iterator[str]:
    kind = kind_of(name)
    if tuple((t.type, t.unit) for t in p.sample_types) != kind.sample_types:
        yield f"sample types {p.sample_types}"
    if p.period_type is None or (p.period_type.type, p.period_type.unit) != kind.period_type:
        yield f"period type {p.period_type}"
    off = kind.period is None and p.period == 0 and not p.samples  # a rate of 0
    if not off and (p.period != kind.period if kind.period else p.period <= 0):
        yield f"period {p.period}"
    if p.default_sample_type != kind.default:
        yield f"default sample type {p.default_sample_type!r}, not {kind.default!r}"
    # Before this rule was written, or not in nanoseconds: the clock is wrong.
    if not 1_700_000_000_000_000_000 < p.time_nanos < 4_000_000_000_000_000_000:
        yield f"time_nanos {p.time_nanos}"
    if (p.duration_nanos > 0) != (name == "cpu" or delta) and not off:
        yield f"duration_nanos {p.duration_nanos}: in cpu alone, and with PPROF_DELTA in all"
    if p.drop_frames or p.keep_frames or p.comments or p.doc_url:
        yield "drop_frames, keep_frames, comment and doc_url are not written"


def values(p: Profile, name: str) -> Iterator[str]:
    """The values of one sample must fit each other; and what Go writes but this library must not."""
    seen: set[tuple] = set()
    for i, s in enumerate(p.samples):
        if not any(s.values):
            yield f"sample {i} is all zero"
        if not s.locations:
            yield f"sample {i} has no stack"
        key = sample_key(s)
        if key in seen:
            yield f"sample {i} repeats the stack and labels of another"
        seen.add(key)
        if name == "cpu" and s.values[1] != s.values[0] * p.period:
            yield f"sample {i}: {s.values[1]} ns is not {s.values[0]} periods of {p.period}"
        if name in ("heap", "allocs"):
            sizes = [x.num for x in s.labels if x.key == "bytes"]
            lost = any("[lost: " in line.function.name for x in s.locations for line in x.lines)
            if len(sizes) > 1 or (not sizes and (s.values[1] or s.values[3]) and not lost):
                yield f"sample {i}: numeric label 'bytes' stands {len(sizes)} times"
            if any(x.unit for x in s.labels if x.key == "bytes"):
                yield f"sample {i}: label 'bytes' has a unit; Go gives it none"
            if p.period == 1 and sizes and s.values[1] != s.values[0] * sizes[0]:
                yield f"sample {i}: at rate 1 {s.values[1]} bytes are not {s.values[0]} x {sizes[0]}"


def faults(profile: Profile, name: str | None = None, most: int = 10, delta: bool = False) -> list[str]:
    """The first `most` faults of a profile. name: the profile's kind (None: only the rules for all kinds).
    delta: it was made with PPROF_DELTA.
    """
    found = [*tables(profile), *mappings(profile), *locations(profile), *samples(profile)]
    if name is not None:
        found += header(profile, name, delta)
        if not found:
            found += values(profile, name)
    return found[:most] + ([f"... and {len(found) - most} more"] if len(found) > most else [])
