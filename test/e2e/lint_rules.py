#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Can the rules of scripts/lint fail? Each is shown a small tree that is clean, where it must find
nothing, and trees with one fault each, where it must find that."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "lib"), str(HERE.parent / "scripts")]
sys.dont_write_bytecode = True
from harness import Failure, case, finish, folder, ok
from lint_rules import doors, exports, files, includes, kinds, locks, prose, reach, syscalls, tools
from lint_rules.tree import Tree

Rule = Callable[[Tree], Iterator[str]]
MAP = exports.MAP
HEAD = "/* SPDX-License-Identifier: MIT */\n"


class Whole(str):
    """A file's text as it is; others get a line with the licence before it."""


def found(rule: Rule, tree_files: Mapping[str, str]) -> list[str]:
    """What a rule says of a tree of these files."""
    root = folder()
    for name, text in tree_files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, Whole) else HEAD + text)
    tree = Tree(root)
    if MAP in tree_files:
        build(tree)
    return list(rule(tree))


def build(tree: Tree) -> None:
    """The library, of all sources of the tree but headers, as the Makefile makes it."""
    flags = "-O1 -fPIC -shared -fvisibility=hidden -fno-plt -fno-stack-protector -nostartfiles".split()
    sources = [str(p) for p in tree.files(".c")]
    script = [f"-Wl,--version-script={MAP}", "-I.", "-include", "collectors/base/abi.h"]
    done = tree.run("gcc", *flags, *script, "-o", str(tree.library), *sources)
    if done.returncode:
        raise Failure(done.stderr)


