# SPDX-License-Identifier: MIT
"""The programs whose stacks truth_walks.py judges: how to find each, what to give it to do.

Each has about a second of work and the same output every time, so that it can be compared with that
of the program alone.
"""

from __future__ import annotations

import random
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import BUILD, Failure, bare, environment, run  # noqa: E402

Environment = Mapping[str, str]


class Skip(Exception):
    """The program is not installed, and the project does not ask for it."""


@dataclass
class Program:
    name: str
    exe: str  # the name of its file, by which the preloaded library knows it
    once: Callable[[Environment], str]  # runs it to its end and gives what it printed
    argv: list[str]  # empty: it cannot be started by itself
    cwd: Path


def needed(*names: str) -> str:
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    raise Failure(f"{names[0]} is not installed (scripts/install-deps)")


def output(argv: list[str], env: Environment, cwd: Path) -> str:
    done = run(argv, env, cwd=cwd, timeout=300)
    if done.status != 0:
        raise Failure(f"{argv[0]} ended with {done.status}: {done.stderr[-300:]!r}")
    return done.stdout


def simple(name: str, argv: list[str], cwd: Path) -> Program:
    exe = Path(argv[0]).resolve()
    argv = [str(exe), *argv[1:]]
    return Program(name, exe.name, lambda env: output(argv, env, cwd), argv, cwd)


# ----------------------------------------------------------------------------------- interpreters

PYTHON = r"""
import collections, functools, json, re, zlib

class Shape:
    def __init__(self, n): self.n = n
    def area(self): return self.n
    def __lt__(self, other): return self.area() < other.area()
class Square(Shape):
    def area(self): return super().area() ** 2

@functools.lru_cache(maxsize=50)
def cached(n): return sum(i * i for i in range(n % 97))
def depth(n): return 0 if n == 0 else 1 + depth(n - 1)
def walk(n):
    if n == 0: raise ValueError("bottom")
    try: return walk(n - 1)
    finally: cached(n)

total = 0
for i in range(160):
    data = {str(k): [k, {"x": k * 1.5, "s": "v" * (k % 7)}] for k in range(80)}
    text = json.dumps(data, indent=1, sort_keys=True)
    total += len(json.loads(text)) + zlib.crc32(zlib.compress(text.encode()))
    total += len(re.findall(r"(?:\d+\.?\d*)|(?:\"[a-z]+\")", text))
    total += sorted((Square(k * 7919 % 101) for k in range(200)))[9].area()
    total += sum(map(lambda w: len(w) * cached(len(w)), text.split()))
    total += collections.Counter(text).most_common(1)[0][1] + depth(150)
    try: walk(60)
    except ValueError as error: total += len(str(error))
print(total)
"""

PERL = r"""
use strict; use warnings;
sub fib { my $n = shift; return $n < 2 ? $n : fib($n - 1) + fib($n - 2) }
my ($total, %seen) = (0);
for my $i (1 .. 130) {
    my $text = join ' ', map { sprintf "%05x", ($_ * 7919 * $i) % 65537 } 1 .. 900;
    $seen{$1}++ while $text =~ /\b([0-9a-f]{2})[0-9a-f]+(?=\s[1-9])/g;
    (my $copy = $text) =~ s/([a-f]+)/uc($1) . length($1)/ge;
    my @words = sort { substr($a, 1) cmp substr($b, 1) or $a cmp $b } split / /, $copy;
    $total += length($words[3]) + fib(11);
    eval { die { code => $i } }; $total += $@->{code};
    $total += eval "my \$x = $i; \$x * 2 + @{[scalar @words]}";
    my %h = map { $_ => [length, reverse split //] } @words[0 .. 199];
    $total += scalar map { @{$h{$_}} } sort keys %h;
}
print "$total ", scalar(keys %seen), "\n";
"""

