"""checks.py: the checks of run.sh; each function named check_* is one group.

SPDX-License-Identifier: MIT
"""
import gzip
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import traceback

from binaries import C_SOURCE, CXX_SOURCE, MANGLED, Binary, build, run
from harness import (FOLDER, PROGRAM, away, compare, counts, function_addresses, functions, ok,
                     path, places, pprof, profile_of, read_bytes, symbolize)
from profile_wire import Decoded, Profile, chunk, number


def check_dwarf():
    """Functions, lines and inlined calls, as addr2line sees them."""
    variants = [("c-dwarf5", C_SOURCE, "gcc", "-g -O2"), ("c-dwarf4", C_SOURCE, "gcc", "-gdwarf-4 -O2"),
                ("c-o0", C_SOURCE, "gcc", "-g -O0"), ("c-fixed", C_SOURCE, "gcc", "-g -O2 -no-pie"),
                ("c-compressed", C_SOURCE, "gcc", "-g -gz -O2"),
                ("c-split", C_SOURCE, "gcc", "-g -gsplit-dwarf -O2"),
                ("c-split4", C_SOURCE, "gcc", "-gdwarf-4 -gsplit-dwarf -O2"),
                ("c-sections", C_SOURCE, "gcc", "-g -O2 -ffunction-sections -Wl,--gc-sections"),
                ("cxx", CXX_SOURCE, "g++", "-g -O2")]
    if shutil.which("llvm-symbolizer"):
        variants.append(("cxx-o0", CXX_SOURCE, "g++", "-g -O0"))
        variants.append(("cxx-lto", CXX_SOURCE, "g++", "-g -O2 -flto"))
        if shutil.which("clang"):
            variants.append(("c-clang", C_SOURCE, "clang", "-g -O2"))
            variants.append(("cxx-clang", CXX_SOURCE, "clang++", "-g -O2"))
    if shutil.which("ld.lld"):
        variants.append(("c-lld", C_SOURCE, "gcc", "-g -O2 -fuse-ld=lld"))
    for name, source, compiler, flags in variants:
        binary = Binary(build(FOLDER, name, source, compiler, *flags.split()))
        own = {n for n in binary.symbols() if n not in (
            "_start", "_init", "_fini", "deregister_tm_clones", "register_tm_clones",
            "__do_global_dtors_aux", "frame_dummy", "_dl_relocate_static_pie",
            "__libc_csu_init", "__libc_csu_fini")}
        addresses = function_addresses(binary, 1, own)
        file = profile_of(binary, addresses, name)
        done = symbolize(file)
        d = Decoded(file)
        reference = None
        if "split" in flags: # addr2line reads no .dwo: the same code without
            reference = binary.path + ".whole"
            run(compiler, "-o", reference, binary.path + ".c",
                *flags.replace("-gsplit-dwarf", "-g" if "gdwarf" not in flags else "").split())
        differ = compare(d, binary, addresses, places, reference)
        ok(done.returncode == 0 and not done.stderr and not differ,
           "%s: file and line of %d addresses as addr2line" % (name, len(addresses)),
           (done.stderr, len(differ), differ[:3]))
        differ = compare(d, binary, addresses, functions, reference)
        ok(not differ, name + ": functions as addr2line", (len(differ), differ[:3]))
        if "o0" not in name:
            ok(any(len(d.frames(i)) >= 3 for i in d.locations), name + ": inlined calls")
        ok(d.dense() and set(m["flags"] for m in d.mappings.values()) == {(1, 1, 1, 1)},
           name + ": dense ids, all flags", d.mappings)


