# SPDX-License-Identifier: MIT
"""What a program that does not end is doing: its threads and those of its descendants, as far as /proc tells."""

from __future__ import annotations

from pathlib import Path

THREADS = 40  # of one process
OBJECTS = ("libpprofinject", "libc.so", "libc-")


def read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError as error:
        return f"({error.strerror})"


def field(status: str, name: str) -> str:
    return next((line.split(":", 1)[1].strip() for line in status.splitlines() if line.startswith(f"{name}:")), "?")


def thread(task: Path) -> str:
    status = read(task / "status")
    signals = " ".join(f"{name} {field(status, name)}" for name in ("SigBlk", "SigPnd", "ShdPnd", "SigQ"))
    return f"{task.name} {field(status, 'Name')} {field(status, 'State')[:1]} {read(task / 'wchan')} call {read(task / 'syscall')} {signals}"


def process(pid: int) -> list[str]:
    """One line for it, one for where its objects lie, one for each thread."""
    place = Path("/proc") / str(pid)
    status = read(place / "status")
    lines = [f"process {pid} of {field(status, 'PPid')}: {read(place / 'cmdline').replace(chr(0), ' ')[:120]}"]
    found = set()
    for row in read(place / "maps").splitlines():
        name = row.rsplit("/", 1)[-1]
        if name not in found and name.startswith(OBJECTS):
            found.add(name)
            lines.append(f"  {name} from {row.split('-')[0]}")
    try:
        tasks = sorted((place / "task").iterdir())
    except OSError:
        tasks = []
    return lines + [f"  {thread(t)}" for t in tasks[:THREADS]]


def descendants(pid: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            parents[int(entry.name)] = field(read(entry / "status"), "PPid")
    found = [pid]
    for p in found:  # it grows meanwhile
        found += [child for child, parent in parents.items() if parent == str(p)]
    return found


def report(pid: int) -> None:
    """Prints it as comments of the test's output."""
    for p in descendants(pid):
        for line in process(p):
            print(f"# {line}", flush=True)
