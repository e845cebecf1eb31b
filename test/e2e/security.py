#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hostile folders, names, environments and paths: no file is written outside the folder, no link is followed, no
file replaced, no file readable by others, and no program run but the symboliser beside the library.
"""

# timeout: 120

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import KINDS, LIBRARY, ROOT, bare, case, environment, files_in, finish, folder, inject, injected, judged, ok, program, run, start  # fmt: skip

NOBODY = 65534


def modes() -> None:
    for mask in (0o000, 0o077, 0o777):
        out = folder() / "a" / "out"
        argv = ["sh", "-c", f"umask {mask:o}; {program('process_ends')}; exit 0"]
        result = inject(argv, out=out, expect=None)
        found = {stat.S_IMODE(f.path.stat().st_mode) for f in files_in(out)} if out.exists() else set()
        where = [stat.S_IMODE(p.stat().st_mode) for p in (out, out.parent) if p.exists()]
        ok(f"umask {mask:03o}: files 0600", found == {0o600}, [oct(x) for x in found], result.stderr)
        # The folders that root makes can be passed through, whatever the umask: other users' are in them.
        ok(f"umask {mask:03o}: root's folders 0711", set(where) == {0o711}, [oct(m) for m in where])


def names() -> None:
    """The program's name in a file's name: no slash, no way out of the folder, not too long."""
    for name in ("..", "...", "-rf", "%s%n", "a\nb", "\xff\xfe".encode("latin-1").decode("latin-1"), "x" * 255, " ", "a;b$(c)"):
        place = folder()
        if name == "..":
            continue  # no file can have this name
        exe = place / name
        shutil.copy("/usr/bin/sleep", exe)
        out = place / "out"
        result = run([str(exe), "0"], injected(out), out)
        inside = sorted(os.listdir(out)) if out.exists() else []
        others = sorted(set(os.listdir(place)) - {name, "out"})
        good = result.status == 0 and len(inside) == len(KINDS) and not others
        ok(f"name {name[:12]!r}: its files, in the folder", good, [x[:40] for x in inside][:1], others)
        for f in inside:
            judged(out / f)


def links() -> None:
    """Symbolic links that have the next dump's names and its temporary files' names."""
    place = folder()
    victim = place / "victim"
    victim.write_text("precious")
    live = start([program("on_command")])
    live.line()
    live.out.mkdir(exist_ok=True)
    for kind in ("cpu", "heap", "allocs"):
        os.symlink(victim, live.out / f"on_command.{live.pid}.001.{kind}.pb.gz")
    os.kill(live.pid, signal.SIGUSR2)
    time.sleep(0.5)
    result = live.end()
    ok("links: what they point to is as it was", victim.read_text() == "precious" and result.status == 0)
    links_left = [p for p in live.out.iterdir() if p.is_symlink()]
    ok("links: none is replaced", len(links_left) == 3)
    written = sorted(p.name.split(".")[2] for p in live.out.iterdir() if not p.is_symlink())
    ok("links: the dumps take the next numbers", written == ["002"] * len(KINDS) + ["003"] * len(KINDS), written)


def symbolisers() -> None:
    """Programs called pprof-symbolize in PATH, in the output folder and in the working folder are not run."""
    place = folder()
    fake = "#!/bin/sh\ntouch %s/ran\n" % place
    for where in ("bin", "out", "cwd"):
        (place / where).mkdir()
        (place / where / "pprof-symbolize").write_text(fake)
        (place / where / "pprof-symbolize").chmod(0o755)
    env = {"PATH": f"{place}/bin:/usr/bin:/bin", "PPROF_SYMBOLIZE": "1", "LD_LIBRARY_PATH": f"{place}/bin"}
    result = run([program("process_ends")], injected(place / "out2", env, symbolize=True), place / "out2", cwd=place / "cwd")
    ok("symboliser: no other runs", result.status == 7 and not (place / "ran").exists())
    heap = next(judged(f.path) for f in files_in(place / "out2") if f.kind == "heap")
    named = any(line.function.name == "site_before" for x in heap.locations for line in x.lines)
    ok("symboliser: ours does", named)
    alone = place / "alone"
    alone.mkdir()
    shutil.copy(LIBRARY, alone)
    env = environment({"LD_PRELOAD": str(alone / LIBRARY.name), "PPROF_OUT": str(place / "out3"), "PATH": f"{place}/bin:/bin"})
    result = run([program("process_ends")], env, place / "out3", cwd=place / "cwd")
    good = result.status == 7 and len(result.files()) == len(KINDS) and not (place / "ran").exists()
    ok("symboliser: none beside the library, none at all", good)


def dropped() -> None:
    """After setuid a dump is made with the new credentials, in a folder of the new user's. Where that user cannot
    reach it, a line in the log says so, and what was recorded before is written."""
    place = folder()
    os.chmod(place, 0o755)
    code = "import os, signal, sys, time; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    code += "os.kill(os.getpid(), signal.SIGUSR2); time.sleep(0.3); print('well')"
    for who, mode, owner in (("root", 0o711, 0), ("nobody", 0o700, NOBODY), ("all", 0o1777, 0), ("root alone", 0o700, 0)):
        out, log = place / f"out of {who}", place / f"log of {who}"
        out.mkdir()
        os.chmod(out, mode)
        os.chown(out, owner, owner)
        result = inject([sys.executable, "-c", code], {"PPROF_LOG": str(log)}, out=out, expect=None)
        label = f"setuid, folder of {who}"
        ok(f"{label}: as bare", (result.status, result.stdout, result.stderr) == (0, "well\n", ""), result.stderr)
        own = out / f"uid-{NOBODY}"
        found = {(f.path.parent == own, f.path.stat().st_uid, f.number) for f in files_in(out)}
        said = log.read_text()
        if who == "root alone":
            ok(f"{label}: what came before", found == {(False, 0, 1)}, found)
            ok(f"{label}: the log says so", "cannot reach" in said and "EACCES" in said, said)
        else:
            ok(f"{label}: files", found == {(True, NOBODY, 1), (True, NOBODY, 2)}, found)
            st = own.stat()
            ok(f"{label}: their folder", (st.st_uid, stat.S_IMODE(st.st_mode)) == (NOBODY, 0o700), st)
            ok(f"{label}: nothing in the log", said == "", said)


def planted() -> None:
    """What another user has put where the folder of a user would be is not followed, given away or written to."""
    place = folder()
    os.chmod(place, 0o755)
    victim = place / "victim"
    victim.mkdir(mode=0o755)
    code = "import os, signal, time; os.setuid(65534); os.kill(os.getpid(), signal.SIGUSR2); time.sleep(0.3)"
    for what in ("link", "folder"):
        out, log = place / f"out {what}", place / f"log {what}"
        out.mkdir()
        os.chmod(out, 0o777)
        own = out / f"uid-{NOBODY}"
        own.symlink_to(victim) if what == "link" else own.mkdir(mode=0o777)
        result = inject([sys.executable, "-c", code], {"PPROF_LOG": str(log)}, out=out, expect=None)
        ok(f"planted {what}: as bare", result.status == 0, result)
        ok(f"planted {what}: nothing is written to it", not list(own.iterdir()) and victim.stat().st_uid == own.stat().st_uid == 0)
        ok(f"planted {what}: the log says so", "no dump" in log.read_text(), log.read_text())


def secure() -> None:
    """A set-user-ID program that may load the library (a set-user-ID file in a trusted folder): no variable counts."""
    trusted = Path("/usr/lib/x86_64-linux-gnu")
    name = f"libpprofinject-test-{os.getpid()}.so"
    place = folder()
    os.chmod(place, 0o777)
    exe = place / "process_ends"
    shutil.copy(program("process_ends"), exe)
    os.chown(exe, 0, 0)
    os.chmod(exe, 0o4755)
    try:
        shutil.copy(LIBRARY, trusted / name)
        os.chmod(trusted / name, 0o4755)
        env = environment({"LD_PRELOAD": name, "PPROF_OUT": str(place / "out"), "PPROF_LOG": str(place / "log"), "PPROF_CPU_RATE": "nonsense"})
        result = subprocess.run([str(exe)], env=env, cwd=place, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True)
    finally:
        (trusted / name).unlink(missing_ok=True)
    plain = bare([str(exe)])
    ok("secure: as bare", (result.returncode, result.stdout, result.stderr) == (plain.status, plain.stdout, ""), result.stderr)
    ok("secure: nothing is written", sorted(os.listdir(place)) == ["process_ends"], sorted(os.listdir(place)))


for part in (modes, names, links, symbolisers, dropped, planted, secure):
    with case(part.__name__):
        part()
finish()