def check_package():
    """Split DWARF in a .dwp, without the .dwo files. (binutils 2.40 make none of DWARF 5, and LLVM 14
    reads none of GCC's.)"""
    for version, cc, cxx, tool in ((4, "gcc", "g++", "dwp"), (5, "clang", "clang++", "llvm-dwp")):
        if not shutil.which(tool) or not shutil.which(cc):
            continue
        name, flags = "package%d" % version, ["-O2", "-gdwarf-%d" % version]
        for source, text, compiler in (("a.c", C_SOURCE, cc), ("b.cc", CXX_SOURCE, cxx)):
            with open(path(name + source), "w") as f:
                f.write(text)
            run(compiler, *flags, "-gsplit-dwarf", "-c", path(name + source), "-o",
                path(name + source[0] + ".o"))
        run(cc, "-Wl,--build-id", "-o", path(name), path(name + "a.o"))
        run(cc, *flags, "-o", path(name + ".whole"), path(name + "a.c"))
        dwos = [path(name + "b.dwo"), path(name + "a.dwo")]
        subprocess.run([tool, "-o", path(name + ".dwp"), *dwos], check=True, timeout=60,
                       stdin=subprocess.DEVNULL)
        for dwo in dwos:
            os.remove(dwo)
        binary = Binary(path(name))
        addresses = function_addresses(binary, 1, {"worker", "hidden", "main"})
        file = profile_of(binary, addresses, name)
        symbolize(file)
        d = Decoded(file)
        differ = compare(d, binary, addresses, places, path(name + ".whole"))
        ok(not differ and any(len(d.frames(i)) >= 3 for i in d.locations),
           "%d addresses by a package of DWARF %d" % (len(addresses), version),
           (len(differ), differ[:3]))


def check_dwz():
    """Debug information that two files share, in a third one by dwz."""
    if not shutil.which("dwz"):
        return
    folder = path("dwz")
    os.makedirs(folder)
    one = build(folder, "one", CXX_SOURCE, "g++", "-g", "-O2")
    build(folder, "two", CXX_SOURCE, "g++", "-g", "-O2")
    whole = shutil.copy(one, one + ".whole")
    run("dwz", "-m", "shared.dwz", "-M", os.path.join(folder, "shared.dwz"), "one", "two", cwd=folder)
    binary = Binary(one)
    addresses = function_addresses(binary, 3)
    file = profile_of(binary, addresses, "dwz")
    symbolize(file)
    d = Decoded(file)
    differ = compare(d, binary, addresses, places, whole)
    names = {f["name"] for f in d.functions.values()}
    ok(os.path.exists(os.path.join(folder, "shared.dwz")) and not differ and
       "shop::(anonymous namespace)::secret" in names,
       "dwz: %d addresses, the shared part elsewhere" % len(addresses), (len(differ), differ[:3]))


def check_whole_mapping():
    """One mapping over all segments of a library, as some profilers write it."""
    for name in ("c-dwarf5", "c-lld"):
        if not os.path.exists(path(name)):
            continue
        binary = Binary(path(name))
        addresses = function_addresses(binary, 1, {"worker", "hidden"})
        p = Profile()
        end = max(vaddr + size for _, vaddr, size, _ in binary.loads)
        mapping = p.mapping(binary.base, binary.base + end, 0, binary.path, binary.build_id)
        for a in addresses:
            p.location(mapping, binary.base + a)
        file = path("whole.pb.gz")
        p.write(file)
        symbolize(file)
        ok(not compare(Decoded(file), binary, addresses, places), name + ": one mapping for all")


def check_names():
    binary = Binary(path("cxx"))
    symbols = binary.symbols()
    file = profile_of(binary, function_addresses(binary, 1), "cxx-names")
    symbolize(file)
    d = Decoded(file)
    seen = {f["name"] for f in d.functions.values()}
    for name in ("shop::basket<long, 3>::total", "shop::till::ring",
                 "shop::(anonymous namespace)::secret", "shop::(anonymous namespace)::whisper",
                 "shop::local", "main"):
        ok(name in seen, "C++ name " + name, sorted(seen))
    bad = [f for f in d.functions.values() if f["name"].startswith("_Z")]
    ok(not bad and symbols, "no name left mangled", bad[:5])
    starts = {f["name"]: f["start"] for f in d.functions.values()}
    want = CXX_SOURCE[:CXX_SOURCE.index("long till::ring")].count("\n") + 1
    ok(starts.get("shop::till::ring") == want, "start_line", (starts.get("shop::till::ring"), want))

    asm = path("mangled.s")
    with open(asm, "w") as f:
        f.write(".text\n")
        for symbol in MANGLED:
            f.write('.globl "%s"\n.type "%s", @function\n"%s": nop\nret\n.size "%s", .-"%s"\n'
                    % ((symbol,) * 5))
        f.write("untyped: nop\nret\n")
    run("gcc", "-shared", "-o", path("mangled.so"), asm)
    binary = Binary(path("mangled.so"))
    symbols = binary.symbols()
    order = list(MANGLED) + ["untyped"]
    file = profile_of(binary, [symbols[s][0] for s in order], "mangled")
    symbolize(file)
    d = Decoded(file)
    for i, symbol in enumerate(order):
        got = d.frames(i + 1)
        ok(len(got) == 1 and got[0][:2] == (MANGLED.get(symbol, symbol), symbol),
           "demangled " + symbol, got)


