#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""glibc's own tests of malloc end as they do without the library."""

# timeout: 1200
# alone

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / d) for d in ("lib", "suites")]
import glibc_run
from harness import finish

# These print measurements, which differ in a process with one more library.
NUMBERS = {
    "tst-dynarray-fail": "prints the size of its address space",
    "tst-malloc-tcache-leak": "prints its heap in use: 16 bytes a thread more, for glibc's vector of "
    "thread-local blocks (dtv) has an entry for each library with such memory",
    "tst-malloc_info": "prints its heap in use, likewise",
}
NO_FILES: dict[str, str] = {}

glibc_run.run(["malloc"], 40, NUMBERS, NO_FILES)
finish()
