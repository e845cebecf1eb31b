# SPDX-License-Identifier: MIT
"""The list of system calls that a filter is asked about, against those that the library's code
makes: for each `syscall` instruction, what the register of the number can hold.

The list is made from the sources by scripts/list-syscalls. Here it is checked from the other end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from .machine_code import Instruction, Library
from .tree import Tree

LISTED = "preload/syscalls_made.h"  # below the build folder

# Calls that the code makes and the list lacks, or the other way round.
UNLISTED = {
    "rt_sigreturn": "the end of every handler: no program with handlers forbids it",
}
# Functions in which a number is not a constant.
VARIABLE = {
    "syscall_trial_run": "goes through the list",
}


def written(i: Instruction) -> str:
    """The general register that an instruction writes, by its 64-bit name; "" for none or another."""
    if i.op.startswith(("cmp", "test", "j", "ret", "nop", "push", "bt ", "ud2")):
        return ""
    return full(i.operands.rpartition(",")[2].partition(" ")[0] if i.operands else "")


def full(register: str) -> str:
    """The 64-bit name of a register: %eax and %al are parts of %rax, %r8d of %r8."""
    if not (m := re.fullmatch(r"%(?:(r\d+)[dwb]?|[re]?([abcd])[xl]|[re]?(si|di|bp|sp)l?)", register)):
        return ""
    return "%" + (m[1] or (f"r{m[2]}x" if m[2] else f"r{m[3]}"))


CLOBBERED = {f"%{r}" for r in ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")}


def numbers(library: Library, at: int) -> set[int | None]:
    """What %rax can hold before the instruction at an address; None for all but constants."""
    found: set[int | None] = set()
    todo = [(before, "%rax") for before in library.before(at)]
    seen = set(todo)
    while todo:
        here, register = todo.pop()
        if here is None:  # a function's beginning
            found.add(None)
            continue
        i = library.instructions[here]
        source = i.operands.partition(",")[0]
        next_register = register
        if i.op.startswith(("call", "syscall")):
            if register in (CLOBBERED if i.op.startswith("call") else {"%rax", "%rcx", "%r11"}):
                found.add(None)
                continue
        elif written(i) == register:
            constant = re.fullmatch(r"\$0x([0-9a-f]+)", source)
            if i.op.startswith("mov") and constant:
                found.add(int(constant[1], 16))
                continue
            if i.op.startswith("xor") and full(source) == register:
                found.add(0)
                continue
            if i.op.startswith(("mov", "cmov")) and full(source) and i.op[:4] not in ("movs", "movz"):
                next_register = full(source)
                if i.op.startswith("cmov"):
                    todo += [(b, register) for b in library.before(here) if (b, register) not in seen]
            else:
                found.add(None)
                continue
        for step in ((b, next_register) for b in library.before(here)):
            if step not in seen:
                seen.add(step)
                todo.append(step)
    return found


def listed(tree: Tree, unlisted: Iterable[str]) -> dict[int, str]:
    """The numbers of the calls that the list names, or the table of exceptions, and their names."""
    names = [*re.findall(r"\bCALL\((\w+)\)", (tree.build / LISTED).read_text()), *unlisted]
    header = tree.build / "lint" / "numbers.h"
    header.parent.mkdir(parents=True, exist_ok=True)
    header.write_text("#include <sys/syscall.h>\n" + "".join(f"is_{n} = SYS_{n}\n" for n in names))
    done = tree.run("gcc", "-E", "-P", str(header))
    return {int(n): name for name, n in re.findall(r"^is_(\w+) = (\d+)$", done.stdout, re.M)}


def syscalls(
    tree: Tree, unlisted: Mapping[str, str] = UNLISTED, variable: Mapping[str, str] = VARIABLE
) -> Iterator[str]:
    """The list of system calls that a filter is asked about is what the library's code makes."""
    library = Library(tree.library)
    names = listed(tree, unlisted)
    made: set[int] = set()
    used: set[str] = set()
    for f in library.functions.values():
        found = set().union(*(numbers(library, at) for at in f.syscalls))
        for number in sorted(n for n in found if n is not None and n not in made):
            made.add(number)
            if number not in names:
                yield f"{f.name} makes system call {number}, which {LISTED} does not list"
        if None in found and f.name in variable:
            used.add(f.name)
        elif None in found:
            yield f"{f.name} makes a system call of which the number is not to be seen"
    for number, name in sorted(names.items()):
        if number not in made:
            yield f"{LISTED} lists {name}, which the code does not call"
    for name in sorted(set(variable) - used):
        yield f"syscalls.py: the exception of {name} excuses nothing"