def check_symbol_tables():
    """Only .dynsym; .gnu_debugdata; debug file by link; all without DWARF in the binary."""
    flags = ["-O2", "-g", "-rdynamic"]
    full = Binary(build(FOLDER, "full", C_SOURCE, "gcc", *flags))
    symbols = full.symbols()
    spots = [symbols["worker"][0] + 3, symbols["hidden"][0] + 3, symbols["_start"][0] + 1]

    stripped = path("stripped")
    run("strip", "-o", stripped, full.path)
    binary = Binary(stripped)
    file = profile_of(binary, spots, "dynsym")
    symbolize(file)
    d = Decoded(file)
    hidden = "stripped!0x%x" % spots[1]
    ok([d.names(i) for i in (1, 2)] == [["worker"], [hidden]],
       "dynsym: exported name, and the rest by module and address",
       [d.names(i) for i in d.locations])
    ok(d.mappings[1]["flags"] == (1, 0, 0, 0), "dynsym: functions, no lines", d.mappings)

    mini, keep = path("mini"), path("keep")
    with open(keep, "w") as f:
        f.write("hidden\n")
    run("objcopy", "-S", "--keep-symbols=" + keep, "--remove-section=.comment", full.path,
        path("mini_debuginfo"))
    run("xz", "-f", path("mini_debuginfo"))
    run("objcopy", "--add-section", ".gnu_debugdata=" + path("mini_debuginfo.xz"), stripped, mini)
    file = profile_of(Binary(mini), spots, "minidebug")
    symbolize(file)
    d = Decoded(file)
    ok([d.names(i) for i in (1, 2)] == [["worker"], ["hidden"]], "minidebuginfo",
       [d.names(i) for i in d.locations])

    debug, linked = path("linked.debug"), path("linked")
    run("objcopy", "--only-keep-debug", full.path, debug)
    run("objcopy", "--strip-all", "--add-gnu-debuglink=" + debug, full.path, linked)
    binary = Binary(linked)
    file = profile_of(binary, spots, "linked")
    symbolize(file)
    d = Decoded(file)
    ok(not compare(d, full, spots[:2], places) and d.mappings[1]["flags"] == (1, 1, 1, 1),
       "separate debug file by debuglink", [d.frames(i) for i in d.locations])

    elsewhere = path("elsewhere")
    os.makedirs(os.path.join(elsewhere, ".build-id", binary.build_id[:2]))
    os.rename(debug, os.path.join(elsewhere, ".build-id", binary.build_id[:2],
                                  binary.build_id[2:] + ".debug"))
    file = profile_of(binary, spots, "byid")
    symbolize(file, PPROF_BINARY_PATH="/nonexistent:" + elsewhere)
    ok(not compare(Decoded(file), full, spots[:2], places), "separate debug file by build id")

    run("objcopy", "--only-keep-debug", Binary(path("c-fixed")).path, debug)
    file = profile_of(binary, spots, "wrongdebug")
    symbolize(file)
    d = Decoded(file)
    ok(d.names(1) == ["worker"] and d.frames(1)[0][2] == "", "a debug file of another build id",
       d.frames(1))
    os.remove(debug)

    os.makedirs(path("binaries", binary.build_id))
    shutil.copy(full.path, path("binaries", binary.build_id, "gone"))
    file = profile_of(binary, spots, "gone", file="/nowhere/gone")
    symbolize(file, PPROF_BINARY_PATH=path("binaries"))
    ok(not compare(Decoded(file), full, spots[:2], places), "PPROF_BINARY_PATH/buildid/base")


