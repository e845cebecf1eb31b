# SPDX-License-Identifier: MIT
"""Words in comments that stand for a thing which the comment does not name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .tree import LIBRARY, Tree

# A thread, a process, a lock has a name; persons do not run in a program.
RIDDLES = re.compile(r"\b(?:who|whom|whoever|nobody|somebody|anybody|everybody)\b", re.I)


def prose(tree: Tree) -> Iterator[str]:
    """A comment names the thread, the field, the consequence."""
    for path in tree.files(".c", ".h", under=LIBRARY):
        lines = [number for number, line in tree.comments(path) if RIDDLES.search(line)]
        if lines:
            yield f"{path}:{lines[0]}: {len(lines)} lines"
