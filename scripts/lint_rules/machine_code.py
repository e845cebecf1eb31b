# SPDX-License-Identifier: MIT
"""Which function of a built library calls which: read from its code by objdump and readelf.

The linked file is read, not the objects: there every call has its target. A function is known by
its address, for static functions of several files share a name. What is read for each function:
the functions that it calls or jumps to, those whose address it takes, the functions of other
libraries that it calls, its calls through a pointer, and the places where it makes system calls.
Knows x86-64's instructions as objdump prints them.
"""

from __future__ import annotations

import re
import subprocess
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

_SYMBOL = re.compile(r"^\s*\d+: ([0-9a-f]+)\s+(\w+)\s+(FUNC|FILE|NOTYPE|IFUNC)\s+(\w+)\s+\w+\s+(\w+) ?(\S*)")
_GOT = re.compile(r"^([0-9a-f]+)\s+[0-9a-f]+ R_X86_64_(?:GLOB_DAT|JUMP_SLOT|64)\s+\S+ ([\w.]+)")
_POINTER = re.compile(r"^[0-9a-f]+\s+[0-9a-f]+ R_X86_64_RELATIVE\s+([0-9a-f]+)")
_CODE = re.compile(r"^ +([0-9a-f]+):\t(\S+)(?: +(.*))?$")
_STUB = re.compile(r"^([0-9a-f]+) <([\w.]+)@plt>:")
_TARGET = re.compile(r"^(?:bnd )?([0-9a-f]+) <")
_PREFIXES = ("addr32", "bnd", "cs", "data16", "ds", "lock", "notrack", "rep", "repnz", "repz", "rex.W")
_MEMORY = re.compile(r"# ([0-9a-f]+) (?:<([^>]*)>)?")
# What a build with sanitizers puts everywhere.
_SANITIZER = re.compile(r"__(asan|lsan|tsan|ubsan|sanitizer)_")
# What the compiler appends to the name of a piece of a function.
_PIECE = re.compile(r"\.(cold|part|isra|constprop|lto_priv)(\.\d+)*$")


@dataclass(eq=False)
class Function:
    name: str  # as in the source
    file: str  # that a static function stands in, without its folder; "" for others
    address: int
    size: int
    calls: set[int] = field(default_factory=set)  # addresses of functions of the library
    takes: set[int] = field(default_factory=set)  # of functions whose address it takes
    imports: set[str] = field(default_factory=set)  # functions, and variables, of other libraries
    pointers: list[str] = field(default_factory=list)  # calls through a pointer, as objdump has them
    syscalls: list[int] = field(default_factory=list)  # where it makes system calls itself
    piece: bool = False  # a part of another function, which jumps into it


@dataclass(frozen=True)
class Instruction:
    op: str
    operands: str



class Library:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.functions: dict[int, Function] = {}
        self.imported: dict[int, str] = {}  # the place of a pointer to another library's symbol
        self.meant: set[int] = set()  # functions that a pointer may mean: some variable or code has it
        self.bounds: set[int] = set()  # the beginning of a section, which code asks for as such
        self.instructions: dict[int, Instruction] = {}
        self._previous: dict[int, int] = {}  # the instruction before, of the same function
        self._jumps: dict[int, list[int]] = {}  # to an address: from where
        self._read_symbols()
        self._starts = sorted(self.functions)
        self._read_code()

    def _tool(self, *argv: str) -> list[str]:
        done = subprocess.run([*argv, str(self.path)], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    def _read_symbols(self) -> None:
        file = ""
        in_symtab = False
        for line in self._tool("readelf", "-sW"):
            in_symtab = in_symtab and not line.startswith("Symbol table") or "'.symtab'" in line
            found = _SYMBOL.match(line)
            if not found or not in_symtab:
                continue
            address, size, kind, bind, section, name = found.groups()
            if kind == "FILE":
                file = name
            elif name.startswith("__start_"):
                self.bounds.add(int(address, 16))
            elif section not in ("UND", "ABS") and kind != "NOTYPE":
                here = file if bind == "LOCAL" else ""
                plain = name.partition("@")[0]
                while _PIECE.search(plain):
                    plain = _PIECE.sub("", plain)
                new = Function(plain, here, int(address, 16), int(size, 0), piece=".cold" in name)
                self.functions.setdefault(new.address, new)
        for line in self._tool("readelf", "-rW"):
            found = _GOT.match(line)
            if found:
                self.imported[int(found[1], 16)] = found[2]
            elif (found := _POINTER.match(line)) and int(found[1], 16) in self.functions:
                self.meant.add(int(found[1], 16))

    def at(self, address: int) -> Function | None:
        """The function that holds an address; one of unknown size reaches to the next."""
        i = bisect_right(self._starts, address) - 1
        if i >= 0:
            f = self.functions[self._starts[i]]
            if not f.size or address < f.address + f.size:
                return f
        return None

    def before(self, address: int) -> list[int | None]:
        """The instructions that may run just before the one at an address; None: a caller."""
        found: list[int | None] = [*self._jumps.get(address, ())]
        previous = self._previous.get(address)
        if previous is not None and self.instructions[previous].op not in ("jmp", "ret", "ud2", "hlt"):
            found.append(previous)
        if address in self.functions and not self.functions[address].piece:
            found.append(None)
        return found

    def _read_code(self) -> None:
        stubs: dict[int, str] = {}  # of the linkage table: where each jumps to
        linkage = False
        last: int | None = None
        pending: list[tuple[Function, int]] = []
        before: list[str] = []  # the last instructions, by which a switch's jump is known
        for line in self._tool("objdump", "-d", "--no-show-raw-insn"):
            if line.startswith("Disassembly of section "):
                linkage = ".plt" in line
            elif stub := _STUB.match(line):
                stubs[int(stub[1], 16)] = stub[2]
            found = _CODE.match(line)
            if not found or linkage:
                continue
            address, op, rest = int(found[1], 16), found[2], found[3] or ""
            while op in _PREFIXES:
                op, _, rest = rest.partition(" ")
                rest = rest.strip()
            memory = _MEMORY.search(rest)
            place = int(memory[1], 16) if memory else None
            f = self.at(address)
            if f is None:
                continue
            before = [*before[-5:], f"{op} {rest}"]
            self.instructions[address] = Instruction(op, rest)
            if last is not None and self.at(last) is f:
                self._previous[address] = last
            last = address
            if op.startswith("j") and (target := _TARGET.match(rest)):
                self._jumps.setdefault(int(target[1], 16), []).append(address)
            if op == "syscall":
                f.syscalls.append(address)
            elif place in self.imported:
                if not _SANITIZER.match(self.imported[place]):
                    f.imports.add(self.imported[place])
            elif op == "lea" and place in self.functions and place not in self.bounds:
                f.takes.add(place)
                self.meant.add(place)
            elif rest.startswith("*") and (op.startswith(("call", "jmp"))):
                if not (op == "jmp" and _is_switch(before)):
                    f.pointers.append(rest)
            elif op.startswith(("call", "j")) and (target := _TARGET.match(rest)):
                pending.append((f, int(target[1], 16)))
        for f, target in pending:
            callee = self.at(target)
            if target in stubs:
                f.imports.add(stubs[target])
            elif callee is not None and callee is not f:
                f.calls.add(callee.address)


def _is_switch(before: list[str]) -> bool:
    """Is the last of these instructions, a jump to a register, that of a switch? There an offset
    is read from a table and added to the table's address."""
    register = before[-1].partition("*")[2].strip()
    return any(b.startswith("add ") and b.endswith(register) for b in before[:-1]) and any(
        b.startswith("movslq") for b in before[:-1]
    )
