# SPDX-License-Identifier: MIT
"""What may run in a signal handler, and what a hook does when nothing is sampled: checked in the
code of the built library, over all calls.

Signal-safe are the functions that the source tags SIGNAL_SAFE, those that a comment over their
declaration calls SIGNAL_SAFE, those of a header whose first comment says so of all that it
declares, and each function of a handler's type. From these, every call and every function
whose address is taken is followed: so the scribe, a process that a handler makes, is judged, too.
A tagged function that the compiler has put into its callers is judged where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch

from . import reach_tables as tables
from .machine_code import Function, Library
from .tree import LIBRARY, Tree

HANDLER = re.compile(r"\b(\w+)\s*\(\s*int \w+,\s*siginfo_t \*\w*,\s*void \*\w*\)\s*\{")
DECLARED = re.compile(r"^[A-Za-z][^;{}()=#]*?\b(\w+)\((?=[^;{}]*\)[^;{}()]*[;{])", re.M)
# The name of the function that a tag stands before; attributes with arguments may come between.
TAGGED = r"\b{}\b(?:[^;{{}}()=]|__attribute__\(\([^;]*?\)\))*?\b(?!__attribute__)(\w+)\s*\("
NOT_SAFE = re.compile(r"[Nn]ot SIGNAL_SAFE|[Nn]ot (in|for|from) (a )?signal handlers?|SIGNAL_SAFE (but|except)")
# In a header's first comment: of all that it declares, or all but some functions.
ALL_SAFE = re.compile(r"SIGNAL_SAFE(?:[.;:]| throughout| unless a comment says otherwise)(?P<but>, but for[^,.;]*)?")


def tagged(tree: Tree, tag: str) -> set[tuple[str, str]]:
    """The functions that stand behind a tag: their name, and the .c file if it is one."""
    pattern = re.compile(TAGGED.format(tag))
    found: set[tuple[str, str]] = set()
    for path in tree.files(".c", ".h", under=LIBRARY):
        here = path.name if path.suffix == ".c" else ""
        found |= {(m[1], here) for m in pattern.finditer(tree.code(path)) if path.name != "abi.h"}
    return found


def promised(tree: Tree) -> set[tuple[str, str]]:
    """The functions that a comment says are signal-safe."""
    found: set[tuple[str, str]] = set()
    for path in tree.files(".c", ".h", under=LIBRARY):
        text, code = tree.text(path), tree.code(path)
        here = path.name if path.suffix == ".c" else ""
        top, *others = [*re.finditer(r"/\*.*?\*/", text, re.S)] or [None]
        if path.suffix == ".h" and top and (m := ALL_SAFE.search(top[0])):
            found |= {(f[1], here) for f in DECLARED.finditer(code) if f[1] not in (m["but"] or "")}
        for comment in others:
            f = DECLARED.match(code[comment.end() :].lstrip())
            if f and NOT_SAFE.search(comment[0]):
                found.discard((f[1], here))
            elif f and "SIGNAL_SAFE" in comment[0]:
                found.add((f[1], here))
    return found


def handlers(tree: Tree) -> set[tuple[str, str]]:
    return {
        (m[1], path.name)
        for path in tree.files(".c", under=LIBRARY)
        for m in HANDLER.finditer(tree.code(path))
    }


def named(library: Library, names: Iterable[tuple[str, str]]) -> list[Function]:
    """The functions of the library that have these names, static ones in their own file."""
    wanted = set(names)
    anywhere = {name for name, file in wanted if not file}
    return [
        f
        for f in library.functions.values()
        if f.name in anywhere or (f.name, f.file) in wanted or (not f.file and any(f.name == n for n, _ in wanted))
    ]


class Walk:
    """All that is reached from some functions, and over which others."""

    def __init__(self, library: Library, roots: Iterable[Function]) -> None:
        self.library = library
        self.over: dict[int, int | None] = {f.address: None for f in roots}

    def follow(self, next_of) -> list[Function]:
        functions = self.library.functions
        todo = list(self.over)
        for at in todo:  # grows while it is read: breadth first, so that ways are short
            for to in sorted(next_of(functions[at])):
                if to not in self.over:
                    self.over[to] = at
                    todo.append(to)
        return [functions[at] for at in todo]

    def way(self, f: Function) -> str:
        names = []
        at: int | None = f.address
        while at is not None:
            names.append(self.library.functions[at].name)
            at = self.over[at]
        return " < ".join(names)


def signal_safe(
    tree: Tree,
    allowed: Mapping[str, str] = tables.ALLOWED,
    pointers: Mapping[str, tuple[tuple[str, ...], str]] = tables.POINTERS,
    not_called: Mapping[str, tuple[tuple[str, ...], str]] = tables.NOT_CALLED,
) -> Iterator[str]:
    """What may run in a handler reaches no function of another library but those of the table."""
    library = Library(tree.library)
    roots = named(library, tagged(tree, "SIGNAL_SAFE") | promised(tree) | handlers(tree))
    functions = library.functions
    used: set[object] = set()

    def next_of(f: Function) -> set[int]:
        found = set(f.calls)
        for to in f.takes:
            taken = functions[to].name
            if f.name in not_called.get(taken, ((), ""))[0]:
                used.add((f.name, taken))
            else:
                found.add(to)
        if f.pointers and f.name in pointers:
            for pattern in pointers[f.name][0]:
                meant = [a for a in library.meant if fnmatch(functions[a].name, pattern)]
                used.update([(f.name, pattern)] if meant else [])
                found.update(meant)
        return found

    walk = Walk(library, roots)
    for f in walk.follow(next_of):
        used.update(f.imports)
        for name in sorted(f.imports - set(allowed)):
            yield f"{walk.way(f)} calls {name}"
        if f.pointers and f.name not in pointers:
            yield f"{walk.way(f)} calls through a pointer, {f.pointers[0].split()[0]}"
        used.update([f.name] if f.pointers else [])
    patterns = [(name, pattern) for name in pointers for pattern in pointers[name][0]]
    takers = [(taker, taken) for taken in not_called for taker in not_called[taken][0]]
    for row in (*allowed, *pointers, *patterns, *takers):
        if row not in used:
            yield f"reach_tables.py: {row!r} excuses nothing"


def hot(
    tree: Tree,
    ends: Mapping[str, str] = tables.HOT_ENDS,
    allowed: Mapping[str, str] = tables.HOT_ALLOWED,
) -> Iterator[str]:
    """From a function tagged HOT no system call is reached but through one tagged COLD, and no
    function of another library but through the pointer to the one that ours stands before."""
    library = Library(tree.library)
    cold = {f.address for f in named(library, tagged(tree, "COLD"))}
    used: set[str] = set()

    def next_of(f: Function) -> set[int]:
        called = {library.functions[a] for a in f.calls - cold}
        found = {to for to in called if not to.name.startswith(tables.DEBUG_ONLY)}
        used.update(to.name for to in found if to.name in ends)
        return {to.address for to in found if to.name not in ends}

    walk = Walk(library, named(library, tagged(tree, "HOT")))
    for f in walk.follow(next_of):
        used.update(f.imports)
        if f.syscalls:
            yield f"{walk.way(f)} makes a system call"
        for name in sorted(f.imports - set(allowed)):
            yield f"{walk.way(f)} calls {name}"
    for row in (*ends, *allowed):
        if row not in used:
            yield f"reach_tables.py: {row!r} excuses nothing"
