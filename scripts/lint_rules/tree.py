# SPDX-License-Identifier: MIT
"""The files that the rules judge: found, read once, and stripped of comments and strings."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

LIBRARY = ("collectors", "encoder", "preload")
OURS = (*LIBRARY, "command", "test", "scripts")

# A comment, or a string or character constant, or the rest of a line behind a line comment.
_WORDS = re.compile(
    r"/\*.*?\*/|//[^\n]*|(?P<quoted>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')", re.S
)


def _blank(match: re.Match[str]) -> str:
    """Spaces in place of what matched, so that lines and columns stay where they are."""
    return re.sub(r"[^\n]", " ", match[0])


class Tree:
    """A source tree: its folder, the folder of what was made of it, and the library."""

    def __init__(self, root: Path, build: Path | None = None, library: Path | None = None) -> None:
        self.root = root
        self.build = build or root / "build"
        self.library = library or root / "libpprofinject.so"
        self.text = cache(self._text)
        self.code = cache(self._code)
        self.uncommented = cache(self._uncommented)

    def files(self, *suffixes: str, under: Iterable[str] = OURS) -> list[Path]:
        """All files below these folders that end so, relative to the root, in order."""
        found = [p for top in under for p in (self.root / top).rglob("*") if p.suffix in suffixes]
        return sorted(p.relative_to(self.root) for p in found if p.is_file())

    def _text(self, path: Path | str) -> str:
        return (self.root / path).read_text(errors="replace")

    def _uncommented(self, path: Path | str) -> str:
        """A C file whose comments are spaces."""
        return _WORDS.sub(lambda m: m[0] if m["quoted"] else _blank(m), self.text(path))

    def _code(self, path: Path | str) -> str:
        """A C file whose comments, and the inside of whose strings, are spaces. The names of
        included files stay."""

        def strip(m: re.Match[str]) -> str:
            if not m["quoted"]:
                return _blank(m)
            line = m.string[m.string.rfind("\n", 0, m.start()) + 1 : m.start()]
            if re.match(r"\s*#\s*include\b", line):
                return m[0]
            return m[0][0] + " " * (len(m[0]) - 2) + m[0][-1]

        return _WORDS.sub(strip, self.text(path))

    def comments(self, path: Path | str) -> Iterator[tuple[int, str]]:
        """Each line of each comment of a C file, with its number."""
        text = self.text(path)
        for m in _WORDS.finditer(text):
            if not m["quoted"]:
                first = line_of(text, m.start())
                yield from enumerate(m[0].split("\n"), first)

    def includes(self, path: Path | str) -> list[str]:
        """The files of ours that a file includes by name."""
        return re.findall(r'^\s*#\s*include\s*"([^"]+)"', self.uncommented(path), re.M)

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(argv, cwd=self.root, capture_output=True, text=True, errors="replace")


def line_of(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