SQL = r"""
create table t(id integer primary key, k text, v real, g integer);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000)
insert into t select i, printf('key-%05d', (i * 7919) % 60013), i * 0.25, i % 37 from n;
create index t_k on t(k);
create index t_g on t(g, v);
select g, count(*), sum(v), max(k) from t group by g order by 3 desc limit 5;
select count(*) from t a join t b on a.id = b.id + 1 where a.k < b.k;
select count(*) from t where k like '%99%' and v > 1000;
with recursive f(n, a, b) as (select 1, 0, 1 union all select n + 1, b, (a + b) % 1000003 from f where n < 200000)
select max(a) from f;
update t set v = v * 2 where g in (select g from t where id % 13 = 0 limit 9);
select id, sum(v) over (partition by g order by id rows 3 preceding) from t order by 2 desc limit 3;
select count(distinct substr(k, 5, 3)), group_concat(distinct g) from t;
delete from t where g % 3 = 0;
vacuum;
select count(*), avg(length(k || v)) from t;
"""

NODE = r"""
class Shape { constructor(n) { this.n = n; } area() { return this.n; } }
class Square extends Shape { area() { return super.area() ** 2; } }
function walk(n) { if (n === 0) throw new Error('bottom'); try { return walk(n - 1); } finally { sum++; } }
let sum = 0;
for (let i = 0; i < 1500; i++) {
    const data = {};
    for (let k = 0; k < 60; k++) data['k' + k] = [k, {x: k * 1.5, s: 'v'.repeat(k % 7)}];
    const text = JSON.stringify(data, null, 1);
    sum += Object.keys(JSON.parse(text)).length + (text.match(/\d+\.?\d*|"[a-z]+"/g) || []).length;
    const shapes = Array.from({length: 120}, (_, k) => k % 2 ? new Shape(k * 7919 % 101) : new Square(k % 11));
    sum += shapes.sort((a, b) => a.area() - b.area())[9].area();
    try { walk(40); } catch (e) { sum += e.message.length; }
}
console.log(sum);
"""


def python(tmp: Path) -> Program:
    system = Path("/usr/bin/python3")
    (tmp / "work.py").write_text(PYTHON)
    return simple("python3", [str(system if system.exists() else sys.executable), "work.py"], tmp)


def perl(tmp: Path) -> Program:
    (tmp / "work.pl").write_text(PERL)
    return simple("perl", [needed("perl"), "work.pl"], tmp)


def sqlite3(tmp: Path) -> Program:
    (tmp / "work.sql").write_text(SQL)
    return simple("sqlite3", [needed("sqlite3"), "-batch", "-init", "work.sql", ":memory:"], tmp)


def node(tmp: Path) -> Program:
    path = shutil.which("node")
    if not path:
        raise Skip("node is not installed")
    (tmp / "work.js").write_text(NODE)
    return simple("node", [path, "work.js"], tmp)


# -------------------------------------------------------------------------------------- compilers

SOURCE = r"""
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <vector>

template <int N> struct Fib { static constexpr long value = Fib<N - 1>::value + Fib<N - 2>::value; };
template <> struct Fib<0> { static constexpr long value = 0; };
template <> struct Fib<1> { static constexpr long value = 1; };

int main(int argc, char **argv)
{
    std::map<std::string, std::vector<int>> words;
    std::regex number("([0-9]+)(\\.[0-9]*)?|[a-z]+");
    for (int i = 0; i < argc; i++) {
        std::string s(argv[i]);
        for (std::sregex_iterator m(s.begin(), s.end(), number), end; m != end; ++m) {
            words[m->str()].push_back(i + Fib<40>::value % 7);
        }
    }
    std::function<bool(int, int)> by = [](int a, int b) { return a > b; };
    for (auto &[word, lines] : words) {
        std::sort(lines.begin(), lines.end(), by);
        std::cout << word << ' ' << lines.size() << '\n';
    }
}
"""


def compiler(name: str, driver: str, optimise: str, tmp: Path) -> Program:
    """The compiler proper, as its driver would start it, with the result on stdout."""
    source = tmp / "source.cc"
    source.write_text(SOURCE)
    asked = bare([driver, "-###", "-S", optimise, "-std=c++17", str(source), "-o", "-"], cwd=tmp)
    for line in asked.stderr.splitlines():
        argv = shlex.split(line) if line.startswith(" ") and "source.cc" in line else [""]
        if "cc1" in Path(argv[0]).name or "-cc1" in argv:
            return simple(name, argv, tmp)
    raise Failure(f"{driver} -### names no compiler: {asked.stderr[-300:]!r}")


