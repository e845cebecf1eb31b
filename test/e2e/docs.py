#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The documentation names only what is there, and names all that a user can set or call.

Judged are all *.md files and the man pages. What they mention exists: paths, links, make targets, PPROF_
variables, functions, the lines that examples look for. What a user meets is described: every variable, frame
in brackets, profile and call of the API. Each source file has a row in the table of a README.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from os.path import normpath
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import KINDS, ROOT, finish, ok

SKIPPED = ("build", "build-debug", "demo-out", "pprof", "__pycache__")
SUFFIXES = ("c", "h", "cc", "S", "py", "sh", "md", "map", "proto", "options", "svg", "rs")
# Mentioned, but made by a build or a run, or of another machine.
MADE = (
    "build/*", "build-debug*", "demo-out/*", "out/*", "*/libpprofinject.so", "*.pb.gz", "/*", "*.svg", "*.txt",
    "NAME*", "*/NAME*", "*/GROUP/*", "GROUP*", "*_NAME*", "musl.h",
)  # fmt: skip
# Set by the library for itself, or read by a script.
OTHER_VARIABLES = ("PPROF_PARENT", "PPROF_")


def tree() -> list[Path]:
    """All files of the repository, as far as it matters here."""
    found = []
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if path.is_file() and not any(p in SKIPPED or p.startswith(".") for p in parts):
            found.append(path.relative_to(ROOT))
    return found


TREE = tree()
NAMES = {p.name for p in TREE}
PATHS = {str(p) for p in TREE} | {str(q) for p in TREE for q in p.parents}
DOCS = [p for p in TREE if p.suffix == ".md" or p.parts[0] == "man"]
TEXT = {p: (ROOT / p).read_text() for p in DOCS}


def is_there(token: str, home: Path) -> bool:
    """Whether a path that a document in the folder home mentions exists, from there or from the root."""
    token = token.rstrip("/")
    for base in (Path(), home):
        full = normpath(base / token)
        if full in PATHS or any(fnmatch(p, full) for p in PATHS):
            return True
    return "/" not in token and any(fnmatch(n, token) for n in NAMES)


def marked(text: str) -> Iterator[str]:
    """The words between backticks, one by one, and the paths in examples."""
    for span in re.findall(r"`([^`\n]+)`", text):
        yield from re.split(r"[\s,;:|\\]+", span)
    for line in re.findall(r"^    (.*)$", text, re.M):
        yield from (word for word in re.split(r"[\s,;:|\\=\"'()]+", line) if "/" in word)


def source_of(token: str) -> str:
    """The source of a test's program or unit test, of which a document mentions what is built."""
    built = re.fullmatch(r"build/[\w/]*(test/(?:programs|unit)/\w+)", token)
    return built[1] + ".c*" if built else token


def looks_like_path(token: str) -> bool:
    if not re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*/?", token) or any(fnmatch(token, m) for m in MADE):
        return False
    top = token.split("/")[0]
    if "/" in token:
        return top in {"..", *(p.parts[0] for p in TREE)} or token.rsplit(".")[-1] in SUFFIXES
    return "." in token[1:] and token.rsplit(".")[-1] in SUFFIXES


def paths() -> Iterator[str]:
    for doc, text in TEXT.items():
        for token in map(source_of, marked(text)):
            if looks_like_path(token) and not is_there(token, doc.parent):
                yield f"{doc}: {token}"


