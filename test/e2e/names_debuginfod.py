#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Names from a server of debug files: only if PPROF_DEBUGINFOD=1 asks for it, from Debian's own server on this
machine; and what happens if there is none.

The debug information of the programs is split off and lies only where the server has it.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from binaries import C_SOURCE, Binary, build, output
from harness import Failure, case, files_in, finish, inject, judged, ok
from profile import load
from symbolizer import HERE, differences, function_addresses, names, places, raw_profile, symbolize

SERVED = HERE / "served"
SERVED.mkdir()

# Writes over its environment before it allocates, as servers do that show their state in `ps`.
RENAMED = r"""
#include <stdlib.h>
#include <string.h>
extern char **environ;
static void *volatile kept;
__attribute__((noinline)) static void filler(int n)
{
    for (int i = 0; i < n; i++)
        kept = malloc(64);
}
int main(void)
{
    for (char **e = environ; *e; e++)
        memset(*e, 'x', strlen(*e));
    filler(1000);
    return 0;
}
"""


def split(file: Path) -> Path:
    """Strips a program, and leaves its debug information to the server. The whole program, for the judge."""
    full = file.with_suffix(".full")
    shutil.copy(file, full)
    output("objcopy", "--only-keep-debug", full, SERVED / f"{file.name}.debug")
    output("strip", file)
    shutil.copy(file, SERVED)
    return full


class Silent:
    """A server that accepts and never answers, and counts the connections."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.came: list[socket.socket] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            self.came.append(self.socket.accept()[0])


def closed() -> str:
    """The URL of a port on which no server listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def serve(wanted: list[str]) -> tuple[subprocess.Popen[bytes], str]:
    """Starts the server and waits until it has read its folder."""
    url = closed()
    argv = ["debuginfod", "-p", url.rpartition(":")[2], "-d", HERE / "server.sqlite", "-F", SERVED]
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    for build_id in wanted:
        while True:
            try:
                for what in "debuginfo", "executable":
                    urllib.request.urlopen(f"{url}/buildid/{build_id}/{what}").close()
                break
            except (urllib.error.URLError, OSError):
                if child.poll() is not None or time.monotonic() > until:
                    raise Failure("the server does not serve") from None
                time.sleep(0.1)
    return child, url


def asking(url: str, cache: str, wanted: str = "1") -> dict[str, str]:
    return {"PPROF_DEBUGINFOD": wanted, "DEBUGINFOD_URLS": url, "DEBUGINFOD_CACHE_PATH": str(HERE / cache)}


def by_hand(binary: Binary, full: Path, url: str) -> None:
    spots = function_addresses(Binary(full), 3, {"worker", "hidden", "main"})
    path = raw_profile(binary, spots, "by-hand")
    symbolize(path, **asking(url, "cache"))
    wrong = differences(load(path), binary, spots, places, full)
    ok("functions, files and lines from the server", not wrong and len(spots) > 20, len(spots), wrong[:2])
    kept = list((HERE / "cache").rglob("debuginfo"))
    ok("it is kept in the client's cache", len(kept) == 1, kept)
    path = raw_profile(binary, spots, "gone", file="/nowhere/app")
    symbolize(path, **asking(url, "cache"))
    wrong = differences(load(path), binary, spots, places, full)
    ok("a binary that is gone: the same", not wrong, len(spots), wrong[:2])


def through_the_library(program: Path, url: str) -> None:
    for wanted in "1", "0":
        out = HERE / f"out{wanted}"
        extra = asking(url, f"cache-library-{wanted}", wanted)
        result = inject([str(program)], {"PPROF_MEM_RATE": "1", **extra}, symbolize=True, out=out)
        heap = next(judged(f.path) for f in files_in(result.out) if f.kind == "heap")
        lines = {(x.function.name, Path(x.function.filename).name) for loc in heap.locations for x in loc.lines}
        named = ("filler", "renamed.c") in lines
        ok(f"PPROF_DEBUGINFOD={wanted} of a profiled program", named == (wanted == "1"), sorted(lines)[:8])
        asked = (HERE / f"cache-library-{wanted}").exists()
        ok(f"PPROF_DEBUGINFOD={wanted}: a cache is made only then", asked == (wanted == "1"))


def unasked(binary: Binary, program: Path) -> None:
    """The variable of the client alone, which a distribution may set for all, asks for nothing."""
    server, spots = Silent(), [binary.executable()[0].vaddr + 64]
    for wanted in "0", "", "yes":
        symbolize(raw_profile(binary, spots, f"unasked{wanted}"), **asking(server.url, "cache-unasked", wanted))
    symbolize(raw_profile(binary, spots, "unset"), DEBUGINFOD_URLS=server.url)
    inject([str(program)], {"DEBUGINFOD_URLS": server.url}, symbolize=True)
    ok("DEBUGINFOD_URLS without PPROF_DEBUGINFOD=1: no server is asked", not server.came, len(server.came))
    symbolize(raw_profile(binary, spots, "asked"), DEBUGINFOD_TIMEOUT="1", **asking(server.url, "cache-asked"))
    ok("with it, this one is", len(server.came) > 0, len(server.came))


def unreachable(program: Path) -> None:
    """Names from the symbol tables come all the same, soon."""
    exporting = Binary(build(HERE, "exporting", C_SOURCE, "gcc", "-O2", "-rdynamic", "-s"))
    other = Binary(build(HERE, "other", C_SOURCE, "gcc", "-O1", "-rdynamic", "-s"), 0x7F3400000000)
    silent = Silent()
    for what, url in ("a closed port", closed()), ("a server that never answers", silent.url):
        began = time.monotonic()
        got = []
        for binary in exporting, other:
            path = raw_profile(binary, [binary.symbols("-D")["worker"][0] + 1], f"{what} {binary.path.name}")
            symbolize(path, DEBUGINFOD_TIMEOUT="1", **asking(url, f"cache of {what}"))
            got.append(names(load(path), 1))
        took = time.monotonic() - began
        # Each run waits a second, and two more at most until the child that asks is killed.
        ok(f"{what}: names from the symbol table", got == [["worker"]] * 2, got)
        ok(f"{what}: the wait is bounded", took < 30, f"{took:.1f} s for two runs")
    before = len(silent.came)
    result = inject([str(program)], {"DEBUGINFOD_TIMEOUT": "1", **asking(silent.url, "cache-silent")}, symbolize=True)
    ok("a run that finds no answer asks once, not once for each module", len(silent.came) - before <= 2, len(silent.came) - before)
    ok("and the program's files are there", bool(result.files()))


def main() -> None:
    app = build(HERE, "app", C_SOURCE, "gcc", "-O2", "-g")
    program = build(HERE, "renamed", RENAMED, "gcc", "-O2", "-g")
    full = split(app)
    split(program)
    binaries = [Binary(app), Binary(program)]
    server, url = serve([b.build_id for b in binaries])
    try:
        with case("by hand"):
            by_hand(binaries[0], full, url)
        with case("through the library"):
            through_the_library(program, url)
    finally:
        server.terminate()
        server.wait()
    with case("unasked"):
        unasked(binaries[0], program)
    with case("unreachable"):
        unreachable(program)


with case("a server"):
    main()
finish()
