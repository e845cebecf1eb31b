#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Can the rules of scripts/lint fail? Each is shown a small tree that is clean, where it must find
nothing, and trees with one fault each, where it must find that."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "lib"), str(HERE.parent / "scripts")]
sys.dont_write_bytecode = True
from harness import case, finish, folder, ok
from lint_rules import files, includes, tools
from lint_rules.tree import Tree

Rule = Callable[[Tree], Iterator[str]]
HEAD = "/* SPDX-License-Identifier: MIT */\n"


class Whole(str):
    """A file's text as it is; others get a line with the licence before it."""


def found(rule: Rule, tree: Mapping[str, str]) -> list[str]:
    """What a rule says of a tree of these files."""
    root = folder()
    for name, text in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, Whole) else HEAD + text)
    return list(rule(Tree(root)))


def judge(rule: Rule, clean: Mapping[str, str], **faults: tuple[Mapping[str, str], str]) -> None:
    """faults: for each name the files that replace, or join, the clean ones, and what the rule must
    say of them, in one line and no other."""
    name = rule.__name__
    with case(f"{name}: a clean tree"):
        said = found(rule, clean)
        ok(f"{name} finds nothing in a clean tree", not said, "", said)
    for fault, (tree, want) in faults.items():
        with case(f"{name}: {fault}"):
            said = found(rule, {**clean, **tree})
            title = f"{name} finds {fault.replace('_', ' ')}"
            ok(title, len(said) == 1 and want in said[0], "", f"{said}, not {want!r}")


# ------------------------------------------------------------------------------------ the files' own

judge(
    files.headed,
    {"collectors/a.c": "", "test/run": Whole("#!/bin/sh\n# SPDX-License-Identifier: MIT\n")},
    a_source_without_licence=({"encoder/b.h": Whole("")}, "encoder/b.h"),
    a_script_without_licence=({"test/run": Whole("#!/bin/sh\n")}, "test/run"),
)
judge(
    files.short,
    {"collectors/a.c": "\n" * (files.LINES_MAX - 1)},
    a_long_file=({"test/lib/b.py": "\n" * files.LINES_MAX}, f"b.py has {files.LINES_MAX + 1} lines"),
)
judge(
    files.quiet,
    {"collectors/a.c": '/* exit(1) */ const char *s = "abort()";\nvoid f(void) { real.calloc(1, 2); }\n'},
    a_call_of_stdio=({"preload/b.c": "void g(void) { printf(s); }\n"}, "preload/b.c: printf()"),
)

# ------------------------------------------------------------------------------------------ includes

FILES = {
    "collectors/base/sys.h": "#include <time.h>\n",
    "collectors/tables/table.h": '#include "collectors/base/sys.h"\n',
    "collectors/tables/table.c": '#include "collectors/tables/table.h"\n',
    "collectors/heap/heap.c": '#include "collectors/tables/table.h"\n',
    "preload/hooks/hook.c": '// #include "preload/hooks/hook.c"\n#include "collectors/heap/heap.h"\n',
}
BACK = {"collectors/base/sys.h": '#include "collectors/tables/table.h"\n'}
judge(
    includes.arrows,
    FILES,
    an_arrow_back=(BACK, "collectors/base/sys.h includes collectors/tables/table.h"),
    a_family_that_knows_another=(
        {"collectors/cpu/cpu.c": '#include "collectors/heap/heap.h"\n'},
        "collectors/cpu/cpu.c includes collectors/heap/heap.h",
    ),
    a_spaced_include=({"encoder/a.c": '#  include "preload/init.h"\n'}, "encoder/a.c includes"),
)
judge(
    includes.cycles,
    FILES,
    a_ring_of_two=(BACK, "2 modules include each other: collectors/base/sys, collectors/tables/table"),
    a_ring_through_a_source=(
        {
            "collectors/a.h": "",
            "collectors/a.c": '#include "collectors/b.h"\n',
            "collectors/b.h": '#include "collectors/c.h"\n',
            "collectors/c.h": '#include "collectors/a.h"\n',
        },
        "3 modules include each other: collectors/a, collectors/b, collectors/c",
    ),
)

# --------------------------------------------------------------------------------- the other programs

SETTINGS = (HERE.parent / ".clang-tidy").read_text()
STYLE = (HERE.parent / ".clang-format").read_text()
with case("the programs that lint runs"):
    missing = [t for t in ("clang-format", "clang-tidy", "cppcheck", "shellcheck") if not shutil.which(t)]
    ok("the programs that lint runs are installed", not missing, "", missing)
judge(
    tools.formatted,
    {".clang-format": Whole(STYLE), "collectors/a.c": "int a;\n"},
    a_misplaced_brace=({"test/b.c": "int f(void) { return 1; }\n"}, "test/b.c"),
)
judge(
    tools.tidy,
    {".clang-tidy": Whole(SETTINGS), "collectors/a.h": "extern int a;\n"},
    a_branch_twice=(
        {"collectors/b.c": "int f(int a)\n{\n    return a ? 1 : 1;\n}\nint f(int a);\n"},
        "collectors/b.c",
    ),
)
judge(
    tools.cppcheck,
    {"collectors/a.c": "int a;\n"},
    a_read_beyond_an_array=(
        {"collectors/b.c": "int f(void)\n{\n    int a[2] = {0, 0};\n    return a[2];\n}\n"},
        "collectors/b.c",
    ),
)
judge(
    tools.shellcheck,
    {"scripts/a": Whole('#!/bin/sh\necho "$1"\n')},
    an_unquoted_word=({"test/b.sh": Whole("#!/bin/sh\nrm $1\n")}, "test/b.sh:2"),
)
finish()
