#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Decode a gzip'ed pprof profile, from the wire format up, with nothing but the standard library.

It shares no code with the library under test (no generated protobuf, no pprof), so a mistake there
cannot hide here. The end-to-end tests read every dump through it; rules.py judges what it decodes.

    python3 test/lib/profile.py FILE...     print each file and judge it by the contract
"""

from __future__ import annotations

import gzip
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path


class FormatError(Exception):
    """The bytes are no profile: broken gzip, broken protobuf, unknown field, dangling reference."""


@dataclass
class ValueType:
    type: str
    unit: str


@dataclass
class Label:
    key: str
    text: str
    num: int
    unit: str


@dataclass
class Mapping:
    id: int = 0
    start: int = 0
    limit: int = 0
    offset: int = 0
    filename: str = ""
    build_id: str = ""
    has_functions: bool = False
    has_filenames: bool = False
    has_line_numbers: bool = False
    has_inline_frames: bool = False


@dataclass
class Function:
    id: int = 0
    name: str = ""
    system_name: str = ""
    filename: str = ""
    start_line: int = 0


@dataclass
class Line:
    function: Function
    line: int
    column: int = 0


@dataclass
class Location:
    id: int = 0
    mapping: Mapping | None = None
    address: int = 0
    lines: list[Line] = field(default_factory=list)  # innermost inline first
    is_folded: bool = False


@dataclass
class Sample:
    locations: list[Location]  # leaf first
    values: list[int]
    labels: list[Label]


WireField = tuple[int, int, "int | bytes"]  # field number, wire type, value

# What the stack of a location is called: its functions, innermost first.
Namer = Callable[[Location], list[str]]


def names_in_file(location: Location) -> list[str]:
    """The function names that the profile itself holds for a location."""
    return [line.function.name for line in location.lines]


@dataclass
class Profile:
    sample_types: list[ValueType] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    mappings: list[Mapping] = field(default_factory=list)
    locations: list[Location] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    strings: list[str] = field(default_factory=list)
    drop_frames: str = ""
    keep_frames: str = ""
    time_nanos: int = 0
    duration_nanos: int = 0
    period_type: ValueType | None = None
    period: int = 0
    comments: list[str] = field(default_factory=list)
    default_sample_type: str = ""
    doc_url: str = ""
    raw_size: int = 0  # bytes before gzip
    parts: dict[str, list[bytes]] = field(default_factory=dict)  # the messages as they stand
    unknown: list[WireField] = field(default_factory=list)  # see decode()

    def index(self, type_name: str) -> int:
        """Where the values of one sample type stand, e.g. "inuse_space"."""
        return [t.type for t in self.sample_types].index(type_name)

    def total(self, type_name: str) -> int:
        i = self.index(type_name)
        return sum(s.values[i] for s in self.samples)

    def cumulative(self, type_name: str, namer: Namer = names_in_file) -> dict[str, int]:
        """Sum by function that stands anywhere in the stack; recursion counts once."""
        i = self.index(type_name)
        sums: dict[str, int] = defaultdict(int)
        for sample in self.samples:
            for name in {n for loc in sample.locations for n in namer(loc)}:
                sums[name] += sample.values[i]
        return sums

    def flat(self, type_name: str, namer: Namer = names_in_file) -> dict[str, int]:
        """Sum by the innermost function of the leaf."""
        i = self.index(type_name)
        sums: dict[str, int] = defaultdict(int)
        for sample in self.samples:
            sums[(namer(sample.locations[0]) or ["?"])[0]] += sample.values[i]
        return sums


# ---------------------------------------------------------------------------------------- protobuf


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise FormatError("varint runs over the end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise FormatError("varint longer than 10 bytes")
    if value >> 64:
        raise FormatError("varint above 64 bits")
    return value, at


FIXED = {1: 8, 5: 4}  # wire type: bytes


def fields(data: bytes, fixed: bool = False) -> Iterator[WireField]:
    """Every field in its order. Fields of a fixed size are an error unless they are asked for."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = varint(data, at)
            yield number, wire, value
        elif wire == 2:
            size, at = varint(data, at)
            if at + size > len(data):
                raise FormatError(f"field {number} runs over the end")
            yield number, wire, data[at : at + size]
            at += size
        elif fixed and wire in FIXED and at + FIXED[wire] <= len(data):
            yield number, wire, data[at : at + FIXED[wire]]
            at += FIXED[wire]
        else:
            raise FormatError(f"field {number} has wire type {wire}; profile.proto uses 0 and 2 alone")


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def packed(value: int | bytes) -> list[int]:
    """One value of a repeated integer field, or all of them where it is packed."""
    if isinstance(value, int):
        return [value]
    out, at = [], 0
    while at < len(value):
        one, at = varint(value, at)
        out.append(one)
    return out


