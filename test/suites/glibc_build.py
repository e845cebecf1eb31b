# SPDX-License-Identifier: MIT
"""Build glibc's own test programs, of Debian's glibc-source, against the system's libc.

tests(folders) unpacks the source into $BUILD/suites, compiles support/ and each tst-*.c of the folders, and
says what became of each. A test that uses more of glibc's internals than the headers in test/suites/glibc
have does not compile and is left out: it tests the inside of the library. What a test needs besides its own
source is in NEEDS, taken from glibc's Makefiles.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from harness import BUILD, LIBDIR, ROOT, Failure, environment

STUBS = ROOT / "test" / "suites" / "glibc"
HOME = BUILD / "suites" / "glibc"
SOURCE, OBJECTS = HOME / "source", HOME / "tests"
TARBALLS = Path("/usr/src/glibc")
DEBUG = str(LIBDIR / "libc_malloc_debug.so.0")

# Public enough to stand alone: taken from the source's include/.
HEADERS = (
    "array_length.h libc-diag.h libc-pointer-arith.h intprops.h scratch_buffer.h alloc_buffer.h".split()
)
# libc's private helpers that the tests share; copies of them go into the support archive.
PRIVATE = (
    "scratch_buffer_dupfree scratch_buffer_grow scratch_buffer_grow_preserve scratch_buffer_set_array_size "
    "dynarray_at_failure dynarray_emplace_enlarge dynarray_finalize dynarray_resize dynarray_resize_clear "
    "alloc_buffer_alloc_array alloc_buffer_allocate alloc_buffer_copy_bytes alloc_buffer_copy_string "
    "alloc_buffer_create_failure"
).split()
INCLUDES = [
    f"-I{HOME}/include", f"-I{STUBS}",
    *(x for d in ("support", "nptl", "sysdeps/pthread", "malloc", "sysdeps/x86", "sysdeps/generic",
                  "sysdeps/unix/sysv/linux", ".") for x in ("-idirafter", f"{SOURCE}/{d}")),
    "-include", f"{STUBS}/internal.h",
]  # fmt: skip
FLAGS = ["-O2", "-w", "-D_GNU_SOURCE", "-D_REENTRANT", "-pthread", "-fno-stack-protector", *INCLUDES]
C_FLAGS = ["-std=gnu11", "-fgnu89-inline", *FLAGS]
CXX_FLAGS = ["-std=gnu++11", *FLAGS]


@dataclass
class Needs:
    flags: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)  # linked in
    linked: list[str] = field(default_factory=list)  # modules that it is linked with
    opened: list[str] = field(default_factory=list)  # modules that it opens
    preload: str = ""
    env: dict[str, str] = field(default_factory=dict)
    args: list[str] = field(default_factory=list)  # PROGRAM is its own path


UNWINDS = ["-fexceptions"]
CHECKED = {"MALLOC_CHECK_": "3"}
NEEDS = {
    "tst-interpose-nothread": Needs(sources=["tst-interpose-aux-nothread.c"]),
    "tst-interpose-thread": Needs(sources=["tst-interpose-aux-thread.c"]),
    "tst-malloc-check": Needs(preload=DEBUG, env=CHECKED),
    "tst-malloc-usable": Needs(preload=DEBUG, env=CHECKED),
    "tst-malloc-usable-tunables": Needs(preload=DEBUG, env={"GLIBC_TUNABLES": "glibc.malloc.check=3"}),
    "tst-compathooks-on": Needs(preload=DEBUG),
    "tst-mtrace": Needs(preload=DEBUG, env={"MALLOC_TRACE": "mtrace"}),
    "tst-dynarray": Needs(preload=DEBUG, env={"MALLOC_TRACE": "mtrace"}),
    "tst-dynarray-fail": Needs(preload=DEBUG, env={"MALLOC_TRACE": "mtrace"}),
    "tst-mallocstate": Needs(flags=[DEBUG]),
    "tst-mxfast": Needs(env={"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0"}),
    "tst-cancel7": Needs(args=["--command", "exec PROGRAM"]),
    "tst-cancelx7": Needs(flags=UNWINDS, args=["--command", "exec PROGRAM"]),
    "tst-cleanup4": Needs(sources=["tst-cleanup4aux.c"]),
    "tst-cleanupx4": Needs(flags=UNWINDS, sources=["tst-cleanup4aux.c"]),
    "tst-exec4": Needs(args=["PROGRAM"]),
    "tst-stack3": Needs(preload=DEBUG, env={"MALLOC_TRACE": "mtrace"}),
    "tst-stack4": Needs(opened=["tst-stack4mod"]),
    "tst-execstack": Needs(flags=["-Wl,-z,noexecstack"], opened=["tst-execstack-mod"]),
    "tst-compat-forwarder": Needs(linked=["tst-compat-forwarder-mod"]),
    "tst-mutex10": Needs(env={"GLIBC_TUNABLES": "glibc.elision.enable=1"}),
    "tst-audit-threads": Needs(
        flags=["-Wl,-z,lazy"],
        linked=["tst-audit-threads-mod2"],
        opened=["tst-audit-threads-mod1"],
        env={"LD_AUDIT": f"{OBJECTS}/tst-audit-threads-mod1.so"},
    ),
    "tst-oddstacklimit": Needs(args=["--command", f"{OBJECTS}/tst-basic1"]),
    "tst-cleanup2": Needs(flags=["-fno-builtin"]),
    "tst-cleanupx2": Needs(flags=[*UNWINDS, "-fno-builtin"]),
    "tst-umask1": Needs(args=["umask1.temp"]),
    "tst-atfork2": Needs(
        flags=["-rdynamic"], opened=["tst-atfork2mod"], preload=DEBUG, env={"MALLOC_TRACE": "mtrace"}
    ),
    "tst-atfork3": Needs(flags=["-rdynamic"], opened=["tst-atfork3mod"]),
    "tst-atfork4": Needs(flags=["-rdynamic"], opened=["tst-atfork4mod"]),
    "tst-fini1": Needs(linked=["tst-fini1mod"]),
    "tst-_res1": Needs(linked=["tst-_res1mod2", "tst-_res1mod1"]),
    "tst-pt-tls4": Needs(opened=["tst-tls4moda", "tst-tls4modb"]),
    "tst-create1": Needs(flags=["-rdynamic"], opened=["tst-create1mod"]),
    "tst-join7": Needs(opened=["tst-join7mod"]),
    "tst-oncex3": Needs(flags=UNWINDS),
    "tst-oncex4": Needs(flags=UNWINDS),
    "tst-oncey3": Needs(flags=["-fno-exceptions", "-fno-asynchronous-unwind-tables"]),
    "tst-oncey4": Needs(flags=["-fno-exceptions", "-fno-asynchronous-unwind-tables"]),
    "tst-tls3": Needs(flags=["-rdynamic"], opened=["tst-tls3mod"]),
    "tst-tls3-malloc": Needs(flags=["-rdynamic"], opened=["tst-tls3mod"]),
    "tst-tls5": Needs(linked=["tst-tls5mod"]),
}
CANCELX = re.compile(r"tst-(cancel|cleanup)x\d")
# Parts of tests, by their names or because another test's source includes them.
PART = re.compile(r"mod\d?[a-z]?\d?$|-mod\d?$|aux$|-aux-(no)?thread$|tst-interpose-(skeleton|aux)|-common$|-cleanup$")


@dataclass
class Test:
    name: str
    source: Path
    path: str = ""  # the program; empty if there is none
    why: str = ""  # why there is none
    static: bool = False

    @property
    def needs(self) -> Needs:
        return NEEDS.get(self.name, Needs())


def unpack() -> None:
    found = sorted(TARBALLS.glob("glibc-*.tar.xz"))
    if not found:
        raise Failure(f"no {TARBALLS}/glibc-*.tar.xz (scripts/install-deps long)")
    mark = HOME / found[-1].name
    if mark.exists():
        return
    shutil.rmtree(HOME, ignore_errors=True)
    SOURCE.mkdir(parents=True)
    OBJECTS.mkdir()
    folders = ("support", "nptl", "malloc", "sysdeps", "include", "posix", "elf", "test-skeleton.c")
    inside = [f"{found[-1].name.removesuffix('.tar.xz')}/{f}" for f in folders]
    tar = ["tar", "-xf", str(found[-1]), "-C", str(SOURCE), "--strip-components=1", *inside]
    subprocess.run(tar, check=True)
    (HOME / "include").mkdir()
    (HOME / "include" / "support").symlink_to(SOURCE / "support")
    for header in HEADERS:
        (HOME / "include" / header).symlink_to(SOURCE / "include" / header)
    mark.touch()


def compile_(source: Path, output: Path, *more: str) -> str:
    """What the compiler says is wrong; empty if nothing is. What is there already is kept."""
    if output.exists():
        return ""
    cxx = source.suffix == ".cc"
    argv = ["g++", *CXX_FLAGS] if cxx else ["gcc", *C_FLAGS]
    part = output.with_name(f".{output.name}")
    argv += ["-o", str(part), str(source), *more]
    done = subprocess.run(argv, cwd=source.parent, capture_output=True, text=True, env=environment())
    if done.returncode == 0:
        part.rename(output)
        return ""
    said = [x for x in done.stderr.splitlines() if re.search(r"error:|undefined reference", x)]
    return re.sub(r"^.*/", "", (said or [done.stderr])[0])[:120]


def support(pool: ThreadPoolExecutor) -> list[str]:
    """The archive that each test is linked with; what is missing from it."""
    makefile = (SOURCE / "support" / "Makefile").read_text()
    names = re.search(r"libsupport-routines = \\\n(.*?)\n\n", makefile, re.S)[1].replace("\\", "").split()
    sources = [SOURCE / "support" / f"{n}.c" for n in names]
    sources += [SOURCE / "malloc" / f"{n}.c" for n in PRIVATE]
    folder = HOME / "support"
    folder.mkdir(exist_ok=True)
    places = "SRCDIR OBJDIR OBJDIR_ELF_LDSO INSTDIR LIBDIR BINDIR SBINDIR SLIBDIR ROOTSBINDIR COMPLOCALEDIR"
    paths = [f'-D{p}_PATH="{OBJECTS}"' for p in places.split()]
    paths += ["-DTIMEOUTFACTOR=1", "-include", "sys/syscall.h"]

    def one(source: Path) -> str:
        return compile_(source, folder / f"{source.stem}.o", "-c", *paths)

    missing = [f"{s.stem}: {said}" for s, said in zip(sources, pool.map(one, sources)) if said]
    archive = HOME / "libsupport.a"
    archive.unlink(missing_ok=True)
    subprocess.run(["ar", "rcs", str(archive), *map(str, folder.glob("[a-z]*.o"))], check=True)
    return missing


def build_one(test: Test) -> None:
    needs, folder = test.needs, test.source.parent
    flags = list(needs.flags)
    if test.name not in NEEDS and CANCELX.match(test.name):
        flags = [*UNWINDS, "-fasynchronous-unwind-tables"]
    if folder.name == "malloc":
        flags.append("-DTEST_NO_MALLOPT")
    for module in [*reversed(needs.linked), *needs.opened]:
        others = [f"{OBJECTS}/{m}.so" for m in needs.linked[needs.linked.index(module) + 1 :]] if (
            module in needs.linked
        ) else []  # fmt: skip
        wrong = compile_(
            folder / f"{module}.c", OBJECTS / f"{module}.so", "-shared", "-fPIC",
            f"-Wl,-soname,{module}.so", *others,
        )  # fmt: skip
        if wrong:
            test.why = wrong
            return
    if test.name == "tst-stack4":
        for i in range(20):
            for j in range(20):
                shutil.copy(OBJECTS / "tst-stack4mod.so", OBJECTS / f"tst-stack4mod-{i}-{j}.so")
    extra = [str(folder / s) for s in needs.sources] + [f"{OBJECTS}/{m}.so" for m in needs.linked]
    libs = [f"{HOME}/libsupport.a", "-lrt", "-ldl", "-lm", "-Wl,--no-as-needed" if extra else "-Wl,--as-needed"]
    test.why = compile_(test.source, OBJECTS / test.name, *flags, *extra, *libs)
    if not test.why:
        test.path = str(OBJECTS / test.name)


def tests(folders: list[str]) -> list[Test]:
    unpack()
    found = []
    for folder in folders:
        for source in sorted((SOURCE / folder).glob("tst-*.c*")) + sorted((SOURCE / folder).glob("mallocbug.c")):
            if source.suffix in (".c", ".cc") and not PART.search(source.stem):
                found.append(Test(source.stem, source))
    with ThreadPoolExecutor(2) as pool:
        for line in support(pool):
            print(f"# not in the support archive: {line}")
        for test in found:
            if re.search(r"-static(-|$)", test.name) or test.name in ("tst-locale1", "tst-locale2"):
                test.static, test.why = True, "statically linked, by its nature"
        list(pool.map(build_one, [t for t in found if not t.static]))
    return found