def check_plt():
    source = "#include <stdlib.h>\nint main(int c, char **v) { return c > 1 ? getenv(v[1]) != 0 : 0; }\n"
    for name, flags in (("plt", "-O2 -Wl,-z,now"), ("plt-ibt", "-O2 -fcf-protection -Wl,-z,lazy"),
                        ("plt-lazy", "-O2 -Wl,-z,lazy -fcf-protection=none")):
        binary = Binary(build(FOLDER, name, source, "gcc", *flags.split()))
        out = run("objdump", "-d", binary.path)
        stubs = [int(line.split()[0], 16) for line in out.splitlines()
                 if line.endswith("@plt>:") and "@GLIBC" not in line and "cxa" not in line]
        wanted = [line.split("<")[1][:-2] for line in out.splitlines()
                  if line.endswith("@plt>:") and "cxa" not in line]
        file = profile_of(binary, stubs + [binary.symbols()["main"][0]], name)
        symbolize(file)
        d = Decoded(file)
        got = [d.names(i + 1) for i in range(len(stubs))]
        ok(stubs and "getenv@plt" in wanted and ["getenv@plt"] in got, name + ": stub named", (got, wanted))


def check_nothing_known():
    binary = Binary(path("c-dwarf5"))
    spots = function_addresses(binary, 16, {"worker"})
    file = profile_of(binary, spots, "other-id", build_id="00" * 20)
    done = symbolize(file)
    ok(done.returncode == 0 and nameless(file, "c-dwarf5"), "another build id: no names", done.stderr)
    file = profile_of(binary, spots, "missing", file="/nowhere/missing")
    done = symbolize(file)
    ok(done.returncode == 0 and nameless(file, "missing"), "binary missing", done.stderr)
    once = read_bytes(file)
    symbolize(file)
    ok(read_bytes(file) == once, "still missing: the file as it was")
    os.makedirs(path("found", binary.build_id), exist_ok=True)
    shutil.copy(binary.path, path("found", binary.build_id, "missing"))
    symbolize(file, PPROF_BINARY_PATH=path("found"))
    d = Decoded(file)
    ok(not compare(d, binary, spots, places) and d.dense() and d.mappings[1]["flags"] == (1, 1, 1, 1),
       "found later: named, each location once", [d.frames(i) for i in d.locations][:3])
    file = profile_of(binary, spots, "noid", build_id="")
    symbolize(file)
    ok("worker" in Decoded(file).names(1), "no build id in the profile: the path will do")
    file = profile_of(binary, spots, "deleted", build_id="", file=binary.path + " (deleted)")
    symbolize(file)
    ok(nameless(file, "c-dwarf5"), "called deleted and no build id: not the file of that path")


def nameless(file, module):
    d = Decoded(file)
    return d.mappings[1]["flags"] == (1, 0, 0, 0) and all(
        len(d.names(i)) == 1 and d.names(i)[0].startswith(module + "!0x") for i in d.locations)


def check_kept():
    """Whatever the program does not understand, and what was named before, stays."""
    binary = Binary(path("c-dwarf5"))
    symbols = binary.symbols()
    for strings_first in (False, True):
        p = Profile()
        (mapping, _), = binary.add_to(p)
        pseudo = p.function("[truncated]", "[truncated]")
        named = p.function("before", "before", "before.c", 7)
        p.location(mapping, binary.base + symbols["worker"][0] + 2)
        p.location(0, 0, [(pseudo, 0)])
        p.location(mapping, binary.base + symbols["worker"][0], [(named, 9)])
        p.location(0, 0x1234)
        p.extra = number(77, 5) + chunk(78, b"unknown") + b"\xf9\x04" + b"8bytes!!"
        file = path("kept.pb.gz")
        p.write(file, stacks=[[1, 2], [3, 1, 4]], strings_first=strings_first)
        raw = Decoded(file)
        os.chmod(file, 0o640)
        done = symbolize(file)
        d = Decoded(file)
        when = "strings first" if strings_first else "strings last"
        ok(done.returncode == 0 and d.samples == raw.samples and d.types == raw.types and
           d.other == raw.other, when + ": samples and unknown fields", done.stderr)
        ok(d.names(2) == ["[truncated]"] and d.frames(3)[0][2:] == ("before.c", 9) and
           d.names(4) == ["[anon]!0x1234"] and d.names(1)[-1] == "worker" and d.dense(),
           when + ": named locations", [d.frames(i) for i in d.locations])
        ok(os.stat(file).st_mode & 0o777 == 0o640, when + ": the file's mode")
        again = read_bytes(file)
        symbolize(file)
        ok(read_bytes(file) == again, when + ": a second time changes nothing")
    out = path("kept.out.pb.gz")
    done = symbolize("--output", out, file)
    ok(done.returncode == 0 and Decoded(out).names(1) == d.names(1) and
       os.stat(out).st_mode & 0o777 == 0o600, "--output", done.stderr)
    left = [f for f in os.listdir(FOLDER) if f.startswith(".")]
    ok(not left, "no temporary files left", left)


