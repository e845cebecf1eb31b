# SPDX-License-Identifier: MIT
"""The profiles are listed in one place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .tree import LIBRARY, Tree

LIST = "collectors/kinds.c"
NAMED = re.compile(r'\bNAME\((\w+)\)|\.name = "(\w+)"')
CONSTANT = re.compile(r"\bKIND_[A-Z]+\b")
STRING = re.compile(r"\"([^\"\\\n]*)\"|'([^'\\\n]*)'")

# Files that may name more than one profile, and why.
EXCEPTIONS = {
    "test/lib/rules.py": "the contract, which the library is judged by: it must not come from the library",
}


def kinds(tree: Tree, exceptions: Mapping[str, str] = EXCEPTIONS) -> Iterator[str]:
    """No file but kinds.c names two profiles: a list kept by hand would have to be kept in step."""
    names = {a or b for a, b in NAMED.findall(tree.uncommented(LIST))} - {"itself"}
    if not names:
        yield f"{LIST} names no profile"
    used = set()
    for path in (*tree.files(".c", ".h", under=LIBRARY), *tree.files(".py", ".c", ".h", under=("test/lib",))):
        if str(path) == LIST:
            continue
        text = tree.text(path) if path.suffix == ".py" else tree.uncommented(path)
        strings = [a or b for a, b in STRING.findall(text)]
        words = [re.split(r"[,;:| ]+", s) for s in strings]
        found = {w for ws in words if names.issuperset(ws) for w in ws} | set(CONSTANT.findall(text))
        if len(found) > 1 and str(path) in exceptions:
            used.add(str(path))
        elif len(found) > 1:
            yield f"{path} lists {', '.join(sorted(found))}"
    for name in sorted(set(exceptions) - used):
        yield f"kinds.py: the exception of {name} excuses nothing"
