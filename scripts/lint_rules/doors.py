# SPDX-License-Identifier: MIT
"""What only the files behind a door may name: the processor behind collectors/base/arch/, the C
library's insides behind collectors/base/libc/. Comments do not count, nor, but for the templates of
assembly, strings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .tree import LIBRARY, Tree, line_of


@dataclass
class Door:
    """inside: the folders, and files, that may; words: what nothing else may name."""

    inside: tuple[str, ...]
    words: tuple[tuple[str, re.Pattern[str]], ...]  # how it is called, and what it looks like


def word(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.])(?:{pattern})(?!\w)")


# A number of the address space or of a page; as a buffer's length it is only a round number.
SIZE = r"(?:4096|4095|0xfff|48|47)[uUlL]*"
PROCESSOR = (
    ("REG_…", word(r"REG_(?:R[A-Z0-9]{1,3}|E[A-Z]{2}|EFL|ERR|TRAPNO|CR2|CSGSFS)")),
    ("__x86_64__", word(r"__(?:x86_64|amd64|i386|aarch64|arm|riscv)(?:__)?")),
    ("__builtin_ia32_…", word(r"__builtin_ia32_\w+")),
    ("UNW_X86_64_…", word(r"UNW_(?:X86_64|AARCH64)_\w+")),
    ("arch_prctl", word(r"SYS_arch_prctl|ARCH_[SG]ET_[FG]S")),
    ("fs:", re.compile(r"%%?[fg]s:|\b[fg]s:\d")),
    ("R_X86_64_…", word(r"R_(?:X86_64|AARCH64)_\w+")),
    ("naked", word(r"naked")),
    ("a size", re.compile(rf"(?<![\w.\[]){SIZE}(?![\w.])")),
)
C_LIBRARY = (
    ("__data", word(r"__data")),
    ("_dl_…", word(r"_dl_\w+")),
    ("dlvsym", word(r"dlvsym")),
    ("__libc_…", word(r"__libc_\w+")),
    ("__nptl_…", word(r"__nptl\w*")),
    ("__GLIBC_…", word(r"__GLIBC\w*")),
    ("gnu_get_libc_…", word(r"gnu_get_libc_\w+")),
    ("link_map", word(r"struct link_map|l_next|l_prev|l_addr|l_ld|l_name")),
    ("dlfo_…", word(r"dlfo_\w+")),
)
ARCH = Door(("collectors/base/arch/", "encoder/symbolize/machine."), PROCESSOR)
LIBC = Door(("collectors/base/libc/",), C_LIBRARY)
# Strings that name a version of glibc's symbols.
VERSION = re.compile(r'"GLIBC_[^"]*"')

# (file, how the word is called): why it may. Each must be used.
SPINS = "turns of a spin"
Exceptions = Mapping[tuple[str, str], str]
ARCH_EXCEPTIONS: Exceptions = {
    ("collectors/base/abi.h", "__asm__"): "gives a declaration a name for the linker",
    ("collectors/base/lock_wait.c", "a size"): SPINS,
    ("collectors/stacks/rules.c", "a size"): SPINS,
    ("collectors/heap/heap.c", "a size"): "a bound on the sizes that are told apart",
    ("collectors/stacks/stack.c", "a size"): "frames of a walk",
    ("encoder/symbolize/perfmap.c", "a size"): "the longest line",
    ("preload/config.h", "a size"): "PATH_MAX, of every Linux",
}

STOOD_BEFORE = "the program calls it, and hooks stand in front of it"
LIBC_EXCEPTIONS: Exceptions = {
    ("preload/hooks/hook_main.c", "__libc_…"): STOOD_BEFORE,
    ("preload/hooks/interposed.h", "__libc_…"): STOOD_BEFORE,
}

# asm is told by its keyword. A name for the linker is none: a declarator, asm("name"), and the end.
ASM = re.compile(r"(?P<before>[^\s])?\s*\b(?:__asm__|__asm|asm)\b(?P<words>(?:\s+(?:__volatile__|volatile|goto|inline))*)\s*\(")
NAME = re.compile(r'\s*"[\w.$]+"\s*\)')
NOTHING = re.compile(r'\s*"\s*"\s*[:)]')


def assembly(tree: Tree, path: Path) -> Iterator[int]:
    """Where a file has instructions. An empty template has none: it only holds the compiler back."""
    text = tree.uncommented(path)
    for m in ASM.finditer(text):
        rest = text[m.end() :]
        names = not m["words"] and (m["before"] or ";") not in ";{}" and NAME.match(rest)
        if not names and not NOTHING.match(rest):
            yield m.start("words")


def named(tree: Tree, path: Path, door: Door) -> Iterator[tuple[int, str]]:
    """(where, how it is called) for all that a file names of what is behind a door."""
    code = tree.code(path)
    for what, pattern in door.words:
        yield from ((m.start(), what) for m in pattern.finditer(code))
    if door is ARCH:
        yield from ((at, "__asm__") for at in assembly(tree, path))
    else:
        yield from ((m.start(), "GLIBC_…") for m in VERSION.finditer(tree.uncommented(path)))


def outside(tree: Tree, door: Door, exceptions: Exceptions) -> Iterator[str]:
    used: set[tuple[str, str]] = set()
    for path in tree.files(".c", ".h", under=LIBRARY):
        if str(path).startswith(door.inside):
            continue
        text = tree.text(path)
        for line, what in sorted({(line_of(text, at), what) for at, what in named(tree, path, door)}):
            if (str(path), what) in exceptions:
                used.add((str(path), what))
            else:
                yield f"{path}:{line}: {what}: {text.splitlines()[line - 1].strip()}"
    for name, what in sorted(set(exceptions) - used):
        yield f"doors.py: the exception of {name} for {what} excuses nothing"


def door_arch(tree: Tree, exceptions: Exceptions = ARCH_EXCEPTIONS) -> Iterator[str]:
    """What is known of the processor is in collectors/base/arch, and the symboliser's machine.c."""
    yield from outside(tree, ARCH, exceptions)


def door_libc(tree: Tree, exceptions: Exceptions = LIBC_EXCEPTIONS) -> Iterator[str]:
    """What is known of the C library's insides is in collectors/base/libc."""
    yield from outside(tree, LIBC, exceptions)
