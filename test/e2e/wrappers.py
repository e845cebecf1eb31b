#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs under tools (debuggers, tracers, sanitizers) and in sandboxes: output and status are as without the
library, both if it is preloaded into the tool as well and if only into the program inside.
"""

# timeout: 300

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import LIBRARY, ROOT, Run, bare, case, environment, files_in, finish, folder, judged, ok, run

PLACE = folder()
os.chmod(PLACE, 0o755)
SOURCE = ROOT / "test/wrapped/threads.cc"
THREADS = PLACE / "threads"
STOOD_DOWN = "sanitizer"


def build(name: str, *flags: str, compiler: str = "g++") -> Path:
    out = PLACE / name
    subprocess.run([compiler, "-g", "-O1", "-pthread", *flags, "-o", out, SOURCE], check=True)
    return out


def under(argv: list[str], out: Path, **extra: str) -> Run:
    """Runs a command with the library preloaded into everything in it."""
    ours = {"LD_PRELOAD": str(LIBRARY), "PPROF_OUT": str(out), "PPROF_SYMBOLIZE": "0"}
    return run(argv, environment(ours | extra), out, timeout=100)


def said(result: Run) -> tuple:
    """An output without what differs in each run of the tools: addresses, process numbers, their own names."""
    own = (r"^==\d+==.*\n", r"^\[(New|Thread|Inferior|Detaching|Using).*\n", r"^(strace|warning|Using host).*\n")
    text = "\n".join((result.stdout, result.stderr))
    for pattern in own:
        text = re.sub(pattern, "", text, flags=re.M)
    return result.status, text


def alike(name: str, argv: list[str], profiled: bool | None = True, plain: list[str] | None = None) -> None:
    """Compares a command with and without the library. profiled: whether the program inside must leave profiles;
    None: it may."""
    out = PLACE / f"out-{name.replace(' ', '-').replace('/', '-')}"
    want, got = bare(plain or argv), under(argv, out)
    ok(f"{name}: as bare", said(got) == said(want), said(got)[0], f"{said(got)} for {said(want)}")
    inside = [f for f in files_in(out) if f.exe.startswith(("threads", "python3"))]
    for f in inside:
        judged(f.path)
    if profiled is not None:
        ok(f"{name}: {'profiled' if profiled else 'no files'}", bool(inside) == profiled, len(inside))


def sanitizers() -> None:
    flags = {
        "asan": (["-fsanitize=address"], "g++"), "tsan": (["-fsanitize=thread"], "g++"),
        "lsan": (["-fsanitize=leak"], "g++"), "clang asan": (["-fsanitize=address"], "clang++"),
        "clang tsan": (["-fsanitize=thread"], "clang++"), "clang msan": (["-fsanitize=memory"], "clang++"),
    }  # fmt: skip
    for name, (flag, compiler) in flags.items():
        with case(name):
            exe = build(f"threads-{name.replace(' ', '-')}", *flag, compiler=compiler)
            out = PLACE / f"out-{name}"
            want, got = bare([str(exe)]), under([str(exe)], out)
            lines = got.stderr.splitlines()
            ours = [x for x in lines if STOOD_DOWN in x]
            rest = [x for x in lines if STOOD_DOWN not in x]
            same = (got.status, got.stdout, rest) == (want.status, want.stdout, want.stderr.splitlines())
            ok(f"{name}: as bare", same, got.status, f"{got.stdout} {rest[:8]}")
            ok(f"{name}: stood down with one line", len(ours) == 1 and not files_in(out), ours)
    with case("ubsan"):
        alike("ubsan", [str(build("threads-ubsan", "-fsanitize=undefined"))])


def tools() -> None:
    exe = str(THREADS)
    gdb = ["gdb", "-q", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", "handle SIGUSR2 nostop noprint pass",
           "-ex", "run", "-ex", "print $_exitcode", "--args", exe]  # fmt: skip
    inner = ["env", f"LD_PRELOAD={LIBRARY}", f"PPROF_OUT={PLACE}/out-inner", "PPROF_SYMBOLIZE=0", exe]
    strace = ["strace", "-f", "-qq", "-e", "trace=none", "-e", "signal=none"]
    alike("strace -f", [*strace, exe])
    alike("strace -f, inside alone", [*strace, *inner], None, [*strace, exe])
    out = PLACE / "out-gdb"
    got = under(gdb, out)  # gdb's lines and the program's are mixed differently in each run
    whole = all(x in got.stdout for x in ("12008", "$1 = 3")) and "said" in got.stderr
    ok("gdb --args: as bare", got.status == 0 and whole, got.status, got.stdout)
    ok("gdb --args: profiled", any(f.exe == "threads" for f in files_in(out)))
    alike("valgrind", ["valgrind", "-q", exe])
    alike("timeout, nice, setsid", ["timeout", "60", "nice", "setsid", "-w", exe])
    alike("ld.so", ["/lib64/ld-linux-x86-64.so.2", exe])
    alike("static", [str(build("threads-static", "-static"))], False)


def available(name: str, argv: list[str]) -> bool:
    """Whether the machine's kernel allows the command. If not, a line says so and no check passes."""
    if bare([*argv, "true"]).status == 0:
        return True
    print(f"# {name}: not available on this machine")
    return False


