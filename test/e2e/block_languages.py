#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""block in programs of other languages (the standard libraries of C++ and Rust, Python's locks): each wait is
under the function that waits, and as long as the program says.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import elf
from harness import ROOT, case, finish, folder, inject, ok, program
from truth import truth

TRIES = 4
EXACT = {"PPROF_BLOCK_RATE": "1"}
PYTHON = """
import threading, time
lock, done = threading.Lock(), threading.Event()
def hold():
    with lock:
        done.set()
        time.sleep(0.4)
t = threading.Thread(target=hold)
t.start()
done.wait()
began = time.monotonic()
lock.acquire()
print('{"waited": %d}' % ((time.monotonic() - began) * 1e9))
"""


def judge(label: str, argv: list[str], bar: float) -> None:
    """Judges each wait_<case> against the bar; runs the program again if it lost its processor meanwhile."""
    found: dict[str, tuple[dict, int]] = {}
    for _ in range(TRIES):
        run = inject(argv, EXACT)
        delay = run.dump()["block"].cumulative("delay", elf.name)
        for name, data in truth(run).items():
            got = delay.get(f"wait_{name}", 0)
            better = name not in found or abs(got - data["waited"]) < abs(
                found[name][1] - found[name][0]["waited"]
            )
            if better:
                found[name] = data, got
        if all(abs(got - data["waited"]) <= bar * data["waited"] for data, got in found.values()):
            break
    for name, (data, got) in found.items():
        true = data["waited"]
        figures = f"{got / 1e9:.4f} s of {true / 1e9:.4f} s"
        ok(f"{label}: wait_{name}", abs(got - true) <= bar * true, figures)


with case("C++"):
    judge("C++", [program("known_waits_cxx")], 0.03)
with case("Rust"):
    if shutil.which("rustc"):
        binary = folder() / "known_waits_rust"
        source = ROOT / "test" / "programs" / "known_waits_rust.rs"
        subprocess.run(["rustc", "-O", "-g", "-o", str(binary), str(source)], check=True)
        judge("Rust", [str(binary)], 0.03)
    else:
        ok("Rust: skipped, there is no rustc", True)
with case("Python"):
    run = inject([sys.executable, "-c", PYTHON], EXACT)
    true = truth(run)["waited"]
    names = run.dump()["block"].cumulative("delay", elf.name)
    got = names.get("PyThread_acquire_lock_timed", 0)
    # done.wait() and starting the threads are waits of the same function, of about a ms.
    ok("Python: a lock's wait", 0.97 * true <= got <= 1.1 * true + 5e7, f"{got / 1e9:.4f} s of {true / 1e9:.4f} s")
finish()
