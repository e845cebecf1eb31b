# SPDX-License-Identifier: MIT
"""Run a program with the library preloaded, prove that it was active there, load what it wrote.

Every test in test/e2e and test/long is a script of its own that starts with

    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
    from harness import case, finish, inject, ok

prints one line "ok - name (figures)" or "not ok - name: why" per check, and ends with finish().
test/run counts those lines. A comment line "# alone" in a script keeps other jobs away while it
runs, "# timeout: SECONDS" replaces the default limit.
"""

from __future__ import annotations

import atexit
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hung
import rules
from profile import FormatError, Profile, load

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build"))
LIBRARY = Path(os.environ.get("LIBRARY", ROOT / "libpprofinject.so"))  # or another build of it


def kinds_of(library: Path) -> tuple[str, ...]:
    """The profiles that a dump consists of, as the library names them (collectors/kinds.c)."""
    told = subprocess.run(["readelf", "-p", "pprof_kinds", library], capture_output=True, text=True).stdout
    return tuple(re.findall(r"^ *\[ *[0-9a-f]+\]  (\S+)$", told, re.M))


KINDS = kinds_of(LIBRARY)

LIBDIR = Path("/usr/lib/x86_64-linux-gnu")
ALLOCATORS = {
    "glibc": None,
    "jemalloc": LIBDIR / "libjemalloc.so.2",
    "tcmalloc": LIBDIR / "libtcmalloc_minimal.so.4",
    "mimalloc": LIBDIR / "libmimalloc.so.2.0",
}

# nohup and background jobs hand down ignored signals: the programs of the tests begin with the defaults.
for _handed_down in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_handed_down) == signal.SIG_IGN:
        signal.signal(_handed_down, signal.SIG_DFL)

resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

FILE_NAME = re.compile(r"(?P<exe>.+)\.(?P<pid>\d+)\.(?P<number>\d{3,})\.(?P<kind>[^/]+?)\.pb\.gz")

USER_FOLDER = re.compile(r"uid-\d+")

# ------------------------------------------------------------------------------------------- checks

failures = 0
done = 0


class Failure(Exception):
    """A check cannot go on; the exception's text is the reason."""


def ok(name: str, good: bool, figures: object = "", why: object = "") -> bool:
    """Reports one check. figures are shown whether it passed or failed, why only if it failed."""
    global failures, done
    done += 1
    figures = " / ".join(str(figures).splitlines())
    if good:
        print(f"ok - {name}" + (f" ({figures})" if figures else ""), flush=True)
    else:
        failures += 1
        reason = "; ".join(" / ".join(str(x).splitlines()) for x in (why, figures) if x != "")
        print(f"not ok - {name}: {reason or 'it does not hold'}", flush=True)
    return good


@contextmanager
def case(name: str) -> Iterator[None]:
    """An exception inside becomes one failed check of this name, and the script goes on behind the block."""
    try:
        yield
    except (Failure, FormatError, OSError, subprocess.SubprocessError) as error:
        ok(name, False, why=f"{type(error).__name__}: {error}")
    except (KeyError, ValueError, IndexError) as error:  # a program's line of truth or a file has another form
        ok(name, False, why=f"{type(error).__name__}: {error}")


def finish() -> None:
    if done == 0:
        ok("the script makes a check", False)
    sys.exit(1 if failures else 0)


# ---------------------------------------------------------------------------------------- processes


def folder() -> Path:
    """A new folder, which is removed when the script ends, unless KEEP=1 is set."""
    path = Path(tempfile.mkdtemp(prefix="pprofinject-test-"))
    if not os.environ.get("KEEP"):
        atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def program(name: str) -> str:
    path = BUILD / "test" / "programs" / name
    if not path.exists():
        raise Failure(f"{path} is not built")
    return str(path)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's environment, without the variables that would change a profile or a message."""
    dropped = ("LD_PRELOAD", "LD_LIBRARY_PATH", "DEBUGINFOD_URLS", "BASH_ENV", "ENV")
    env = {
        k: v for k, v in os.environ.items() if not k.startswith(("PPROF_", "GIT_")) and k not in dropped
    }
    return env | {"LC_ALL": "C"} | dict(extra or {})