def boxes() -> None:
    exe = str(THREADS)
    code = "import ctypes, os; l = ctypes.CDLL(None, use_errno=True); sum(range(3000000));"
    unshares = code + "print(l.unshare(0x10000000), ctypes.get_errno()); print(sum(range(1000)))"
    alike("unshare(CLONE_NEWUSER) in the program", [sys.executable, "-c", unshares], None)
    if available("unshare -U", ["unshare", "-U"]):
        alike("unshare -U", ["unshare", "-U", exe], None)
        alike("unshare -Ur", ["unshare", "-Ur", exe])
    if available("unshare -p", ["unshare", "-p", "-f"]):
        alike("pid 1 of a namespace", ["unshare", "-p", "-f", "--mount-proc", exe])
        # Without -f: the shell's first child becomes process 1 of the new namespace.
        script = f"{exe}; echo $?; {exe}; echo $?"
        alike("first children of a namespace", ["unshare", "-p", "sh", "-c", f"({exe}; echo $?)"], None)
        alike("pid 1 is a shell", ["unshare", "-p", "-f", "sh", "-c", script])
        term = "import os, signal; os.kill(os.getpid(), signal.SIGTERM); print('still here')"
        alike("pid 1 ignores TERM", ["unshare", "-p", "-f", sys.executable, "-c", term])
    if available("bwrap", ["bwrap", "--dev-bind", "/", "/"]):
        alike("bwrap", ["bwrap", "--dev-bind", "/", "/", "--unshare-pid", "--proc", "/proc", exe])
        # Nothing but the program, its libraries and ours: no /proc, no /tmp to write to.
        bind = [x for d in ("/usr", "/lib", "/lib64", str(PLACE), str(LIBRARY.parent)) for x in ("--ro-bind", d, d)]
        alike("bwrap, read-only and without /proc", ["bwrap", *bind, exe], False)
    if shutil.which("sudo") and available("sudo", ["sudo", "-n"]):
        alike("sudo", ["sudo", "-n", exe], None)
        alike("sudo -u", ["sudo", "-n", "-u", "nobody", exe], None)
        out = PLACE / "out-nobody"
        out.mkdir()
        out.chmod(0o777)
        inner = ["env", f"LD_PRELOAD={LIBRARY}", f"PPROF_OUT={out}", exe]
        alike("sudo -u, inside alone", ["sudo", "-n", "-u", "nobody", *inner], None, ["sudo", "-n", "-u", "nobody", exe])


build("threads")
for part in (sanitizers, tools, boxes):
    with case(part.__name__):
        part()
finish()
