# SPDX-License-Identifier: MIT
"""What holds of each file by itself: its header, its length, what a library may not call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .tree import Tree

LINES_MAX = 500
SOURCES = (".c", ".h", ".cc", ".S", ".rs", ".py", ".sh", ".proto", ".options", ".map")
QUIET = re.compile(r"\b(printf|fprintf|snprintf|puts|abort|exit|calloc|strdup)\s*\(")
# Calls through a pointer of the library's own, and definitions of what the library exports.
NOT_LIBC = re.compile(r"(\.|->|static |EXPORT |boot_|plain_|import_)")


def ours(tree: Tree) -> list[Path]:
    """All that people wrote: sources, and the scripts without a suffix."""
    scripts = [p for p in tree.files("") if tree.text(p).startswith("#!")]
    return sorted({*tree.files(*SOURCES), *scripts})


def headed(tree: Tree) -> Iterator[str]:
    """Every file says under which licence it stands."""
    for path in ours(tree):
        if "SPDX-License-Identifier: MIT" not in tree.text(path)[:600]:
            yield str(path)


def short(tree: Tree) -> Iterator[str]:
    """A file that cannot be read at one sitting holds more than one idea."""
    for path in ours(tree):
        lines = len(tree.text(path).splitlines())
        if lines > LINES_MAX:
            yield f"{path} has {lines} lines"


def quiet(tree: Tree) -> Iterator[str]:
    """On the program's paths there is no stdio, no malloc, no exit."""
    for path in tree.files(".c", under=("collectors", "preload")):
        if path.name.startswith("hook_alloc"):
            continue
        code = tree.code(path)
        for call in QUIET.finditer(code):
            before = code[: call.start()].rsplit("\n", 1)[-1]
            if not NOT_LIBC.search(before):
                yield f"{path}: {call[1]}()"
