# SPDX-License-Identifier: MIT
"""Run a server as pid 1 of a container and as a service's main process, bare and injected, and compare the two.

A server is started, asked, told to reload or whatever its steps say, asked again, and stopped. Compared are its exit
status, its answers, its processes, what its logs and stderr say, and how long it takes to stop. Each process of the
server that the script has seen must have left its profiles, below PPROF_OUT or in the folder of its user there.

This script stands for the process that starts services: it adopts orphans and collects them. In a container of its own
(a pid namespace) the server adopts them itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from harness import FILE_NAME, Failure, environment, folder, injected, judged, ok

PR_SET_CHILD_SUBREAPER = 36
START, REST, STOP = 60.0, 20.0, 60.0  # s: until it answers; until its processes are as bare; until it has ended
SLOWER = 1.0  # s by which a stop may take longer than bare
WAIT = 1  # s, PPROF_EXIT_WAIT: by so much longer may a process of one thread take to end

ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@dataclass
class Process:
    pid: int
    inner: int  # its pid in its own namespace
    parent: int
    state: str
    name: str
    uid: int


@dataclass
class Server:
    """What a test says of its server. Functions get the running Service."""

    name: str
    argv: Callable[[Service], list[str]]  # writes what the server needs into service.home
    ask: Callable[[Service], list[object]]  # fails (OSError, Failure) while the server cannot answer
    steps: dict[str, Callable[[Service], None]] = field(default_factory=dict)
    stop: signal.Signals = signal.SIGTERM
    env: dict[str, str] = field(default_factory=dict)
    user: str | None = None  # it is started as this user
    logs: tuple[str, ...] = ()  # files in its home, besides stdout and stderr
    noise: str = ""  # lines that come and go without the library, too
    ends_in_turn: int = 0  # as pid 1: how many of its processes that have one thread, and wait for names, end in turn
    only_as: str = ""  # "service": it cannot do its steps as pid 1
    daemon: str = ""  # the file in its home with its pid: what is started ends at once, and the server is an orphan


@dataclass
class Outcome:
    status: int = 0
    answers: list[object] = field(default_factory=list)
    crowds: dict[str, Counter[str]] = field(default_factory=dict)  # its processes after each step
    lines: set[str] = field(default_factory=set)
    seconds: float = 0.0
    seen: dict[int, Process] = field(default_factory=dict)  # by inner pid
    left: list[str] = field(default_factory=list)
    files: dict[int, list[Path]] = field(default_factory=dict)  # by inner pid


def process(pid: int) -> Process | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    of = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    inner, uid = int(of["NSpid"].split()[-1]), int(of["Uid"].split()[1])
    return Process(pid, inner, int(of["PPid"]), of["State"][0], of["Name"], uid)


def below(pid: int) -> list[Process]:
    """All processes that descend from this one."""
    every = [p for d in os.listdir("/proc") if d.isdigit() and (p := process(int(d)))]
    found, parents = [], {pid}
    while parents:
        children = [p for p in every if p.parent in parents]
        found += children
        parents = {p.pid for p in children}
    return found


def adopted_end() -> None:
    """Collects what this script has adopted and what has ended, and nothing that it has started."""
    for p in below(os.getpid()):
        if p.parent == os.getpid() and p.state == "Z" and p.pid not in started:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(p.pid, os.WNOHANG)


started: set[int] = set()


class Service:
    def __init__(self, server: Server, as_pid_1: bool, inject: bool) -> None:
        self.server, self.as_pid_1, self.inject = server, as_pid_1, inject
        self.top = folder()
        self.top.chmod(0o755)  # others than root must find PPROF_OUT in it
        self.home, self.out = self.top / "home", self.top / "out"
        self.home.mkdir()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.main = 0
        self.outcome = Outcome()

    def write(self, name: str, text: str) -> Path:
        path = self.home / name
        path.write_text(text)
        return path

    def start(self) -> None:
        argv = self.server.argv(self)
        env = environment(self.server.env)
        if self.inject:
            ours = {"PPROF_MEM_RATE": "1", "PPROF_EXIT_WAIT": str(WAIT)}
            env = injected(self.out, ours | self.server.env, symbolize=True)
        # The variables are set by env(1), for what stands above the server is not to be profiled.
        argv = ["env", *(f"{k}={v}" for k, v in env.items() if k.startswith(("LD_", "PPROF_"))), *argv]
        if self.server.user:
            user = self.server.user
            shutil.chown(self.home, user)
            if self.inject:
                self.out.mkdir()
                shutil.chown(self.out, user)
            argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *argv]
        if self.as_pid_1:
            argv = ["unshare", "-p", "-f", "--mount-proc", *argv]
        with open(self.top / "stdout", "wb") as out, open(self.top / "stderr", "wb") as err:
            self.child = subprocess.Popen(
                argv, env=environment(self.server.env), cwd=self.home, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True,
            )  # fmt: skip
        started.add(self.child.pid)
        if self.server.daemon:
            status = self.child.wait(START)
            if status:
                raise Failure(f"its start ended with {status}: {self.text()[-600:]!r}")
            self.until("its pid", lambda: int((self.home / self.server.daemon).read_text()) > 0, START)
            self.main = int((self.home / self.server.daemon).read_text())
            started.add(self.main)
        self.until("it answers", lambda: bool(self.server.ask(self)), START)
        self.main = self.crowd()[0].pid

    def crowd(self) -> list[Process]:
        """The server's processes, the main one first."""
        above = {self.child.pid} if self.as_pid_1 else set()
        found = [p for p in below(os.getpid()) if p.pid not in above]
        return sorted(found, key=lambda p: (p.pid != (self.main or self.child.pid), p.pid))

    def until(self, what: str, true: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        why = ""
        while time.monotonic() < end:
            with contextlib.suppress(OSError, EOFError):
                try:
                    if true():
                        return
                except (Failure, subprocess.SubprocessError, IndexError) as error:
                    why = str(error)
            if self.child.poll() is not None and not self.server.daemon:
                raise Failure(f"ended with {self.child.returncode} before {what}: {self.text()[-600:]!r}")
            adopted_end()
            time.sleep(0.05)
        raise Failure(f"not within {seconds:.0f} s: {what}; {why} {self.text()[-600:]!r}")

    def workers(self) -> set[int]:
        """Its processes besides the main one, and besides the library's."""
        return {p.pid for p in self.crowd()[1:] if not p.name.startswith("pprof-")}

    def tell(self, sig: signal.Signals, pid: int = 0) -> None:
        os.kill(pid or self.main, sig)

    def settled(self, step: str, like: Counter[str] | None) -> None:
        """Waits until the processes are those of the bare run (or, bare, until they stay the same) and notes them."""
        end, last, same = time.monotonic() + (REST if like is not None else 10), None, 0
        while time.monotonic() < end:
            adopted_end()
            found = self.crowd()
            self.outcome.seen |= {p.inner: p for p in found if not p.name.startswith("pprof-") and p.state != "Z"}
            now = Counter(f"{p.name}{' (zombie)' if p.state == 'Z' else ''} of {p.uid}" for p in found)
            same = same + 1 if now == last else 0
            last = now
            if (like is None and same >= 8) or now == like:
                break
            time.sleep(0.1)
        self.outcome.crowds[step] = last or Counter()

    def text(self) -> str:
        files = [self.top / "stdout", self.top / "stderr", *(self.home / x for x in self.server.logs)]
        return "".join(f.read_text(errors="replace") for f in files if f.exists())

    def waited(self) -> int:
        end = time.monotonic() + STOP
        while time.monotonic() < end:
            if self.server.daemon:
                pid, status = os.waitpid(self.main, os.WNOHANG)
                if pid:
                    return os.waitstatus_to_exitcode(status)
            elif self.child.poll() is not None:
                return self.child.returncode
            time.sleep(0.005)
        raise Failure(f"not ended {STOP:.0f} s after {self.server.stop.name}: {self.text()[-300:]!r}")

    def end(self) -> None:
        began = time.monotonic()
        self.tell(self.server.stop)
        self.outcome.status = self.waited()
        self.outcome.seconds = time.monotonic() - began
        end = time.monotonic() + REST
        while (left := [p for p in below(os.getpid()) if p.pid != self.child.pid]) and time.monotonic() < end:
            adopted_end()
            time.sleep(0.02)
        self.outcome.left = [f"{p.name} ({p.state}, pid {p.pid})" for p in left]

    def clear(self) -> None:
        """Ends what is left of it, by pid: only what descends from this script."""
        for _ in range(50):
            if not (left := below(os.getpid())):
                break
            for p in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(p.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(0.05)
            started.discard(self.main)
            adopted_end()
        started.clear()

    def run(self, like: Outcome | None) -> Outcome:
        got = self.outcome
        try:
            self.start()
            got.answers += self.server.ask(self)
            self.settled("start", like.crowds.get("start") if like else None)
            for step, act in self.server.steps.items():
                act(self)
                self.settled(step, like.crowds.get(step) if like else None)
                got.answers += self.server.ask(self)
            self.end()
        finally:
            self.clear()
        for line in self.text().splitlines():
            line = re.sub(r"0x[0-9a-f]+|\d+", "N", line.replace(str(self.top), "TOP")).rstrip()
            if line and not (self.server.noise and re.search(self.server.noise, line)):
                got.lines.add(line)
        for path in self.out.rglob("*") if self.inject and self.out.exists() else []:
            if match := FILE_NAME.fullmatch(path.name):
                got.files.setdefault(int(match["pid"]), []).append(path)
            elif not path.is_dir() or not re.fullmatch(r"uid-\d+", path.name):
                got.left.append(f"stray file {path.name}")
        return got


def judge_files(label: str, server: Server, got: Outcome) -> None:
    without = [f"{p.name} {p.inner} of {p.uid}" for p in got.seen.values() if not got.files.get(p.inner)]
    ok(f"{label}: each process left its profiles", not without, f"{len(got.seen)} processes", f"not {without}")
    faults = []
    for path in (f for files in got.files.values() for f in files):
        try:
            judged(path)
        except Exception as error:
            faults.append(str(error))
    ok(f"{label}: they are valid", not faults, sum(map(len, got.files.values())), faults[:3])
    astray = []
    for p in got.seen.values():
        own = [f for f in got.files.get(p.inner, []) if f.stat().st_uid == p.uid]
        if p.uid and not server.user and got.files.get(p.inner) and own:
            astray += [str(f) for f in own if f.parent.name != f"uid-{p.uid}"]
    ok(f"{label}: a user's are in its own folder", not astray, "", astray[:3])


def judge(label: str, server: Server, bare: list[Outcome], got: Outcome, as_pid_1: bool) -> None:
    told = [o.lines for o in bare]
    more, fewer = got.lines - set.union(*told), set.intersection(*told) - got.lines
    ok(f"{label}: exit status", got.status == bare[0].status, got.status, f"bare {bare[0].status}")
    ok(f"{label}: answers", got.answers == bare[0].answers, f"{len(got.answers)}", f"{got.answers} for {bare[0].answers}")
    ok(f"{label}: nothing new in its logs", not more, f"{len(got.lines)} lines", sorted(more)[:5])
    ok(f"{label}: nothing missing there", not fewer, "", sorted(fewer)[:5])
    for step, crowd in got.crowds.items():
        wanted = bare[0].crowds[step]
        why = f"more {dict(crowd - wanted)}, fewer {dict(wanted - crowd)}"
        ok(f"{label}: its processes after {step}", crowd in [b.crowds[step] for b in bare], sum(crowd.values()), why)
    ok(f"{label}: no process is left", not got.left, "", got.left[:5])
    slow = max(b.seconds for b in bare)
    most = slow + SLOWER + WAIT * (1 + server.ends_in_turn if as_pid_1 else 1)
    ok(f"{label}: it stops", got.seconds <= most, f"{got.seconds:.2f} s, bare {slow:.2f} s", f"at most {most:.2f} s")
    judge_files(label, server, got)


def compare(servers: Iterable[Server], ways: tuple[str, ...] = ("pid 1", "service")) -> None:
    for server in servers:
        for way in ways:
            if server.only_as not in ("", way):
                continue
            label = f"{server.name}, {way}"
            try:
                bare = [Service(server, way == "pid 1", False).run(None) for _ in range(2)]
            except (Failure, OSError) as error:
                print(f"# {label}: skipped, it fails without the library: {error}", flush=True)
                continue
            try:
                got = Service(server, way == "pid 1", True).run(bare[0])
                if got.lines - set.union(*(b.lines for b in bare)):  # on a busy machine some come and go
                    bare += [Service(server, way == "pid 1", False).run(None) for _ in range(2)]
                    got = Service(server, way == "pid 1", True).run(bare[0])
            except (Failure, OSError) as error:
                ok(f"{label}: it runs", False, why=error)
                continue
            judge(label, server, bare, got, way == "pid 1")