def check_taken_away():
    """A file that a collector removes while names are looked up does not come back."""
    binary = Binary(path("c-dwarf5"))
    folder = path("taken")
    os.makedirs(folder)
    for replaced in (False, True):
        p = Profile()
        (mapping, _), = binary.add_to(p)
        p.location(mapping, binary.base + binary.symbols()["worker"][0])
        p.extra = chunk(100, os.urandom(32 << 20)) # gives time
        file = os.path.join(folder, "a.pb.gz")
        p.write(file)
        child = subprocess.Popen([PROGRAM, file], stderr=subprocess.PIPE, universal_newlines=True)
        while child.poll() is None and len(os.listdir(folder)) < 2:
            pass
        caught = child.poll() is None
        if replaced:
            with open(os.path.join(folder, "b"), "w") as f:
                f.write("another")
            os.rename(os.path.join(folder, "b"), file)
        else:
            os.remove(file)
        _, err = child.communicate()
        if replaced:
            ok(caught and child.returncode == 1 and err.count("\n") == 1 and
               os.listdir(folder) == ["a.pb.gz"] and read_bytes(file) == b"another",
               "replaced meanwhile: the new one stays", (caught, err, os.listdir(folder)))
        else:
            ok(caught and child.returncode == 0 and os.listdir(folder) == [],
               "taken away meanwhile: does not come back", (caught, err, os.listdir(folder)))
    p.write(file)
    child = subprocess.Popen([PROGRAM, file])
    while child.poll() is None and len(os.listdir(folder)) < 2:
        pass
    child.terminate()
    ok(child.wait() == -signal.SIGTERM and os.listdir(folder) == ["a.pb.gz"],
       "killed while writing: no temporary file", os.listdir(folder))


def check_pprof():
    """go tool pprof, with the binaries out of reach: the names, and not a word."""
    for name in ("c-dwarf5", "cxx", "stripped"):
        binary = Binary(path(name))
        spots = function_addresses(Binary(path("full")) if name == "stripped" else binary, 8)
        file = profile_of(binary, spots, "pprof-" + name)
        symbolize(file)
        reachable, _ = pprof(file, "-top", "-lines", "-nodecount=10000")
        away(binary)
        out, err = pprof(file, "-top", "-lines", "-nodecount=10000")
        raw, raw_err = pprof(file, "-raw")
        away(binary)
        err = "\n".join(x for x in (err + raw_err).splitlines() if x)
        ok(out == reachable and err == "", name + ": pprof is silent, with and without binaries", err)
        want = {"c-dwarf5": "worker", "cxx": "shop::till::ring", "stripped": "worker"}[name]
        ok(want in out and want in raw, name + ": pprof shows the names", out)