def clang_driver() -> str:
    versioned = sorted(Path("/usr/lib").glob("llvm-*/bin/clang"))
    return needed("clang", *map(str, versioned))


# ------------------------------------------------------------------------------------------ others


def xz(tmp: Path) -> Program:
    draw = random.Random(7)
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 9))) for _ in range(3000)]
    (tmp / "text").write_text(" ".join(draw.choices(words, k=330000)))
    return simple("xz", [needed("xz"), "-k", "-c", "-T1", "-5", "text"], tmp)


def git(tmp: Path) -> Program:
    """A history of 400 commits, shown as patches."""
    repository = tmp / "repository"
    program = needed("git")
    bare([program, "init", "-q", str(repository)])
    draw = random.Random(11)
    files = {f"file{i}": [f"line {draw.random()}" for _ in range(400)] for i in range(8)}
    stream: list[str] = []
    for n in range(400):
        name = f"file{draw.randrange(8)}"
        lines = files[name]
        for _ in range(6):
            at = draw.randrange(len(lines))
            lines[at : at + draw.randrange(3)] = [f"line {draw.random()}", "common"]
        text = "\n".join(lines) + "\n"
        stream.append(
            f"commit refs/heads/main\ncommitter A <a@example.org> {1000000000 + n} +0000\n"
            f"data 4\nnote\nM 100644 inline {name}\ndata {len(text)}\n{text}\n"
        )
    bare([program, "fast-import", "--quiet"], cwd=repository, stdin="".join(stream))
    log = ["log", "-p", "-M", "-C", "--stat", "--diff-algorithm=histogram", "--word-diff=porcelain"]
    return simple("git", [program, "--no-pager", *log, "main"], repository)


def redis(tmp: Path) -> Program:
    """The server, for as long as the benchmark drives it."""
    server, driver, cli = needed("redis-server"), needed("redis-benchmark"), needed("redis-cli")
    socket = tmp / "socket"
    serve = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    tests = "set,get,incr,lpush,rpush,lpop,sadd,hset,spop,zadd,lrange_100,mset"

    def once(env: Environment) -> str:
        child = subprocess.Popen(
            [server, *serve],
            env=dict(env),
            cwd=tmp,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for _ in range(200):
                if socket.exists():
                    break
                time.sleep(0.02)
            load = ["-q", "-r", "5000", "-d", "40", "-n", "16000", "-P", "8", "-t", tests]
            output([driver, "-s", str(socket), *load], environment(), tmp)
            output([cli, "-s", str(socket), "shutdown", "nosave"], environment(), tmp)
            if child.wait(60) != 0:
                raise Failure(f"redis-server ended with {child.returncode}")
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        return ""

    return Program("redis", Path(server).resolve().name, once, [], tmp)


def built(name: str, rounds: int, tmp: Path) -> Program:
    path = BUILD / "test" / "unwind" / name
    if not path.exists():
        if name == "truth_rust" and not shutil.which("rustc"):
            raise Skip("rustc is not installed")
        raise Failure(f"{path} is not built")
    return simple(name.removeprefix("truth_"), [str(path), str(rounds)], tmp)


PROGRAMS: dict[str, Callable[[Path], Program]] = {
    "python3": python,
    "cc1plus": lambda tmp: compiler("cc1plus", needed("g++"), "-O0", tmp),
    "sqlite3": sqlite3,
    "redis": redis,
    "perl": perl,
    "git": git,
    "xz": xz,
    "clang": lambda tmp: compiler("clang", clang_driver(), "-O0", tmp),
    "rust": partial(built, "truth_rust", 1500),
    "cxx": partial(built, "truth_cxx", 900),
    "node": node,  # one more where it is there: most of its frames are in code made at run time
}
