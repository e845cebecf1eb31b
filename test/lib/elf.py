# SPDX-License-Identifier: MIT
"""Name the addresses of an unsymbolised profile from the .symtab of the files it maps.

The tests that judge numbers run with PPROF_SYMBOLIZE=0 and use this, so that a fault of the symboliser cannot
change their sums. 64-bit little-endian ELF only.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from profile import Location, names_in_file

PT_LOAD = 1
SHT_SYMTAB, SHT_DYNSYM = 2, 11
STT_FUNC = 2


@dataclass
class Symbols:
    segments: list[tuple[int, int, int]]  # file offset, size in the file, virtual address
    starts: list[int]
    sizes: list[int]
    names: list[str]

    def name_at(self, offset: int) -> str | None:
        """The function that holds the byte at this offset of the file."""
        for start, size, address in self.segments:
            if start <= offset < start + size:
                at = offset - start + address
                i = bisect_right(self.starts, at) - 1
                if i >= 0 and at < self.starts[i] + max(self.sizes[i], 1):
                    return self.names[i]
        return None


def text_at(table: bytes, at: int) -> str:
    return table[at : table.index(0, at)].decode()


@lru_cache(maxsize=64)
def symbols(path: str) -> Symbols | None:
    try:
        data = Path(path).read_bytes()
    except OSError:
        return None  # [vdso], or a file that is gone
    if data[:6] != b"\x7fELF\x02\x01":
        return None
    phoff, shoff = struct.unpack_from("<QQ", data, 32)
    phentsize, phnum, shentsize, shnum = struct.unpack_from("<HHHH", data, 54)
    segments = []
    for i in range(phnum):
        kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, phoff + i * phentsize)
        if kind == PT_LOAD:
            segments.append((offset, size, address))
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, shoff + i * shentsize) for i in range(shnum)]
    found: dict[int, tuple[int, str]] = {}
    for section in sections:
        if section[1] not in (SHT_SYMTAB, SHT_DYNSYM):
            continue
        strings = sections[section[6]]
        table = data[strings[4] : strings[4] + strings[5]]
        for at in range(section[4], section[4] + section[5], 24):
            name, info, _, index, value, size = struct.unpack_from("<IBBHQQ", data, at)
            if info & 15 == STT_FUNC and index and size:
                found.setdefault(value, (size, text_at(table, name)))
    starts = sorted(found)
    return Symbols(segments, starts, [found[s][0] for s in starts], [found[s][1] for s in starts])


def name(location: Location) -> list[str]:
    """A Namer (profile.py): the names in the file if there are any, else the symbol that holds the address."""
    if location.lines or location.mapping is None:
        return names_in_file(location)
    table = symbols(location.mapping.filename)
    offset = location.address - location.mapping.start + location.mapping.offset
    found = table.name_at(offset) if table else None
    return [found] if found else []
