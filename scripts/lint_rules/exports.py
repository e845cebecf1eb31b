# SPDX-License-Identifier: MIT
"""What the program can see of the library: one list, four times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .machine_code import Library
from .tree import LIBRARY, Tree

MAP = "preload/exports.map"
HOOKS = "preload/hooks"
LIST = f"{HOOKS}/interposed.h"
ROW = re.compile(r"\b(?:HOOK|OWN|NEW\d|DELETE\d)\((?:\w+,\s*)?(\w+)(?:,[^()]*)?\)")
# A definition behind EXPORT: a function's name before its parameters, or a variable's, or the first
# argument of a macro of arch/stubs.h.
EXPORT = re.compile(r"\bEXPORT\b(?:[^;{}()=#]|__attribute__\(\([^;]*?\)\))*?\b(?!__attribute__)(?:ARCH_\w+\()?(\w+)\s*[(=;,\[]")
MACRO = re.compile(r"#define (\w+)\((\w+)\)((?:[^\n]*\\\n)*[^\n]*)")
SYMBOL = re.compile(r"^[0-9a-f]+ [A-TV-Z] ([\w.]+)(?:@.*)?$", re.M)  # defined, in any section


def mapped(tree: Tree) -> set[str]:
    """The names that the linker lets out."""
    text = tree.code(MAP).partition("global:")[2].partition("local:")[0]
    return set(re.findall(r"[\w.]+", text))


def marked(tree: Tree, under: Iterable[str] = LIBRARY) -> set[str]:
    """The names that the source marks, also by a macro that defines the function it is given."""
    found: set[str] = set()
    for path in tree.files(".c", ".h", under=under):
        code = tree.code(path)
        found |= {m[1] for m in EXPORT.finditer(MACRO.sub("", code))}
        for name, parameter, body in MACRO.findall(code):
            if parameter in {m[1] for m in EXPORT.finditer(body)}:
                found |= set(re.findall(rf"\b{name}\((\w+)\)", tree.code(LIST)))
    return found


def listed(tree: Tree) -> set[str]:
    """The names that the hooks' list has."""
    return {m[1] for m in ROW.finditer(tree.code(LIST))}


def exports(tree: Tree) -> Iterator[str]:
    """exports.map, the library's dynamic symbols and what the source marks EXPORT are the same, and
    so is the list of what is interposed, but for what preload/hooks has no part in."""
    allowed = mapped(tree)
    done = tree.run("nm", "-D", "--defined-only", str(tree.library))
    seen = set(SYMBOL.findall(done.stdout))
    for name in sorted(allowed - seen):
        yield f"{MAP} lets {name} out, which the library does not define"
    for name in sorted(seen - allowed):
        yield f"the library exports {name}, which {MAP} does not name"
    source = marked(tree)
    for name in sorted(allowed - source):
        yield f"{MAP} lets {name} out, which no EXPORT marks"
    for name in sorted(source - allowed):
        yield f"EXPORT marks {name}, which {MAP} does not name"
    for name in sorted(listed(tree) - allowed):
        yield f"{LIST} lists {name}, which {MAP} does not name"
    for name in sorted(marked(tree, under=(HOOKS,)) - listed(tree)):
        yield f"{LIST} does not list {name}"


# What the library takes from libc: no program defines these otherwise, or only by a weak reference.
IMPORTS = set("""
    _ITM_deregisterTMCloneTable _ITM_registerTMCloneTable _ZSt9terminatev __asan_init __hwasan_init __lsan_init
    __msan_init __tsan_init __cxa_at_quick_exit __cxa_atexit __cxa_finalize __errno_location __gmon_start__
    __libc_current_sigrtmax __libc_current_sigrtmin __libc_single_threaded __register_atfork __stack_chk_fail
    _dl_find_object clock_gettime dladdr dladdr1 dlerror dlsym dlvsym environ fnmatch getauxval gnu_get_libc_version
    pthread_attr_destroy pthread_attr_getguardsize pthread_attr_getstack pthread_attr_getstacksize pthread_attr_init
    pthread_attr_setstack pthread_attr_setstacksize pthread_getattr_default_np pthread_key_delete pthread_self
    pthread_setspecific strerrorname_np
""".split())


def own_calls(tree: Tree, imports: Iterable[str] = frozenset(IMPORTS)) -> Iterator[str]:
    """Nothing in the library names a symbol that the library exports: the program, or a library that
    was preloaded before, may define that name too, and would be called in our place. A function of
    such a program that passes its calls on to ours would then come back to itself, without end. Of
    other libraries it names those symbols alone that no program is expected to define."""
    named, own = set(Library(tree.library).imported.values()), mapped(tree)
    for name in sorted(named & own):
        yield f"{name} is exported, and called by that name: link with -Bsymbolic-functions, or call what it does"
    for name in sorted(named - own - set(imports)):
        yield f"{name} is another library's, and a program may define it otherwise: see preload/strings.c"