def judge(rule: Rule, clean: Mapping[str, str], **faults: tuple[Mapping[str, str], str | list[str]]) -> None:
    """faults: for each name the files that replace, or join, the clean ones, and what the rule must
    say of them: a part of its one line, or of each of its lines."""
    name = getattr(rule, "func", rule).__name__
    with case(f"{name}: a clean tree"):
        said = found(rule, clean)
        ok(f"{name} finds nothing in a clean tree", not said, "", said)
    for fault, (tree, want) in faults.items():
        with case(f"{name}: {fault}"):
            said = found(rule, {**clean, **tree})
            wants = [want] if isinstance(want, str) else want
            good = len(said) == len(wants) and all(w in line for w, line in zip(wants, said))
            ok(f"{name} finds {fault.replace('_', ' ')}", good, "", f"{said}, not {wants}")


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
    a_hook_that_knows_the_api=(
        {"preload/hooks/hook.c": '#include "preload/api/api.h"\n'},
        "preload/hooks/hook.c includes preload/api/api.h",
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

# ------------------------------------------------------------------------------------- lists and words

NAMES = 'NAME(cpu);\nNAME(heap);\nstruct kind kinds[] = {{.name = cpu_name}, {.name = "mutex"}};\n'
judge(
    partial(kinds.kinds, exceptions={}),
    {kinds.LIST: NAMES, "preload/a.c": '/* "cpu", "heap" */ int a = find("cpu");\n', "test/lib/a.py": "A = 'cpu'\n"},
    two_names=({"encoder/b.c": 'char *b[] = {"cpu", "mutex"};\n'}, "encoder/b.c lists cpu, mutex"),
    two_names_in_a_word=({"test/lib/a.py": "A = 'cpu,heap'\n"}, "test/lib/a.py lists cpu, heap"),
    two_constants=({"preload/b.c": "int b = KIND_CPU + KIND_HEAP;\n"}, "preload/b.c lists KIND_CPU, KIND_HEAP"),
    a_list_without_names=({kinds.LIST: ""}, "names no profile"),
)
judge(
    prose.prose,
    {"collectors/a.c": 'int who; /* the thread that waits, whose lock it is */ char *s = "nobody";\n'},
    a_riddle=({"preload/b.h": "int a;\n/* Nobody\n * knows who. */ // nobody\n"}, "preload/b.h:3: 3 lines"),
)

# ---------------------------------------------------------------------------------------------- locks

ORDER = '#define LOCKS(LOCK) \\\n    LOCK(LOCK_A, "a.c: one of " "two", "dropped") \\\n    LOCK(LOCK_B, "b.h: the other", %s)\n'
LOCKS = {
    locks.ORDER: ORDER % '"made anew"' + "struct lock { int taken; };\n",
    "collectors/a.c": "static struct lock changing; /* LOCK_B */\nint a = lock_try(&changing, LOCK_A);\n",
    "collectors/waits/b.h": "struct b {\n    struct lock lock;\n};\n",
    "collectors/waits/b.c": "void b(struct b *b) { lock_take(&b->lock, LOCK_B); }\n",
}
judge(
    locks.locks,
    LOCKS,
    a_lock_without_rank=(
        {"preload/c.c": "static struct lock held[4] = {0};\n"},
        "preload/c has 1 locks and 0 ranks",
    ),
    a_second_lock_of_a_file=(
        {"collectors/a.c": LOCKS["collectors/a.c"] + "struct lock more;\n"},
        "collectors/a has 2 locks and 1 ranks",
    ),
    a_rank_of_another_file=(
        {"collectors/waits/b.c": "int b = LOCK_A + LOCK_B;\n"},
        "collectors/waits/b.c uses LOCK_A, which is a.c's",
    ),
    a_rank_without_use=({"collectors/waits/b.c": "/* LOCK_B */\n"}, "LOCK_B is not used in b.h"),
    a_row_without_a_childs_part=({locks.ORDER: ORDER % '""'}, "LOCK_B lacks its file"),
    a_row_of_no_file=(
        {locks.ORDER: (ORDER % '"dropped"').replace("b.h", "z.h"), "collectors/waits/b.h": "", "collectors/waits/b.c": ""},
        "LOCK_B belongs to z.h, which there is not",
    ),
)

# --------------------------------------------------------------------------------------------- doors

ARCH = {
    "collectors/base/arch/x86_64.c": "int x = REG_RIP;\n",
    "collectors/a.c": '/* REG_RIP, fs:0 */ const char *s = "__x86_64__";\n'
    'extern const char end[] __asm__("etext");\n'
    'char line[4096];\nvoid f(void) { __asm__ volatile("" ::: "memory"); }\n',
}


def line(text: str) -> Mapping[str, str]:
    return {"preload/b.c": text + "\n"}


judge(
    partial(doors.door_arch, exceptions={}),
    ARCH,
    a_register=(line("int y = g[REG_RSP];"), "preload/b.c:2: REG_…"),
    instructions=(line('void f(void) { __asm__("pause"); }'), "preload/b.c:2: __asm__"),
    volatile_instructions=(line('int f(void) { __asm__ volatile("hlt"); }'), "preload/b.c:2: __asm__"),
    a_builtin=(line("long t = __builtin_ia32_rdtsc();"), "preload/b.c:2: __builtin_ia32_…"),
    a_processor_by_name=(line("#ifdef __aarch64__\n#endif"), "preload/b.c:2: __x86_64__"),
    the_size_of_a_page=(line("long p = n & ~4095UL;"), "preload/b.c:2: a size"),
    the_bits_of_an_address=(line("long p = n >> 48;"), "preload/b.c:2: a size"),
    a_relocation=(line("int r = R_X86_64_64;"), "preload/b.c:2: R_X86_64_…"),
)
judge(
    partial(doors.door_arch, exceptions={("collectors/a.c", "a size"): "spins"}),
    {**ARCH, "collectors/a.c": "int spins = 4096;\n"},
    an_exception_without_use=({"collectors/a.c": ""}, "excuses nothing"),
)
judge(
    partial(doors.door_libc, exceptions={}),
    {"collectors/base/libc/glibc.c": "int x = m->__data.__lock;\n", "encoder/final.c": "int final_name;\n"},
    a_lock_by_its_words=(line("int y = m->__data.__lock;"), "preload/b.c:2: __data"),
    a_version=(line('void *p = find("f", "GLIBC_2.34");'), "preload/b.c:2: GLIBC_…"),
    the_list_of_modules=(line("struct link_map *m;"), "preload/b.c:2: link_map"),
    a_function_of_the_linker=(line("void *p = _dl_find_object;"), "preload/b.c:2: _dl_…"),
)

# ------------------------------------------------------------------------------- what handlers reach

ABI = {
    "collectors/base/abi.h": "#define SIGNAL_SAFE\n#define HOT\n"
    "#define COLD __attribute__((cold, noinline))\n"
    '#define EXPORT __attribute__((visibility("default")))\n',
    MAP: "{ global: malloc; local: *; };\n",
}
HANDLER = """#include <signal.h>
#include <string.h>
void visit(void (*f)(char *), char *s);
void fill(char *s);
static void fill_both(char *s) { fill(s); }
static void on_signal(int sig, siginfo_t *info, void *context)
{
    visit(fill_both, context);
}
EXPORT void *malloc(size_t n) { return (void *)on_signal; }
"""
VISIT = """#include <string.h>
void visit(void (*f)(char *), char *s);
void visit(void (*f)(char *), char *s) { f(s); }
"""
FILL = "#include <string.h>\nvoid fill(char *s);\nvoid fill(char *s) { memset(s, 0, %s); }\n"
SAFE = {
    **ABI,
    "preload/hooks/on.c": HANDLER,
    "collectors/visit.c": VISIT,
    "collectors/fill.c": FILL % "strlen(s)",
}
judge(
    partial(
        reach.signal_safe,
        allowed={"memset": "", "strlen": ""},
        pointers={"visit": ((), "")},
        not_called={},
    ),
    SAFE,
    what_a_callback_of_a_handler_reaches=(
        {"collectors/fill.c": FILL % "strlen(strdup(s))"},
        "fill < fill_both < on_signal calls strdup",
    ),
    what_a_tagged_function_calls=(
        {"collectors/a.c": "#include <stdlib.h>\nSIGNAL_SAFE void a_put(void);\nvoid a_put(void) { abort(); }\n"},
        "a_put calls abort",
    ),
    what_a_comment_calls_safe=(
        {
            "collectors/a.h": "/* Ends. SIGNAL_SAFE. */\nvoid a_end(void);\n",
            "collectors/a.c": '#include "collectors/a.h"\n#include <unistd.h>\nvoid a_end(void) { sync(); }\n',
        },
        "a_end calls sync",
    ),
    what_a_header_calls_safe=(
        {
            "collectors/a.h": Whole(
                "/* SPDX-License-Identifier: MIT\n * SIGNAL_SAFE throughout, but for a_put(). */\n"
                "void a_end(void);\nvoid a_put(void);\n/* Not SIGNAL_SAFE. */\nvoid a_other(void);\n"
            ),
            "collectors/a.c": '#include "collectors/a.h"\n#include <unistd.h>\n'
            + "".join(f"void a_{f}(void) {{ sync(); }}\n" for f in ("end", "put", "other")),
        },
        "a_end calls sync",
    ),
    a_call_through_a_pointer=(
        {"collectors/b.c": "extern void (*b)(void);\nvoid (*b)(void);\nSIGNAL_SAFE int b_go(void);\nint b_go(void) { b(); return 1; }\n"},
        "b_go calls through a pointer",
    ),
    an_exception_without_use=({"collectors/fill.c": FILL % "(size_t)s"}, "'strlen' excuses nothing"),
)
HOT = """#include <stddef.h>
#include <stdlib.h>
void *malloc_slow(size_t n);
EXPORT HOT void *malloc(size_t n) { return n > 1000 ? malloc_slow(n) : NULL; }
"""
SLOW = "#include <stddef.h>\nvoid *malloc_slow(size_t n);\n%s void *malloc_slow(size_t n) { %s return NULL; }\n"
CALL = '__asm__ volatile("syscall");'
ROWS = '#define INTERPOSED(HOOK, NEW0) HOOK(malloc, malloc, "") %s\n'
judge(
    partial(reach.hot, ends={}, allowed={}),
    {**ABI, "preload/hooks/a.c": HOT, "preload/hooks/b.c": SLOW % ("COLD", CALL)},
    a_system_call_near=({"preload/hooks/b.c": SLOW % ("", CALL)}, "malloc_slow < malloc makes a system call"),
    a_call_near=({"preload/hooks/b.c": SLOW % ("", "") + "#include <stdio.h>\nint b(void);\nint b(void) { return getchar(); }\n",
                  "preload/hooks/a.c": HOT.replace("NULL", "(b(), NULL)").replace("EXPORT", "int b(void);\nEXPORT")},
                 ["b < malloc calls getc", "b < malloc calls stdin"]),
)
CALLS = """#include <stddef.h>
static inline long call(long nr)
{
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(nr) : "rcx", "r11", "memory");
    return r;
}
void far(long nr);
__attribute__((noinline)) void far(long nr) { call(nr); }
EXPORT void *malloc(size_t n) { call(39); if (n > 3) call(186); %s return NULL; }
"""
MADE = f"build/{syscalls.LISTED}"
judge(
    partial(syscalls.syscalls, unlisted={}, variable={"far": ""}),
    {**ABI, MADE: "CALL(getpid) CALL(gettid)\n", "preload/hooks/a.c": CALLS % ""},
    a_call_that_is_not_listed=({MADE: "CALL(getpid)\n"}, "malloc makes system call 186"),
    a_listed_call_that_is_not_made=({MADE: "CALL(getpid) CALL(gettid) CALL(umask)\n"}, "lists umask"),
    a_number_that_is_not_a_constant=({"preload/hooks/a.c": CALLS % "call((long)n);"}, "is not to be seen"),
    an_exception_without_use=({"preload/hooks/a.c": CALLS.replace("call(nr);", "") % ""}, "excuses nothing"),
)
judge(
    exports.exports,
    {**ABI, exports.LIST: ROWS % "", "preload/hooks/a.c": HOT, "preload/hooks/b.c": SLOW % ("", "")},
    a_name_that_is_not_defined=({MAP: "{ global: malloc; free; local: *; };\n"}, ["which the library does not define", "which no EXPORT marks"]),
    a_name_that_is_not_marked=({"preload/hooks/c.c": "int c;\nEXPORT int d(void) { return 0; }\n"}, ["EXPORT marks d", "does not list d"]),
    a_name_that_is_not_listed=({exports.LIST: "\n"}, "does not list malloc"),
    a_row_that_is_not_exported=({exports.LIST: ROWS % 'HOOK(g, get, "")'}, "lists get, which"),
    a_name_that_a_macro_defines=(
        {"preload/hooks/c.c": "#define NEW0(name) \\\n    EXPORT int name(void) { return 0; }\nNEW0(d)\n",
         exports.LIST: ROWS % "NEW0(d)"},
        ["EXPORT marks d", "lists d, which"],
    ),
)

OWN = "EXPORT int get(void) { return 1; }\n%s int use(void) { return get(); }\nEXPORT HOT void *malloc(unsigned long n) { return (void *)(n + %s); }\n"
judge(
    exports.own_calls,
    {**ABI, MAP: "{ global: malloc; get; local: *; };\n", "preload/hooks/a.c": OWN.replace("EXPORT int get", "static int get") % ("static", "use()")},
    a_call_by_an_exported_name=({"preload/hooks/a.c": OWN % ("static", "use()") + "int (*volatile kept)(void);\nvoid keep(void) { kept = get; }\n"}, "get is exported, and called by that name"),
    a_call_of_a_name_that_programs_define=(
        {"preload/hooks/b.c": "unsigned long strlen(const char *);\nEXPORT unsigned long get(const char *s) { return strlen(s); }\n",
         "preload/hooks/a.c": "EXPORT void *malloc(unsigned long n) { return (void *)n; }\n"},
        "strlen is another library's",
    ),
    a_pointer_to_an_exported_name=({"preload/hooks/b.c": "extern void *malloc(unsigned long);\nEXPORT void *(*const get)(unsigned long) = malloc;\n",
                                    "preload/hooks/a.c": "EXPORT void *malloc(unsigned long n) { return (void *)n; }\n"}, "malloc is exported"),
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