def scalars(data: bytes, what: str, known: dict[int, str]) -> dict[str, int]:
    """A message of integer fields only. A field may stand once; an unknown one is an error."""
    out: dict[str, int] = {name: 0 for name in known.values()}
    seen: set[int] = set()
    for number, wire, value in fields(data):
        if number not in known or wire != 0 or number in seen:
            raise FormatError(f"{what}: unexpected field {number} (wire type {wire})")
        seen.add(number)
        assert isinstance(value, int)
        out[known[number]] = value
    return out


# ----------------------------------------------------------------------------------------- messages

TOP_REPEATED = {1: "sample_type", 2: "sample", 3: "mapping", 4: "location", 5: "function", 6: "string"}
TOP_SCALAR = {
    7: "drop_frames", 8: "keep_frames", 9: "time_nanos", 10: "duration_nanos", 12: "period",
    14: "default_sample_type", 15: "doc_url",
}  # fmt: skip
MAPPING = {
    1: "id", 2: "start", 3: "limit", 4: "offset", 5: "filename", 6: "build_id",
    7: "has_functions", 8: "has_filenames", 9: "has_line_numbers", 10: "has_inline_frames",
}  # fmt: skip
FUNCTION = {1: "id", 2: "name", 3: "system_name", 4: "filename", 5: "start_line"}
LINE = {1: "function_id", 2: "line", 3: "column"}
LABEL = {1: "key", 2: "text", 3: "num", 4: "unit"}


class Decoder:
    """The tables of one profile while its references are being resolved."""

    def __init__(self, data: bytes, keep_unknown: bool) -> None:
        self.unknown: list[WireField] = []
        self.parts: dict[str, list[bytes]] = {name: [] for name in TOP_REPEATED.values()}
        self.top: dict[str, int] = {}
        self.comments: list[int] = []
        self.period_type: bytes | None = None
        for number, wire, value in fields(data, fixed=keep_unknown):
            if keep_unknown and number > max(TOP_SCALAR):
                self.unknown.append((number, wire, value))
            elif wire in FIXED:
                raise FormatError(f"Profile: field {number} has wire type {wire}")
            elif number in TOP_REPEATED and isinstance(value, bytes):
                self.parts[TOP_REPEATED[number]].append(value)
            elif number in TOP_SCALAR and isinstance(value, int):
                name = TOP_SCALAR[number]
                if name in self.top:
                    raise FormatError(f"{name} stands twice (go: concatenated profiles)")
                self.top[name] = signed(value)
            elif number == 11 and isinstance(value, bytes) and self.period_type is None:
                self.period_type = value
            elif number == 13:
                self.comments += packed(value)
            else:
                raise FormatError(f"Profile: unexpected field {number} (wire type {wire})")
        try:
            self.strings = [s.decode("utf-8") for s in self.parts["string"]]
        except UnicodeDecodeError as error:
            raise FormatError(f"string_table: {error}") from None

    def string(self, index: int, what: str) -> str:
        if index >= len(self.strings):
            raise FormatError(f"{what}: string {index} of {len(self.strings)}")
        return self.strings[index]

    def value_type(self, data: bytes) -> ValueType:
        raw = scalars(data, "ValueType", {1: "type", 2: "unit"})
        return ValueType(self.string(raw["type"], "type"), self.string(raw["unit"], "unit"))

    def mapping(self, data: bytes) -> Mapping:
        raw = scalars(data, "Mapping", MAPPING)
        texts = {k: self.string(raw.pop(k), f"Mapping.{k}") for k in ("filename", "build_id")}
        flags = {k: bool(raw.pop(k)) for k in list(raw) if k.startswith("has_")}
        return Mapping(**raw, **texts, **flags)

    def function(self, data: bytes) -> Function:
        raw = scalars(data, "Function", FUNCTION)
        keys = ("name", "system_name", "filename")
        texts = {k: self.string(raw.pop(k), f"Function.{k}") for k in keys}
        return Function(raw["id"], **texts, start_line=signed(raw["start_line"]))

    def location(self, data: bytes, mappings: dict, functions: dict) -> Location:
        out = Location()
        for number, _, value in fields(data):
            if number == 4 and isinstance(value, bytes):
                raw = scalars(value, "Line", LINE)
                if raw["function_id"] not in functions:
                    raise FormatError(f"Location {out.id}: no function {raw['function_id']}")
                function = functions[raw["function_id"]]
                out.lines.append(Line(function, signed(raw["line"]), signed(raw["column"])))
            elif not isinstance(value, int) or number not in (1, 2, 3, 5):
                raise FormatError(f"Location: unexpected field {number}")
            elif number == 1:
                out.id = value
            elif number == 2 and value:
                if value not in mappings:
                    raise FormatError(f"Location {out.id}: no mapping {value}")
                out.mapping = mappings[value]
            elif number == 3:
                out.address = value
            elif number == 5:
                out.is_folded = bool(value)
        return out

    def label(self, data: bytes) -> Label:
        raw = scalars(data, "Label", LABEL)
        key, text, unit = (self.string(raw[k], f"Label.{k}") for k in ("key", "text", "unit"))
        return Label(key, text, signed(raw["num"]), unit)

    def sample(self, data: bytes, locations: dict[int, Location]) -> Sample:
        ids: list[int] = []
        out = Sample([], [], [])
        for number, _, value in fields(data):
            if number == 1:
                ids += packed(value)
            elif number == 2:
                out.values += [signed(v) for v in packed(value)]
            elif number == 3 and isinstance(value, bytes):
                out.labels.append(self.label(value))
            else:
                raise FormatError(f"Sample: unexpected field {number}")
        try:
            out.locations = [locations[i] for i in ids]
        except KeyError as error:
            raise FormatError(f"Sample: no location {error}") from None
        return out

    def profile(self) -> Profile:
        mappings = [self.mapping(m) for m in self.parts["mapping"]]
        functions = [self.function(f) for f in self.parts["function"]]
        by_id = ({m.id: m for m in mappings}, {f.id: f for f in functions})
        locations = [self.location(x, *by_id) for x in self.parts["location"]]
        table = {x.id: x for x in locations}
        text = {
            k: self.string(self.top.get(k, 0), k)
            for k in ("drop_frames", "keep_frames", "default_sample_type", "doc_url")
        }
        number = {k: self.top.get(k, 0) for k in ("time_nanos", "duration_nanos", "period")}
        return Profile(
            sample_types=[self.value_type(v) for v in self.parts["sample_type"]],
            samples=[self.sample(s, table) for s in self.parts["sample"]],
            mappings=mappings,
            locations=locations,
            functions=functions,
            strings=self.strings,
            period_type=None if self.period_type is None else self.value_type(self.period_type),
            comments=[self.string(c, "comment") for c in self.comments],
            parts=self.parts,
            unknown=self.unknown,
            **text,
            **number,
        )