def links() -> Iterator[str]:
    for doc, text in TEXT.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, part = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            full = (ROOT / doc.parent / path).resolve() if path else ROOT / doc
            if not full.is_relative_to(ROOT) or not full.exists():
                yield f"{doc}: {target}"
            elif part and part not in anchors(full.read_text()):
                yield f"{doc}: no heading for {target}"


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of headings."""
    heads = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}


def targets() -> Iterator[str]:
    makefiles = "\n".join((ROOT / p).read_text() for p in TREE if p.name == "Makefile" or p.suffix == ".mk")
    known = {t for line in re.findall(r"^([a-z][\w /-]*):(?!=)", makefiles, re.M) for t in line.split()}
    known |= {t for line in re.findall(r"^\.PHONY: *((?:.*\\\n)*.*)$", makefiles, re.M) for t in line.split()}
    for doc, text in TEXT.items():
        commands = [span for span in re.findall(r"`([^`\n]+)`", text) if "make " in span]
        commands += re.findall(r"^    (.*\bmake .*)$", text, re.M)
        for command in commands:
            for call in re.findall(r"\bmake ([^|&;#]*)", command):
                for word in call.split():
                    named = re.fullmatch(r"[a-z][a-z0-9-]*", word)
                    if named and word not in known:
                        yield f"{doc}: make {word}"


def variables() -> Iterator[str]:
    config = (ROOT / "preload/config.c").read_text()
    code = "\n".join((ROOT / p).read_text() for p in TREE if p.suffix in (".c", ".h") and p.parts[0] != "test")
    read = set(re.findall(r'"(PPROF_\w+)"', config))
    known = set(re.findall(r"\bPPROF_\w*", code)) | set(OTHER_VARIABLES)
    for doc, text in TEXT.items():
        for name in set(re.findall(r"\bPPROF_[A-Z_]*", text)) - known:
            yield f"{doc}: {name} is read by nothing"
    manual = TEXT[Path("man/libpprofinject.so.7")]
    for name in sorted(read - set(OTHER_VARIABLES)):
        if f"`{name}`" not in TEXT[Path("README.md")]:
            yield f"README.md has no {name}"
        if not re.search(rf"^\.B {name}$", manual, re.M):
            yield f"libpprofinject.so.7 has no {name}"


def described() -> Iterator[str]:
    """What a user meets: the profiles, the frames in brackets, the calls."""
    readme = TEXT[Path("README.md")]
    for kind in KINDS:
        if f"| `{kind}` |" not in readme:
            yield f"README.md has no row for the profile {kind}"
    code = "\n".join((ROOT / p).read_text() for p in TREE if p.parts[0] == "collectors" and p.suffix == ".c")
    frames = re.findall(r'\[PSEUDO_\w+\] = "([^"]+)"', code)
    if not frames:
        yield "no frame in brackets was found in collectors/"
    for frame in frames:
        if f"`{frame}`" not in readme:
            yield f"README.md has no frame {frame}"
    header = (ROOT / "preload/pprofinject.h").read_text()
    calls = set(re.findall(r"^(?:PPROF_INLINE|static).*?\b(pprof_\w+)\(", header, re.M))
    if not calls:
        yield "no call was found in pprofinject.h"
    for call in sorted(calls):
        if f"{call}(" not in TEXT[Path("man/pprofinject.3")]:
            yield f"pprofinject.3 has no {call}"


def rows() -> Iterator[str]:
    """The tables of files in READMEs: each row names files, and each source file has a row in the nearest README."""
    sources = [p for p in TREE if p.parts[0] in ("collectors", "encoder", "preload", "scripts") and p.suffix != ".md"]
    missing = set(sources)
    for doc, text in TEXT.items():
        tables = re.findall(r"^\| (?:file|script) \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.M)
        cells = [line.split("|")[1] for table in tables for line in table.replace(r"\|", "/").splitlines()]
        named = [t.split()[0].rstrip("/") for cell in cells for t in re.findall(r"`([^`]+)`", cell)]
        if doc.name != "README.md" or not named:
            continue
        below = [p for p in sources if p.is_relative_to(doc.parent)]
        for token in named:
            fits = {p for p in below if meant(token, p.relative_to(doc.parent))}
            missing -= fits
            if not fits and normpath(doc.parent / token) not in PATHS:
                yield f"{doc}: {token} is not there"
    for path in missing:
        yield f"{path} has no row in a README"


def meant(token: str, path: Path) -> bool:
    """Whether a row means a file below its folder: by its path or name, with or without the suffix, or by a folder of it."""
    names = {path.name, path.stem, str(path), str(path.with_suffix(""))} | {str(q) for q in path.parents}
    return any(fnmatch(name, token) for name in names)


def functions() -> Iterator[str]:
    """A function that a document names is somewhere in the code, ours or one that we call."""
    code = "\n".join((ROOT / p).read_text() for p in TREE if p.suffix in (".c", ".h", ".cc", ".S", ".py", ".map"))
    words = set(re.findall(r"\w+", code))
    for doc, text in TEXT.items():
        for name in set(re.findall(r"`(?:struct )?(\w+)\([^`\n]*\)`", text)) | set(re.findall(r"`struct (\w+)`", text)):
            if name not in words and "NAME" not in name:
                yield f"{doc}: {name}"


def examples() -> Iterator[str]:
    """An example that looks a line up in the source finds exactly one."""
    for doc, text in TEXT.items():
        for pattern, path in re.findall(r"grep -n '([^']+)' (\S+)", text):
            lines = re.findall(pattern, (ROOT / path).read_text()) if str(path) in PATHS else []
            if len(lines) != 1:
                yield f"{doc}: '{pattern}' is {len(lines)} times in {path}"


for check in (paths, links, targets, variables, described, rows, functions, examples):
    wrong = sorted(set(check()))
    ok(f"{check.__name__} of the documentation", not wrong, why="; ".join(wrong))
finish()