def check_hostile():
    binary = Binary(path("c-dwarf5"))
    spots = function_addresses(binary, 40)
    good = profile_of(binary, spots, "good")
    data, file, wrong = read_bytes(good), path("hostile.pb.gz"), []
    rng = random.Random(1)

    def attempt(bytes_, what):
        with open(file, "wb") as f:
            f.write(bytes_)
        done = symbolize(file)
        same = read_bytes(file) == bytes_
        if done.returncode not in (0, 1) or (done.returncode == 1) != bool(done.stderr) or \
                (done.returncode == 1 and (not same or done.stderr.count("\n") != 1)):
            wrong.append((what, done.returncode, done.stderr))
        return done.returncode

    codes = [attempt(data[:n], n) for n in range(0, len(data) - 1, 7)]
    ok(not wrong and set(codes) == {1}, "truncated: an error, the file as it was",
       (wrong[:3], set(codes)))
    del wrong[:]
    plain = gzip.decompress(data)
    ok(attempt(plain, "plain") == 0, "not gzip'ed: read all the same")
    for i in range(300):
        broken = bytearray(plain)
        for _ in range(rng.choice((1, 2, 8, 64))):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        attempt(gzip.compress(bytes(broken[:rng.randrange(1, len(broken) + 1)]), 1), "mutant %d" % i)
    for i in range(60):
        attempt(bytes(rng.randrange(256) for _ in range(rng.randrange(3000))), "noise %d" % i)
    ok(not wrong, "mutants and noise: never a crash, never a lost file", wrong[:3])
    bombs = {"empty strings": chunk(6, b"") * (9 << 20), "empty locations": chunk(4, b"") * (9 << 20),
             "2 GB": chunk(100, bytes(1 << 20)) * 1100,
             "a length that is not there": b"\x32\xff\xff\xff\xff\xff\xff\xff\xff\x7f"}
    for name, bomb in bombs.items():
        with open(file, "wb") as f:
            f.write(gzip.compress(chunk(6, b"") + bomb, 1))
        done = subprocess.run(["sh", "-c", 'ulimit -v 1000000; exec "$@"', "sh", PROGRAM, file],
                              stderr=subprocess.PIPE, universal_newlines=True)
        ok(done.returncode == 1 and done.stderr.count("\n") == 1, "bomb of " + name, done)
    done = symbolize(path("absent.pb.gz"), path("link.pb.gz"), FOLDER, good)
    ok(done.returncode == 1 and done.stderr.count("\n") == 3 and Decoded(good).names(1),
       "one bad file does not keep the next from its names", done.stderr)


def check_hostile_elf():
    """Broken binaries cost their own names only."""
    good, victim = Binary(path("c-dwarf5")), Binary(path("cxx"))
    worker = good.symbols()["worker"][0] + 4
    data, rng, wrong = read_bytes(victim.path), random.Random(2), []
    spots = function_addresses(victim, 64)
    for i in range(60):
        broken = bytearray(data)
        if i % 3 == 0:
            broken = broken[:rng.randrange(len(broken))]
        else:
            low = 0 if i % 3 == 1 else len(broken) // 3
            for _ in range(rng.choice((4, 100, 2000))):
                broken[rng.randrange(low, len(broken))] = rng.randrange(256)
        with open(path("victim"), "wb") as f:
            f.write(broken)
        p = Profile()
        (mapping, _), = victim.add_to(p, build_id="", file=path("victim"))
        for a in spots:
            p.location(mapping, victim.base + a)
        (mapping, _), = good.add_to(p)
        last = p.location(mapping, good.base + worker)
        p.write(path("broken.pb.gz"))
        done = symbolize(path("broken.pb.gz"))
        if done.returncode != 0 or "worker" not in Decoded(path("broken.pb.gz")).names(last):
            wrong.append((i, done))
    ok(not wrong, "60 broken binaries: the other module keeps its names", wrong[:2])


