# SPDX-License-Identifier: MIT
"""What the program can see of the library: one list, three times."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .tree import LIBRARY, Tree

MAP = "preload/exports.map"
# A definition behind EXPORT: a function's name before its parameters, or a variable's.
EXPORT = re.compile(r"\bEXPORT\b(?:[^;{}()=#]|__attribute__\(\([^;]*?\)\))*?\b(?!__attribute__)(\w+)\s*[(=;\[]")
SYMBOL = re.compile(r"^[0-9a-f]+ [A-TV-Z] ([\w.]+)(?:@.*)?$", re.M)  # defined, in any section


def mapped(tree: Tree) -> set[str]:
    """The names that the linker lets out."""
    text = tree.code(MAP).partition("global:")[2].partition("local:")[0]
    return set(re.findall(r"[\w.]+", text))


def marked(tree: Tree) -> set[str]:
    """The names that the source marks."""
    found: set[str] = set()
    for path in tree.files(".c", ".h", under=LIBRARY):
        found |= {m[1] for m in EXPORT.finditer(tree.code(path))}
    return found


def exports(tree: Tree) -> Iterator[str]:
    """exports.map, the library's dynamic symbols and what the source marks EXPORT are the same."""
    allowed = mapped(tree)
    done = tree.run("nm", "-D", "--defined-only", str(tree.library))
    seen = set(SYMBOL.findall(done.stdout))
    for name in sorted(allowed - seen):
        yield f"{MAP} lets {name} out, which the library does not define"
    for name in sorted(seen - allowed):
        yield f"the library exports {name}, which {MAP} does not name"
    source = marked(tree)
    for name in sorted(allowed - source):
        yield f"{MAP} lets {name} out, which no EXPORT marks"
    for name in sorted(source - allowed):
        yield f"EXPORT marks {name}, which {MAP} does not name"
