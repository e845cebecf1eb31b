#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Other people's programs give the same output and exit status injected as bare: sqlite3, python3,
git, gcc, sh and bash scripts; at the defaults, at PPROF_MEM_RATE=1, and at PPROF_CPU_RATE=1000.
"""

# timeout: 600

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import Run, bare, case, files_in, finish, folder, inject, judged, ok

SQL = """
CREATE TABLE t (id INTEGER PRIMARY KEY, k INTEGER, v TEXT);
WITH RECURSIVE n(i, x) AS (
  SELECT 1, 12345 UNION ALL SELECT i + 1, (x * 1103515245 + 12345) % 2147483648 FROM n WHERE i < 40000)
INSERT INTO t SELECT i, x % 1000, hex(x) || printf('%020d', x) FROM n;
CREATE INDEX tk ON t(k);
SELECT k, count(*), max(v) FROM t GROUP BY k ORDER BY 2 DESC, 1 LIMIT 10;
UPDATE t SET v = upper(v) || k WHERE k < 300;
DELETE FROM t WHERE k % 7 = 0;
SELECT count(*), sum(length(v)) FROM t;
SELECT a.k, count(*) FROM t a JOIN t b ON a.k = b.k AND a.id < b.id WHERE a.k < 20 GROUP BY 1;
PRAGMA integrity_check;
SELECT * FROM missing;
"""

PYTHON = """
import hashlib, json, random, re, subprocess, sys, threading, zlib
random.seed(7)
data = {str(i): [random.random() for _ in range(20)] for i in range(3000)}
text = json.dumps(data, sort_keys=True)
print(len(text), hashlib.sha256(text.encode()).hexdigest(), len(zlib.compress(text.encode())))
print(sum(map(float, re.findall(r"0\\.\\d+", text))) > 0)
sums = []
def work(n):
    sums.append(sum(i * i for i in range(n)))
threads = [threading.Thread(target=work, args=(20000 + i,)) for i in range(20)]
[t.start() for t in threads]; [t.join() for t in threads]
print(sorted(sums)[:3], len(sums))
print(subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True).stdout)
sys.stderr.write("to stderr\\n")
sys.exit(3)
"""

GIT = """
set -e
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
export GIT_CONFIG_NOSYSTEM=1 HOME=$PWD
git init -q -b main . && git config user.name n && git config user.email e@example.org
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    seq $i 400 > file$((i % 4)); echo $i >> log
    git add . && git commit -q -m "change $i"
done
git log --stat --oneline | tail -n 20
git checkout -q -b other HEAD~5 && git mv log journal && git commit -q -m moved
git merge -q -m merged main; git log --graph --format='%h %s' | head -n 8
git gc -q --aggressive && git fsck --full --strict && git count-objects -v | grep in-pack
git grep -c 39 | cat; git status --short; git rev-parse nonsense; exit $?
"""

GCC = """
cat > t.c <<'END'
#include <stdio.h>
#include <string.h>
static int f(const char *s) { int h = 5381; while (*s) h = h * 33 + *s++; return h; }
int main(void) { int unused; char b[64]; snprintf(b, sizeof b, "%x", f("text")); puts(b); return 5; }
END
gcc -O2 -Wall -c t.c -o t.o && cksum t.o && gcc t.o -o t && ./t; echo $?
echo 'int main(void) { return x; }' > bad.c; gcc -c bad.c; echo $?
"""

SH = """
x=$(echo a b c | tr a-c A-C | { read p q r; echo $r-$q-$p; })
echo "$x"; (exit 3); echo $?
(trap 'echo leaving' EXIT; echo in a subshell)
sleep 0.1 & first=$!; (sleep 0.05; exit 9) & second=$!
wait $second; echo $?; wait $first; echo $?
trap 'echo usr2' USR2; kill -USR2 $$; trap 'echo prof' PROF; kill -PROF $$; trap - PROF
cat <<END | sort -r | head -n 2
one
two
three
END
yes | head -n 1; sh -c 'kill -TERM $$'; echo $?; sh -c 'kill -KILL $$'; echo $?
f() { local v=$1; [ "$v" -gt 0 ] && f $((v - 1)); echo $v; }; f 3
echo to stderr >&2; nosuchcommand; echo $?; exec 5>out; echo five >&5; cat out; exit 12
"""

BASH = """
set -o pipefail
false | true; echo "${PIPESTATUS[@]}" $?
declare -A a; for i in {1..200}; do a[$i]=$((i * i)); done; echo ${#a[@]} ${a[77]}
mapfile -t lines < <(seq 5); echo "${lines[@]}"
diff <(seq 3) <(seq 4); echo $?
coproc cat; echo hello >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; echo "$line"
exec {COPROC[1]}>&-; wait "$COPROC_PID"; echo "coproc $?"
trap 'echo usr2 in the shell' USR2; for i in 1 2 3; do kill -USR2 $$; done
trap 'echo prof' PROF; kill -PROF $$
trap 'echo child done' CHLD; (exit 4) & wait $!; echo $?; trap - CHLD
( trap 'echo term; exit 6' TERM; kill -TERM $BASHPID; echo never ); echo $?
for i in {1..30}; do (exit $((i % 3))) & done; wait; echo all
timeout 0.2 sleep 5; echo $?
exec 2>&1; ls /nonexistent; [[ abc =~ ^a(.)c$ ]] && echo ${BASH_REMATCH[1]}; exit 77
"""

CASES: dict[str, tuple[list[str], str]] = {
    "sqlite3": (["sqlite3", "test.db"], SQL),
    "python3": ([sys.executable, "-c", PYTHON], ""),
    "git": (["bash", "-c", GIT], ""),
    "gcc": (["sh", "-c", GCC], ""),
    "sh": (["sh", "-c", SH], ""),
    "bash": (["bash", "-c", BASH], ""),
}
SETTINGS: dict[str, dict[str, str]] = {
    "defaults": {},
    "every allocation": {"PPROF_MEM_RATE": "1"},
    "1000 Hz": {"PPROF_CPU_RATE": "1000"},
}


def judge(name: str, setting: str, plain: Run, extra: dict[str, str]) -> None:
    argv, stdin = CASES[name]
    result = inject(argv, extra, expect=None, cwd=folder(), stdin=stdin, timeout=200)
    for what in ("status", "stdout", "stderr"):
        mine, bare_one = getattr(result, what), getattr(plain, what)
        why = "" if mine == bare_one else f"bare {bare_one!r}, injected {mine!r}"
        ok(f"{name}, {setting}: the same {what}", mine == bare_one, why=why[-1500:])
    result.dump()  # the library was active in that process, and its files are whole
    files = files_in(result.out)
    for file in files:
        judged(file.path)
    ok(f"{name}, {setting}: active, all files valid", True, f"{len(files)} files")


for program_name, (command, text) in CASES.items():
    with case(program_name):
        first = bare(command, cwd=folder(), stdin=text)
        again = bare(command, cwd=folder(), stdin=text)
        same = (first.status, first.stdout, first.stderr) == (again.status, again.stdout, again.stderr)
        ok(f"{program_name}: bare it repeats itself", same and first.stdout != "", first.stderr[-300:])
    for setting_name, variables in SETTINGS.items():
        with case(f"{program_name}, {setting_name}"):
            judge(program_name, setting_name, first, variables)
finish()