def injected(
    out: Path,
    extra: Mapping[str, str] | None = None,
    before: Sequence[Path] = (),
    after: Sequence[Path] = (),
    symbolize: bool = False,
) -> dict[str, str]:
    """The environment of an injected program; before and after are preloads around the library."""
    if not LIBRARY.exists():
        raise Failure(f"{LIBRARY.name} is not built")
    for path in (*before, *after):
        if not path.exists():
            raise Failure(f"{path} is not installed (scripts/install-deps)")
    preload = ":".join(str(p) for p in (*before, LIBRARY, *after))
    ours = {"LD_PRELOAD": preload, "PPROF_OUT": str(out), "PPROF_SYMBOLIZE": str(int(symbolize))}
    return environment(ours | dict(extra or {}))


@dataclass
class File:
    path: Path
    exe: str
    pid: int
    number: int
    kind: str


def settle(out: Path, timeout: float = 120) -> None:
    """Waits until all files have the names that follow after an end: until no pprof-symbolize works in the folder."""
    until = time.monotonic() + timeout
    while any(leads_to(link, out) for link in Path("/proc").glob("[0-9]*/cwd")):
        if time.monotonic() > until:
            raise Failure(f"names do not follow within {timeout} s")
        time.sleep(0.02)


def leads_to(link: Path, place: Path) -> bool:
    """Also to the folder of a user there."""
    try:
        target = Path(os.readlink(link))
    except OSError:
        return False
    return target == place or (target.parent == place and USER_FOLDER.fullmatch(target.name) is not None)


def files_in(out: Path) -> list[File]:
    """The files that the library has written, also as other users (uid-<uid>/). A file of any other name in the folder is a Failure."""
    found = []
    for path in sorted(out.iterdir()) if out.exists() else []:
        match = FILE_NAME.fullmatch(path.name)
        if USER_FOLDER.fullmatch(path.name) and path.is_dir():
            found += files_in(path)
            continue
        if not match:
            raise Failure(f"stray file {path.name}")
        pid, number = int(match["pid"]), int(match["number"])
        found.append(File(path, match["exe"], pid, number, match["kind"]))
    return found


def judged(path: Path, delta: bool = False) -> Profile:
    """A profile that obeys every rule, or a Failure that names those it breaks."""
    profile = load(path)
    faults = rules.faults(profile, rules.kind_of_file(str(path)), delta=delta)
    if faults:
        raise Failure(f"{path.name}: " + "; ".join(faults))
    return profile


@dataclass
class Run:
    """A process that has ended; status is negative for a signal, as subprocess has it."""

    pid: int
    status: int
    stdout: str
    stderr: str
    out: Path

    def files(self, pid: int | None = None) -> list[File]:
        return [f for f in files_in(self.out) if f.pid == (pid or self.pid)]

    def numbers(self, pid: int | None = None) -> list[int]:
        return sorted({f.number for f in self.files(pid)})

    def dump(self, number: int | None = None, pid: int | None = None) -> dict[str, Profile]:
        """All profiles of one dump (None: the last one), judged by the rules. A missing kind is a Failure."""
        files = self.files(pid)
        if not files:
            raise Failure(f"no file of process {pid or self.pid}; stderr: {self.stderr[-300:]!r}")
        number = number or max(f.number for f in files)
        found = {f.kind: judged(f.path) for f in files if f.number == number}
        if set(found) != set(KINDS):
            raise Failure(f"dump {number} holds {sorted(found)}, not {sorted(KINDS)}")
        return found


