"""harness.py: what the checks have in common: running the program, making profiles, comparing.

SPDX-License-Identifier: MIT
"""
import os
import subprocess
import sys

from binaries import addr2line, llvm_symbolizer
from profile_wire import Profile

PROGRAM, FOLDER = sys.argv[1:3]
counts = {True: 0, False: 0}


def ok(condition, name, detail=""):
    counts[bool(condition)] += 1
    print("%s - %s" % ("ok" if condition else "not ok", name), flush=True)
    if not condition and detail:
        print("  # " + str(detail)[:1500].replace("\n", "\n  # "), flush=True)


def path(*parts):
    return os.path.join(FOLDER, *parts)


def symbolize(*args, **environment):
    env = dict(os.environ, **environment)
    return subprocess.run([PROGRAM, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, env=env, timeout=120)


def profile_of(binary, addresses, name, **how):
    """A raw profile with one location for each address of the binary's own."""
    p = Profile()
    mappings = binary.add_to(p, **how)
    for a in addresses:
        for mapping, (_, vaddr, size, _) in mappings:
            if vaddr <= a < vaddr + size:
                p.location(mapping, binary.base + a)
    file = path(name + ".pb.gz")
    p.write(file)
    return file


def function_addresses(binary, step=1, names=None):
    out = []
    for name, (start, size) in sorted(binary.symbols().items()):
        if size and (names is None or name in names):
            out += range(start, start + size, step)
    return sorted(set(out))


def read_bytes(file):
    with open(file, "rb") as f:
        return f.read()


def pprof(file, *flags):
    """go tool pprof with nothing to look binaries up with: (stdout, stderr)."""
    go = subprocess.run(["go", "env", "GOROOT"], stdout=subprocess.PIPE, universal_newlines=True)
    empty = path("empty")
    os.makedirs(empty, exist_ok=True)
    env = {"HOME": empty, "PATH": os.environ["PATH"], "GOROOT": go.stdout.strip(),
           "GOCACHE": empty, "PPROF_TMPDIR": empty, "PPROF_BINARY_PATH": empty}
    got = subprocess.run(["go", "tool", "pprof", *flags, file], env=env, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, universal_newlines=True, cwd=empty)
    return got.stdout, got.stderr


def away(binary):
    """Moves a binary where nobody finds it; back with a second call."""
    hidden = binary.path + ".away"
    if os.path.exists(hidden):
        os.rename(hidden, binary.path)
    else:
        os.rename(binary.path, hidden)


def compare(decoded, binary, addresses, pick, reference=None):
    """What differs from addr2line, and from LLVM too where that is installed; pick: see below."""
    judge, differ = reference or binary.path, []
    second = llvm_symbolizer(judge, addresses)
    for i, (a, want) in enumerate(zip(addresses, addr2line(judge, addresses))):
        got, want = pick([f[1:] for f in decoded.frames(i + 1)], want)
        if got != want and second:
            got, want = pick([f[1:] for f in decoded.frames(i + 1)], second[i])
        if got != want:
            differ.append((hex(a), got, want))
    return differ


def places(got, want):
    """File and line of all frames."""
    return [f[1:] for f in got], [f[1:] for f in want]


def functions(got, want):
    """Linkage names. At the first instruction of an inlined call binutils give the enclosing
    function's name to the innermost frame; that one is not compared then."""
    got, want = [f[0] for f in got], [f[0] for f in want]
    return (got[1:], want[1:]) if len(want) > 1 and want[0] == want[-1] else (got, want)
