# SPDX-License-Identifier: MIT
"""What other programs judge: clang-format, clang-tidy, cppcheck, shellcheck.

clang-tidy takes longer than everything else together, so its verdict on a file is kept in
build/lint/ under a digest of all that it read: the file, what it includes of ours, .clang-tidy, the
flags and the program's version.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .tree import LIBRARY, Tree

FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-I.", "-Ibuild/encoder", "-Ibuild/preload")
ARCH = Path("collectors/base/arch")
KEPT = 2000  # verdicts; the oldest are removed beyond that


def formatted(tree: Tree) -> Iterator[str]:
    paths = [str(p) for p in tree.files(".c", ".h", ".cc")]
    for i in range(0, len(paths), 50):
        done = tree.run("clang-format", "--dry-run", "-Werror", *paths[i : i + 50])
        yield from sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", done.stderr, re.M)))


def all_included(tree: Tree, path: Path) -> list[Path]:
    """A file and what it includes of ours, directly or not, in a fixed order."""
    seen: set[Path] = set()
    todo = [path]
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        for name in tree.includes(at):
            found = (Path(name), Path("build/encoder") / name, at.parent / name)
            todo += [p for p in found if (tree.root / p).is_file()][:1]
    return sorted(seen)


def tidy_one(tree: Tree, path: Path, tool: str) -> str:
    """The first fault that clang-tidy finds in a file, or ""."""
    digest = hashlib.sha256(tool.encode())
    for part in all_included(tree, path):
        digest.update(f"\0{part}\0{tree.text(part)}".encode())
    kept = tree.build / "lint" / digest.hexdigest()
    if kept.is_file():
        os.utime(kept)
        return kept.read_text()
    done = tree.run("clang-tidy", "--quiet", str(path), "--", *FLAGS)
    fault = re.search(r"^.*(?:error|warning):.*$", done.stdout, re.M)
    verdict = fault[0].removeprefix(f"{tree.root}/") if fault else ""
    if not verdict and done.returncode:
        return f"{path}: clang-tidy ended with {done.returncode}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(verdict)
    return verdict


def forget_old(folder: Path) -> None:
    if folder.is_dir():
        verdicts = sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
        for path in verdicts[KEPT:]:
            path.unlink(missing_ok=True)


def foreign(path: Path) -> bool:
    """Is the file for another architecture than this machine's?"""
    return path.parent == ARCH and not path.name.startswith((platform.machine(), "arch."))


def tidy(tree: Tree) -> Iterator[str]:
    version = tree.run("clang-tidy", "--version").stdout
    settings = tree.root / ".clang-tidy"
    tool = version + " ".join(FLAGS) + (settings.read_text() if settings.exists() else "")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        paths = [p for p in tree.files(".c", under=LIBRARY) if not foreign(p)]
        yield from filter(None, pool.map(lambda p: tidy_one(tree, p, tool), paths))
    forget_old(tree.build / "lint")


def cppcheck(tree: Tree) -> Iterator[str]:
    parts = tree.build / "cppcheck"  # what it learns of one file for the others
    parts.mkdir(parents=True, exist_ok=True)
    done = tree.run(
        "cppcheck", "--quiet", f"--cppcheck-build-dir={parts}", "--enable=warning,portability", "--inline-suppr", "--std=c11",
        "--template={file}:{line}: {message} [{id}]",
        "--suppress=missingIncludeSystem", "--suppress=unknownMacro", "--suppress=internalAstError",
        "--suppress=ctuuninitvar", "--error-exitcode=1", "-I.", "-j", str(os.cpu_count()),
        f"-D__{platform.machine()}__", f"--suppress=preprocessorErrorDirective:{ARCH}/*", *(f for f in LIBRARY if (tree.root / f).is_dir()),
    )  # fmt: skip
    if done.returncode:
        yield from done.stderr.splitlines()[:5]


def shellcheck(tree: Tree) -> Iterator[str]:
    scripts = [p for p in tree.files("", ".sh") if re.match(r"#!.*\b(ba|da)?sh\b", tree.text(p))]
    if scripts:
        done = tree.run("shellcheck", "--format=gcc", *map(str, scripts))
        yield from done.stdout.splitlines() or done.stderr.splitlines()