def decode(data: bytes, keep_unknown: bool = False) -> Profile:
    """The bytes of one .pb.gz file, gzip'ed as all of pprof's are.

    A field that profile.proto does not have is an error, or with keep_unknown is kept in Profile.unknown.
    """
    try:
        raw = gzip.decompress(data)
    except (OSError, EOFError) as error:
        raise FormatError(f"gzip: {error}") from None
    profile = Decoder(raw, keep_unknown).profile()
    profile.raw_size = len(raw)
    return profile


def load(path: Path | str, keep_unknown: bool = False) -> Profile:
    return decode(Path(path).read_bytes(), keep_unknown)


def describe(profile: Profile) -> str:
    """A page for people: the header, the totals, the functions that hold most."""
    types = [f"{t.type}/{t.unit}" for t in profile.sample_types]
    rows = [
        f"types {' '.join(types)} default {profile.default_sample_type or '-'}",
        f"period {profile.period_type} {profile.period} time {profile.time_nanos} "
        f"duration {profile.duration_nanos}",
        f"{len(profile.samples)} samples {len(profile.locations)} locations "
        f"{len(profile.functions)} functions {len(profile.mappings)} mappings "
        f"{profile.raw_size} bytes before gzip",
    ]
    if profile.mappings:
        rows.append(f"main {profile.mappings[0].filename} {profile.mappings[0].build_id}")
    for kind in profile.sample_types:
        rows.append(f"{kind.type}: {profile.total(kind.type)} {kind.unit}")
        sums = sorted(profile.cumulative(kind.type).items(), key=lambda item: -item[1])
        rows += [f"    {value:>16} {name}" for name, value in sums[:10]]
    return "\n".join(rows)


def main(paths: list[str]) -> int:
    import rules  # it imports this module

    bad = 0
    for path in paths:
        try:
            profile = load(path)
        except (FormatError, OSError) as error:
            print(f"{path}\nBAD: {error}")
            bad += 1
            continue
        faults = rules.faults(profile, rules.kind_of_file(path), delta=profile.duration_nanos > 0)
        print(f"{path}\n{describe(profile)}")
        print("\n".join(f"BAD: {fault}" for fault in faults) or "valid")
        bad += bool(faults)
    return 1 if bad or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
