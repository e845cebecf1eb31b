# SPDX-License-Identifier: MIT
"""Each lock of the library has its place in the one order of collectors/base/lock.h."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .tree import LIBRARY, Tree

ORDER = "collectors/base/lock.h"
MECHANISM = ("collectors/base/lock.", "collectors/base/lock_wait.")  # takes any rank
# LOCK(rank, "file.c: what it is for", "what a forked child does"), in strings of several lines.
TEXT = r'((?:"(?:\\.|[^"\\])*"[\s\\]*)+)'
ROW = re.compile(rf"\bLOCK\(\s*\\?\s*(LOCK_\w+),[\s\\]*{TEXT},[\s\\]*{TEXT}\)")
ROW_BEGINS = re.compile(r"\bLOCK\([\s\\]*(LOCK_\w+)")
VARIABLE = re.compile(r"\bstruct lock (\w+)\s*(?:\[[^\]]*\])?\s*(?:=[^;]*)?;")


def module(path: Path) -> str:
    return str(path.with_suffix(""))


def rows(tree: Tree) -> Iterator[tuple[str, str, str]]:
    """(rank, file that its text begins with, what a forked child does)."""
    for rank, purpose, fork in ROW.findall(tree.uncommented(ORDER)):
        words = ["".join(re.findall(r'"((?:\\.|[^"\\])*)"', text)).strip() for text in (purpose, fork)]
        file, _, rest = words[0].partition(": ")
        yield rank, file if rest else "", words[1]


def locks(tree: Tree) -> Iterator[str]:
    """Every lock has a rank, every rank a lock, a sentence, and what a forked child does with it."""
    table = list(rows(tree))
    files = tree.files(".c", ".h", under=LIBRARY)
    begun = ROW_BEGINS.findall(tree.uncommented(ORDER))
    for rank in sorted(set(begun) - {rank for rank, _, _ in table}):
        yield f"{ORDER}: the row of {rank} lacks a text"
    ranked: Counter[str] = Counter()
    for rank, file, fork in table:
        if not file or not fork:
            yield f"{ORDER}: {rank} lacks its file, what it is for, or what a forked child does"
        homes = [path for path in files if path.name == file]
        if file and not homes:
            yield f"{ORDER}: {rank} belongs to {file}, which there is not"
        own = {module(path) for path in homes}
        ranked.update(own)
        users = [p for p in files if re.search(rf"\b{rank}\b", tree.code(p)) and not str(p).startswith(MECHANISM)]
        if homes and not any(module(path) in own for path in users):
            yield f"{ORDER}: {rank} is not used in {file}"
        for path in users:
            if module(path) not in own:
                yield f"{path} uses {rank}, which is {file}'s"
    found: Counter[str] = Counter()
    for path in files:
        found[module(path)] += len(VARIABLE.findall(tree.code(path)))
    for name, count in sorted(found.items()):
        if count > ranked[name]:
            yield f"{name} has {count} locks and {ranked[name]} ranks"