def run(
    argv: Sequence[str],
    env: Mapping[str, str],
    out: Path | None = None,
    cwd: Path | None = None,
    stdin: str = "",
    timeout: float = 120,
) -> Run:
    """Run a program to its end in an environment made by environment() or injected()."""
    child = subprocess.Popen(
        list(argv),
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        stdout, stderr = child.communicate(stdin.encode(), timeout)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise Failure(f"{argv[0]} did not end within {timeout} s") from None
    if out and env.get("PPROF_SYMBOLIZE") == "1":
        settle(out)
    texts = (stdout.decode(errors="replace"), stderr.decode(errors="replace"))
    return Run(child.pid, child.returncode, *texts, out or Path("/nonexistent"))


def bare(argv: Sequence[str], extra: Mapping[str, str] | None = None, **more) -> Run:
    return run(argv, environment(extra), **more)


def inject(
    argv: Sequence[str],
    extra: Mapping[str, str] | None = None,
    before: Sequence[Path] = (),
    after: Sequence[Path] = (),
    symbolize: bool = False,
    expect: int | None = 0,
    out: Path | None = None,
    **more,
) -> Run:
    """Run a program to its end under the library, which must have been active in that process.

    expect is the status that it must end with; None leaves that, and the proof, to the caller.
    """
    out = out or folder() / "out"
    result = run(argv, injected(out, extra, before, after, symbolize), out, **more)
    if expect is not None:
        if result.status != expect:
            raise Failure(f"{argv[0]} ended with {result.status}: {result.stderr[-300:]!r}")
        if not result.files():
            raise Failure(f"the library was not active in {argv[0]}: {result.stderr[-300:]!r}")
    return result


class Live:
    """A program under the library that runs while the script goes on: they exchange lines."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], out: Path) -> None:
        self.out = out
        self.names_follow = env.get("PPROF_SYMBOLIZE") == "1"
        self.errors = tempfile.TemporaryFile()
        self.child = subprocess.Popen(
            list(argv),
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            start_new_session=True,
        )
        self.pid = self.child.pid
        self.pending = b""
        atexit.register(self.kill)

    def kill(self) -> None:
        if self.child.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.child.wait()

    def line(self, timeout: float = 60) -> str:
        """The next line that the program prints."""
        assert self.child.stdout
        until = time.monotonic() + timeout
        while b"\n" not in self.pending:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.child.stdout], [], [], left)[0]:
                raise Failure(f"no line from the program within {timeout} s")
            piece = os.read(self.child.stdout.fileno(), 65536)
            if not piece:
                raise Failure(f"the program ended: {self.child.wait()}")
            self.pending += piece
        line, _, self.pending = self.pending.partition(b"\n")
        return line.decode()

    def tell(self, text: str) -> None:
        assert self.child.stdin
        self.child.stdin.write(text.encode() + b"\n")
        self.child.stdin.flush()

    def preloaded(self) -> bool:
        return LIBRARY.name in Path(f"/proc/{self.pid}/maps").read_text()

    def numbers(self) -> list[int]:
        return sorted({f.number for f in self.whole()})

    def whole(self) -> list[File]:
        """The process's files that have their final names: those that are being written have others."""
        found = []
        for path in self.out.iterdir() if self.out.exists() else []:
            match = FILE_NAME.fullmatch(path.name)
            if match and int(match["pid"]) == self.pid and match["kind"] in KINDS:
                number = int(match["number"])
                found.append(File(path, match["exe"], self.pid, number, match["kind"]))
        return found

    def dump(self, sig: int = signal.SIGUSR2, timeout: float = 60) -> dict[str, Path]:
        """Ask for one dump and wait until all its files have their names."""
        number = max(self.numbers(), default=0) + 1
        os.kill(self.pid, sig)
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            found = {f.kind: f.path for f in self.whole() if f.number == number}
            if set(found) == set(KINDS):
                return found
            if self.child.poll() is not None:
                raise Failure(f"the program ended with {self.child.returncode} on the signal")
            time.sleep(0.01)
        raise Failure(f"dump {number} is not complete after {timeout} s")

    def end(self, text: str | None = None, timeout: float = 60) -> Run:
        """Close its input (after one last line) and wait for it."""
        assert self.child.stdin and self.child.stdout
        if text is not None:
            self.tell(text)
        self.child.stdin.close()
        try:
            self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            hung.report(self.pid)
            self.kill()
            raise Failure(f"the program did not end within {timeout} s") from None
        if self.names_follow:
            settle(self.out)
        rest = self.pending + self.child.stdout.read()
        self.errors.seek(0)
        texts = (rest.decode(errors="replace"), self.errors.read().decode(errors="replace"))
        return Run(self.pid, self.child.returncode, *texts, self.out)


def start(
    argv: Sequence[str],
    extra: Mapping[str, str] | None = None,
    symbolize: bool = False,
    after: Sequence[Path] = (),
) -> Live:
    out = folder() / "out"
    return Live(argv, injected(out, extra, after=after, symbolize=symbolize), out)
