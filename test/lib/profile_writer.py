# SPDX-License-Identifier: MIT
"""Write a pprof profile, into the wire format, with nothing but the standard library.

Written from the published profile.proto alone: no code is shared with the library, the symboliser
or profile.py, so that a mistake of theirs is not repeated here. For tests that need a profile which
the library does not write: broken ones (decoder.py), unsymbolised ones of addresses that the test
chooses (symbolizer.py), large ones.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encoded(message: dict) -> bytes:
    """{field: int | str | bytes | dict | list of these}; a list of int is packed."""
    out = []
    for field, value in message.items():
        several = value if isinstance(value, list) else [value]
        if several and isinstance(value, list) and all(isinstance(v, int) for v in several):
            several = [b"".join(varint(v) for v in several)]
        for v in several:
            if isinstance(v, int):
                out.append(varint(field << 3) + varint(v))
                continue
            data = encoded(v) if isinstance(v, dict) else v.encode() if isinstance(v, str) else v
            out.append(varint(field << 3 | 2) + varint(len(data)) + data)
    return b"".join(out)


def proto3(**numbered: int | list | None) -> dict:
    """A message of fields f1, f2, ... without those that are 0, which proto3 does not write."""
    return {int(name[1:]): value for name, value in numbered.items() if value}


@dataclass
class WrittenMapping:
    start: int
    limit: int
    offset: int
    file: str
    build_id: str


@dataclass
class WrittenLocation:
    mapping: int  # id
    address: int
    lines: list[tuple[int, int]]  # function id, line


class ProfileWriter:
    """A profile that is put together: each call returns the id of what it has added."""

    def __init__(self) -> None:
        self.mappings: list[WrittenMapping] = []
        self.locations: list[WrittenLocation] = []
        self.functions: list[tuple[str, str, str, int]] = []
        self.strings = [""]
        self.index = {"": 0}
        self.extra = b""  # raw fields that follow the others

    def string(self, text: str) -> int:
        if text not in self.index:
            self.index[text] = len(self.strings)
            self.strings.append(text)
        return self.index[text]

    def mapping(self, start: int, limit: int, offset: int, file: str, build_id: str = "") -> int:
        self.mappings.append(WrittenMapping(start, limit, offset, file, build_id))
        return len(self.mappings)

    def location(self, mapping: int, address: int, lines: list[tuple[int, int]] | None = None) -> int:
        self.locations.append(WrittenLocation(mapping, address, lines or []))
        return len(self.locations)

    def function(self, name: str, system_name: str = "", file: str = "", start_line: int = 0) -> int:
        self.functions.append((name, system_name, file, start_line))
        return len(self.functions)

    def tables(self) -> bytes:
        mappings = [
            proto3(f1=i, f2=m.start, f3=m.limit, f4=m.offset, f5=self.string(m.file), f6=self.string(m.build_id))
            for i, m in enumerate(self.mappings, 1)
        ]
        locations = [
            proto3(f1=i, f2=x.mapping, f3=x.address, f4=[proto3(f1=f, f2=n) for f, n in x.lines])
            for i, x in enumerate(self.locations, 1)
        ]
        functions = [
            proto3(f1=i, f2=self.string(name), f3=self.string(system), f4=self.string(file), f5=start)
            for i, (name, system, file, start) in enumerate(self.functions, 1)
        ]
        return encoded({3: mappings, 4: locations, 5: functions})

    def encode(self, stacks: list[list[int]] | None = None, strings_first: bool = False) -> bytes:
        """The bytes before gzip. stacks: the location ids of each sample, the leaf first; without them each
        location is a sample. Sample i has the value i, from 1."""
        stacks = stacks or [[i] for i in range(1, len(self.locations) + 1)]
        samples = [{1: stack, 2: [i]} for i, stack in enumerate(stacks, 1)]
        out = encoded({1: proto3(f1=self.string("samples"), f2=self.string("count")), 2: samples})
        body = self.tables()
        table = encoded({6: self.strings})
        out += table + body if strings_first else body + table
        return out + encoded({9: 1_700_000_000_000_000_000}) + self.extra

    def write(self, path: Path | str, stacks: list[list[int]] | None = None, strings_first: bool = False) -> None:
        Path(path).write_bytes(gzip.compress(self.encode(stacks, strings_first), 1))