def check_process():
    """A living process: deleted binary, vDSO, perf map."""
    source = r"""
#include <stdio.h>
#include <unistd.h>
__attribute__((noinline)) void waiter(void) { pause(); }
int main(void) { puts("ready"); fflush(stdout); waiter(); return 0; }
"""
    name = build(FOLDER, "living", source, "gcc", "-O1", "-g")
    binary = Binary(name)
    child = subprocess.Popen([name], stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        maps = []
        with open("/proc/%d/maps" % child.pid) as f:
            for line in f:
                w = line.split()
                start, limit = (int(x, 16) for x in w[0].split("-"))
                if "x" in w[1]:
                    maps.append((start, limit, int(w[2], 16), w[-1] if len(w) > 5 else ""))
        os.remove(name)
        p = Profile()
        start, limit, offset, _ = next(m for m in maps if m[3] == name)
        mapping = p.mapping(start, limit, offset, name + " (deleted)", binary.build_id)
        (off, vaddr, _, _), = binary.executable()
        waiter = start - offset + run_symbol(source, "waiter") - vaddr + off
        p.location(mapping, waiter)
        vdso = [m for m in maps if m[3] == "[vdso]"]
        if vdso:
            p.location(p.mapping(vdso[0][0], vdso[0][1], 0, "[vdso]"), vdso_function(vdso[0][0]))
        p.location(0, 0x5000)
        p.location(0, 0x5010)
        file = path("living.pb.gz")
        p.write(file)
        perf = "/tmp/perf-%d.map" % child.pid
        with open(perf, "w") as f:
            f.write("4ff0 100 old_code\n5000 10 jit: first function\nnonsense\n")
        done = symbolize("-p", str(child.pid), file)
        os.remove(perf)
        d = Decoded(file)
        ok(d.names(1) == ["waiter"], "deleted binary, through the process", (done.stderr, d.names(1)))
        if vdso:
            ok(d.names(2) == ["clock_gettime"], "vDSO", d.names(2))
        n = len(d.locations)
        ok(d.names(n - 1) == ["jit: first function"] and d.names(n) == ["old_code"], "perf map",
           [d.names(n - 1), d.names(n)])
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


def run_symbol(source, name):
    again = Binary(build(FOLDER, "living-again", source, "gcc", "-O1", "-g"))
    return again.symbols()[name][0] + 1


def vdso_function(start):
    """Where clock_gettime is in this machine's vDSO (that of every process)."""
    with open("/proc/self/maps") as f:
        line = next(x for x in f if x.rstrip().endswith("[vdso]"))
    low, high = (int(x, 16) for x in line.split()[0].split("-"))
    with open("/proc/self/mem", "rb") as f, open(path("vdso.so"), "wb") as out:
        f.seek(low)
        out.write(f.read(high - low))
    for line in run("nm", "-D", path("vdso.so")).splitlines():
        if line.split()[-1].split("@")[0] == "clock_gettime":
            return start + int(line.split()[0], 16) + 1
    return start


def check_network():
    """DEBUGINFOD_URLS is not for us."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(1)
    server.settimeout(0.2)
    file = profile_of(Binary(path("stripped")), [Binary(path("full")).symbols()["hidden"][0]], "net")
    symbolize(file, DEBUGINFOD_URLS="http://127.0.0.1:%d" % server.getsockname()[1])
    try:
        server.accept()
        called = True
    except socket.timeout:
        called = False
    server.close()
    ok(not called, "never the network")


def check_batch():
    """Several files at once: each as if alone."""
    one, two = Binary(path("c-dwarf5")), Binary(path("cxx"))
    alone, together = [], []
    for out in (alone, together):
        for i in range(3):
            p = Profile()
            for binary in ((one, two), (two,), (two, one))[i]:
                for mapping, (_, vaddr, size, _) in binary.add_to(p):
                    for a in range(vaddr + i, vaddr + size, 37):
                        p.location(mapping, binary.base + a)
            out.append(path("batch-%d-%s.pb.gz" % (i, "alone" if out is alone else "all")))
            p.write(out[-1])
    for file in alone:
        symbolize(file)
    symbolize(*together)
    ok(all(read_bytes(a) == read_bytes(b) for a, b in zip(alone, together)) and
       Decoded(alone[2]).functions, "three files in one call")


def check_call():
    ok("usage:" in symbolize("--help").stdout, "--help")
    ok(symbolize("--version").stdout.startswith("pprof-symbolize"), "--version")
    ok(symbolize().returncode == 2 and symbolize("-p", "x", "y").returncode == 2, "wrong calls")


def main():
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            try:
                check()
            except Exception:
                ok(False, name, traceback.format_exc())
    print("%d passed, %d failed" % (counts[True], counts[False]))
    return 1 if counts[False] else 0


sys.exit(main())
