# SPDX-License-Identifier: MIT
"""Who may include whom: the arrows between the folders, and no ring of files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .tree import LIBRARY, Tree

# What a folder may include of ours, besides itself: a folder without those below it, or one file.
BASE = ("collectors/base", "collectors/base/arch")
GROUND = (*BASE, "collectors/snapshot.h", "collectors/collector.h")
TABLES = (*GROUND, "collectors/tables")
STACKS = (*TABLES, "collectors/stacks")
THREADS = (*STACKS, "collectors/threads")
FAMILIES = (*THREADS, "collectors/cpu", "collectors/waits", "collectors/heap")
ALL = (*FAMILIES, "collectors", "encoder", "preload")
ARROWS: dict[str, tuple[str, ...]] = {
    "collectors/base": ("collectors/base/arch",),
    "collectors/base/arch": ("collectors/base/abi.h",),
    "collectors/tables": GROUND,
    "collectors/stacks": TABLES,
    "collectors/threads": STACKS,
    "collectors/cpu": THREADS,
    "collectors/waits": THREADS,
    "collectors/heap": (*THREADS, "collectors/waits"),
    "collectors": FAMILIES,
    "encoder": GROUND,
    "encoder/symbolize": (),
    "preload/output": ALL,
    "preload/api": (*ALL, "preload/output"),
    "preload/hooks": (*ALL, "preload/output"),
    "preload": (*ALL, "preload/hooks", "preload/output", "preload/api"),
}


def folder_of(path: str) -> str:
    """The innermost folder of the table that holds a file; "" for a file of none."""
    return max((f for f in ARROWS if path.startswith(f + "/")), key=len, default="")


def arrows(tree: Tree) -> Iterator[str]:
    """preload -> encoder -> collectors -> collectors/base, never back."""
    for path in tree.files(".c", ".h", under=LIBRARY):
        home = folder_of(str(path))
        for included in tree.includes(path):
            target = folder_of(included)
            if target not in ("", home, *ARROWS[home]) and included not in ARROWS[home]:
                yield f"{path} includes {included}"


def modules(tree: Tree) -> dict[str, set[str]]:
    """Which modules each module includes; a module is file.c and file.h together."""
    graph: dict[str, set[str]] = {}
    for path in tree.files(".c", ".h", under=LIBRARY):
        name = str(path.with_suffix(""))
        targets = {str(Path(i).with_suffix("")) for i in tree.includes(path) if (tree.root / i).exists()}
        graph.setdefault(name, set()).update(targets - {name})
    return graph


def reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = list(graph.get(start, ()))
    while todo:
        at = todo.pop()
        if at not in seen:
            seen.add(at)
            todo += graph.get(at, ())
    return seen


def cycles(tree: Tree) -> Iterator[str]:
    """No module includes, over however many others, itself."""
    graph = modules(tree)
    below = {name: reached(graph, name) for name in graph}
    told: set[str] = set()
    for name in sorted(graph):
        if name in below[name] and name not in told:
            ring = sorted(other for other in below[name] if name in below.get(other, ()))
            told.update(ring)
            yield f"{len(ring)} modules include each other: {', '.join(ring)}"
