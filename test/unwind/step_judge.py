# SPDX-License-Identifier: MIT
"""Run test/unwind/stepped, judge what it reports: the walk at each instruction against a shadow
stack.

Used by test/e2e/unwind_step.py and test/long/unwind_step.py. Known differences, in all of which
libunwind's own step is as wrong, because the frame information is not true there:

- libgcc's uw_install_context_1: the saved registers are already those of the handler's frame, so
  that frames further up which are found by rbp are not; where it has overwritten a return address
  too, the step is counted as having no truth;
- __longjmp: described as the frame that it jumps to, which the shadow stack knows after the jump;
- gcc's functions that realign their stack, between `leave` and `ret`: the slot of rbp is given as
  an offset from rbp, which has its caller's value by then;
- glibc's multiplication of long numbers (__mpn_mul_1, __mpn_addmul_1), which pushes registers and
  says nothing of it; printf and strtod come there with large numbers only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import BUILD, Failure, bare, case, ok  # noqa: E402

BAR = 0.999  # of the steps that have a truth
NO_TRUTH = 0.002  # at most; what installs a handler's registers is a hundredth of an exception
CAUSES_SHOWN = 8


def report(steps: int, most: int | None, timeout: float) -> dict:
    argv = [str(BUILD / "test" / "unwind" / "stepped"), str(steps)]
    done = bare(argv + ([str(most)] if most else []), {"LD_BIND_NOW": ""}, timeout=timeout)
    if done.status:
        raise Failure(f"stepped ended with {done.status}: {done.stderr[-300:]!r}")
    return json.loads(done.stdout)


def judge(steps: int, most: int | None = None, timeout: float = 60) -> None:
    with case("single steps"):
        got = report(steps, most, timeout)
        truths = got["steps"] - got["overwritten"]
        ok("enough instructions are looked at", got["steps"] >= steps, got["steps"])
        ok("nearly all have a truth", truths >= got["steps"] * (1 - NO_TRUTH), got["overwritten"])
        ok("no stack is too deep for the shadow stack", got["lost"] == 0, got["lost"])
        share = 1 - got["wrong"] / truths
        causes = [
            f"{p['count']} in {p['where']} while {p['during']}, {p['cut']} cut"
            for p in got["places"][:CAUSES_SHOWN]
        ]
        figures = "; ".join([f"{share:.4%}", *causes])
        ok(f"the stack is right in at least {BAR:.1%}", share >= BAR, figures)
        ok("nowhere is libunwind right and the walk not", got["ours"] == 0, got["ours"])
        for name, (all_steps, wrong) in got["cases"].items():
            ok(f"{name} is stepped through", all_steps > 0, f"{all_steps} steps, {wrong} wrong")
