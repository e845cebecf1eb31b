#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Language runtimes, a browser with its sandbox and an emulator print and end with the library as without it, and leave
profiles. What is not installed is skipped with a line that says so (scripts/install-deps long, as root).
"""

# timeout: 2400
# alone

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import FILE_NAME, Failure, Run, case, environment, finish, folder, injected, judged, ok, run

SETTINGS: dict[str, dict[str, str]] = {
    "defaults": {},
    "everything": {
        "PPROF_MEM_RATE": "4096", "PPROF_CPU_RATE": "1000", "PPROF_BLOCK_RATE": "1", "PPROF_INTERVAL": "1",
    },
}  # fmt: skip
ROUNDS = 3


@dataclass
class Program:
    name: str
    argv: list[str]  # HOME stands for a folder of its own
    files: dict[str, str] = field(default_factory=dict)
    build: list[list[str]] = field(default_factory=list)
    needs: tuple[str, ...] = ()  # paths, or commands
    env: dict[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()  # preloads
    user: str | None = None
    timeout: float = 120
    noise: str = ""  # lines of stderr that come and go without the library, too
    quiet: bool = False  # the process that is started leaves no files of its own: it ends by a raw exit_group, or execs


# --------------------------------------------------------------------------------------------- their programs

PYTHON = """
import asyncio, multiprocessing, os, signal, subprocess, sys, threading, time
def square(x): return x * x
async def later(n):
    await asyncio.sleep(0.05 * n); return n
async def shell():
    p = await asyncio.create_subprocess_exec("sh", "-c", "sleep 0.1; echo out; exit 5", stdout=subprocess.PIPE)
    return (await p.communicate())[0], p.returncode
async def both(): return await asyncio.gather(*(later(i) for i in range(5)), shell())
if __name__ == "__main__":
    pid = os.fork()
    if not pid: os._exit(7)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    try: os.wait()
    except ChildProcessError: print("no child")
    for how in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(how).Pool(2) as pool: print(how, sum(pool.map(square, range(1000))))
    print(asyncio.run(both()))
    hits = []
    signal.signal(signal.SIGPROF, lambda *a: hits.append(1)); signal.setitimer(signal.ITIMER_PROF, 0.01, 0.01)
    end = time.process_time() + 0.4
    while time.process_time() < end: sum(range(1000))
    signal.setitimer(signal.ITIMER_PROF, 0); print("ticks", len(hits) > 20)
    threads = [threading.Thread(target=time.sleep, args=(0.2,), daemon=i % 2 == 0) for i in range(8)]
    [t.start() for t in threads]
    print(os.system("exit 3") >> 8, subprocess.getoutput("echo $0 | wc -c"))
    sys.exit(9)
"""

RUBY = """
require "open3"
puts (1..8).map { |i| Thread.new { sleep 0.05; (1..20000).sum { |x| x * i } } }.map(&:value).inspect
pid = fork { sleep 0.1; exit! 6 }
Process.wait pid; puts $?.exitstatus
puts Open3.capture2("tr a-z A-Z", stdin_data: "text").inspect
r = []; trap("USR1") { r << 1 }; 3.times { Process.kill("USR1", $$); sleep 0.02 }; puts r.size
begin; Process.wait; rescue Errno::ECHILD; puts "no child"; end
puts `sh -c 'kill -TERM $$'; echo $?`
GC.stress = false; a = (1..200000).map(&:to_s); GC.start; puts a.size
exit 4
"""

PERL = """
use strict; use warnings; use POSIX qw(:sys_wait_h); use Time::HiRes qw(setitimer ITIMER_PROF ITIMER_REAL sleep);
my ($prof, $chld) = (0, 0); $SIG{PROF} = sub { $prof++ }; $SIG{CHLD} = sub { $chld++ };
setitimer(ITIMER_PROF, 0.01, 0.01); my $x = 0; my $t = (times)[0]; $x += $_ % 7 while (times)[0] < $t + 0.5 && ++$_;
setitimer(ITIMER_PROF, 0); print "prof ", ($prof > 20 ? 1 : 0), "\\n";
my @pids = map { my $n = $_; my $p = fork; if (!$p) { $SIG{CHLD} = 'DEFAULT'; exit $n } $p } 1 .. 5;
print join(",", map { waitpid($_, 0); $? >> 8 } @pids), "\\n"; print "chld ", ($chld >= 1 ? 1 : 0), "\\n";
print waitpid(-1, WNOHANG), "\\n"; print `echo in a shell`; $SIG{ALRM} = sub { die "alarm\\n" };
eval { alarm 1; select(undef, undef, undef, 5); }; print "late: $@"; system("sh", "-c", "kill -9 \\$\\$"); print $? & 127, "\\n";
warn "to stderr\\n"; exit 3;
"""

GUILE = """
(use-modules (ice-9 threads) (ice-9 popen) (ice-9 rdelim))
(display (par-map (lambda (n) (let loop ((i 0) (s 0)) (if (= i 100000) (* n s) (loop (+ i 1) (+ s i))))) '(1 2 3 4))) (newline)
(define p (open-input-pipe "echo hello; exit 3")) (display (read-line p)) (display (status:exit-val (close-pipe p))) (newline)
(define pid (primitive-fork)) (if (= pid 0) (primitive-_exit 5)) (display (status:exit-val (cdr (waitpid pid)))) (newline)
(gc) (display (length (iota 100000))) (newline) (exit 6)
"""

NODE = """
const { Worker, isMainThread, parentPort } = require("worker_threads"), cp = require("child_process"), zlib = require("zlib");
if (!isMainThread) { let s = 0; for (let i = 0; i < 3e6; i++) s += i % 7; parentPort.postMessage(s); }
else (async () => {
  console.log(await Promise.all([1, 2, 3].map(() => new Promise(r => new Worker(__filename).on("message", r)))));
  console.log(cp.execSync("echo in a shell; exit 0").toString().trim(), cp.spawnSync("sh", ["-c", "exit 5"]).status);
  console.log(await new Promise(r => cp.exec("kill -TERM $$", e => r(e.signal))));
  console.log(zlib.gzipSync("x".repeat(1e6)).length > 100, await new Promise(r => setTimeout(() => r("timer"), 100)));
  const child = cp.fork(__filename.replace("a.js", "b.js")); child.send(20);
  console.log(await new Promise(r => child.on("message", r))); console.error("to stderr");
  process.on("SIGTERM", () => process.exit(8)); process.kill(process.pid, "SIGTERM"); setTimeout(() => {}, 5000);
})();
"""

JAVA = """
import java.util.*; import java.util.concurrent.*; import java.util.stream.*;
public class A {
  static int[] nothing; static int deep(int n) { return n == 0 ? 0 : 1 + deep(n - 1); }
  public static void main(String[] a) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(4); List<Future<Long>> all = new ArrayList<>();
    for (int i = 1; i <= 8; i++) { final int k = i; all.add(pool.submit(() -> LongStream.range(0, 3_000_000).map(x -> x % k).sum())); }
    for (var f : all) System.out.println(f.get());
    for (int i = 0; i < 20000; i++) try { if (nothing.length == i) return; } catch (NullPointerException e) { }
    try { System.out.println(deep(100_000_000)); } catch (StackOverflowError e) { System.out.println("overflow"); }
    Process p = new ProcessBuilder("sh", "-c", "echo in a shell; exit 5").start();
    System.out.println(new String(p.getInputStream().readAllBytes()).trim() + " " + p.waitFor());
    for (int i = 0; i < 30; i++) { byte[][] b = new byte[64][]; for (int j = 0; j < 64; j++) b[j] = new byte[100_000]; } System.gc();
    Thread t = new Thread(() -> { try { Thread.sleep(60_000); } catch (InterruptedException e) { System.out.println("interrupted"); } });
    t.start(); Thread.sleep(100); t.interrupt(); t.join(); pool.shutdown(); System.err.println("to stderr");
    Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook"))); System.exit(7);
  }
}
"""

ERLANG = """
Self = self(), [spawn(fun() -> Self ! {I, lists:sum(lists:seq(1, I * 10000))} end) || I <- lists:seq(1, 20)],
io:format("~p~n", [lists:sort([receive X -> X end || _ <- lists:seq(1, 20)])]),
io:format("~s", [os:cmd("echo in a shell; exit 3")]), P = open_port({spawn, "sh -c 'exit 4'"}, [exit_status]),
receive {P, {exit_status, S}} -> io:format("~p~n", [S]) end, timer:sleep(100), ok = file:write_file("f", <<"x">>),
io:format("~p~n", [erlang:phash2(ets:tab2list(ets:new(t, [])))]), halt(5).
"""

ESCRIPT = """#!/usr/bin/env escript
main(Args) -> io:format("~p ~p~n", [Args, lists:foldl(fun(X, A) -> X + A end, 0, lists:seq(1, 1000000))]), halt(2).
"""

ELIXIR = 'IO.inspect(Enum.map(1..8, &Task.async(fn -> Enum.sum(1..(&1 * 1000)) end)) |> Enum.map(&Task.await/1)); {o, s} = System.cmd("sh", ["-c", "echo hi; exit 3"]); IO.inspect({o, s}); System.halt(6)'

LISP = """
(format t "~a~%" (loop for i below 3000000 sum (mod i 7)))
(defun deep (n) (if (= n 0) 0 (+ 1 (deep (- n 1)))))
(format t "~a~%" (handler-case (deep 100000000) (sb-kernel::control-stack-exhausted () :exhausted)))
(let ((l (loop repeat 300 collect (make-array 100000)))) (format t "~a~%" (length l))) (sb-ext:gc :full t)
(format t "~a~%" (mapcar #'sb-thread:join-thread
  (loop for i from 1 to 4 collect (let ((i i)) (sb-thread:make-thread (lambda () (sleep 0.05) (loop repeat (* i 100000) sum 1)))))))
(format t "~a~%" (sb-ext:process-exit-code (sb-ext:run-program "/bin/sh" '("-c" "exit 5"))))
(format t "~a~%" (handler-case (sb-ext:with-timeout 0.2 (loop)) (sb-ext:timeout () :timeout)))
(handler-case (error "e") (error (e) (format t "~a~%" e))) (sb-ext:exit :code 6)
"""

CSHARP = """
using System; using System.Diagnostics; using System.Linq; using System.Threading;
class A { static object nothing; static int Main() {
  var all = Enumerable.Range(1, 6).Select(k => { long s = 0; var t = new Thread(() => { for (int i = 0; i < 2000000; i++) Interlocked.Add(ref s, i % k); });
    t.Start(); return Tuple.Create(t, new Func<long>(() => s)); }).ToList(); foreach (var t in all) t.Item1.Join();
  Console.WriteLine(string.Join(",", all.Select(t => t.Item2())));
  for (int i = 0; i < 200; i++) try { nothing.ToString(); } catch (NullReferenceException) { }
  for (int i = 0; i < 40; i++) { var b = new byte[64][]; for (int j = 0; j < 64; j++) b[j] = new byte[100000]; GC.Collect(); }
  var p = Process.Start(new ProcessStartInfo("sh", "-c 'echo in a shell; exit 5'") { UseShellExecute = false, RedirectStandardOutput = true });
  Console.WriteLine(p.StandardOutput.ReadToEnd().Trim()); p.WaitForExit(); Console.WriteLine(p.ExitCode);
  new Timer(_ => { }, null, 10, 10); Thread.Sleep(300); Console.Error.WriteLine("to stderr"); return 4; } }
"""

GO = """
package main
// int twice(int x) { return 2 * x; }
import "C"
import ("fmt"; "net"; "os"; "os/exec"; "os/signal"; "sync"; "syscall"; "time"; "runtime")
func main() {
	var wg sync.WaitGroup; var mu sync.Mutex; sum := 0
	for i := 0; i < 50; i++ { wg.Add(1); go func(i int) { defer wg.Done(); for j := 0; j < 2000; j++ { mu.Lock(); sum += int(C.twice(C.int(i))); mu.Unlock() } }(i) }
	wg.Wait(); fmt.Println(sum)
	l, _ := net.Listen("tcp", "127.0.0.1:0"); go func() { c, _ := l.Accept(); fmt.Fprint(c, "hello"); c.Close() }()
	c, _ := net.Dial("tcp", l.Addr().String()); b := make([]byte, 5); c.Read(b); fmt.Println(string(b))
	a, err := net.LookupHost("localhost"); fmt.Println(len(a) > 0, err)
	out, err := exec.Command("sh", "-c", "echo in a shell; exit 5").Output(); fmt.Println(string(out), err)
	ch := make(chan os.Signal, 1); signal.Notify(ch, syscall.SIGUSR1, syscall.SIGHUP); syscall.Kill(os.Getpid(), syscall.SIGUSR1); fmt.Println(<-ch)
	func() { defer func() { fmt.Println(recover()) }(); var p *int; *p = 1 }()
	end := time.Now().Add(300 * time.Millisecond); for time.Now().Before(end) { _ = make([]byte, 10000) }; runtime.GC()
	os.Exit(6)
}
"""

RUST = """
use std::{process::Command, sync::{Arc, Mutex, mpsc}, thread, time::Duration, panic};
fn main() {
    let m = Arc::new(Mutex::new(0u64));
    let t: Vec<_> = (0..8).map(|i| { let m = m.clone(); thread::spawn(move || for j in 0..20000 { *m.lock().unwrap() += i * j % 5; }) }).collect();
    for t in t { t.join().unwrap(); } println!("{}", m.lock().unwrap());
    let (s, r) = mpsc::channel(); thread::spawn(move || { thread::sleep(Duration::from_millis(50)); s.send(5).unwrap() });
    println!("{:?} {:?}", r.recv_timeout(Duration::from_secs(5)), r.recv());
    println!("{:?}", Command::new("sh").args(["-c", "exit 5"]).status().unwrap().code());
    println!("{}", panic::catch_unwind(|| { panic!("caught") }).is_err());
    let v: Vec<String> = (0..100000).map(|i| i.to_string()).collect(); println!("{}", v.concat().len());
    std::process::exit(7)
}
"""

PAGE = "<html><body><p id=p>before</p><script>let s=0;for(let i=0;i<1e6;i++)s+=i;p.textContent='after '+s</script></body></html>"
JSIG = next((str(p) for p in sorted(Path("/usr/lib/jvm").glob("*/lib/libjsig.so"))), "/nonexistent/libjsig.so")
WINE = "/usr/lib/wine/wine64"

PROGRAMS = [
    Program("python3", ["/usr/bin/python3", "HOME/a.py"], {"a.py": PYTHON}),
    Program("ruby", ["ruby", "HOME/a.rb"], {"a.rb": RUBY}, needs=("ruby",)),
    Program("perl", ["perl", "HOME/a.pl"], {"a.pl": PERL}),
    Program("guile", ["guile", "--no-auto-compile", "HOME/a.scm"], {"a.scm": GUILE}, needs=("guile",)),
    Program(
        "node", ["node", "HOME/a.js"],
        {"a.js": NODE, "b.js": "process.on('message', n => { process.send(n + 1); process.disconnect() })"}, needs=("node",),
    ),
    Program("java", ["java", "-cp", "HOME", "A"], {"A.java": JAVA}, [["javac", "A.java"]], ("java", "javac")),
    Program(
        "java, libjsig", ["java", "-cp", "HOME", "A"], {"A.java": JAVA}, [["javac", "A.java"]], ("java", "javac", JSIG),
        before=(JSIG,),
    ),
    Program("java -Xcheck:jni", ["java", "-Xcheck:jni", "-cp", "HOME", "A"], {"A.java": JAVA}, [["javac", "A.java"]], ("java", "javac")),
    Program("erl -eval", ["erl", "-noshell", "-eval", ERLANG], needs=("erl",), quiet=True),
    Program("escript", ["escript", "HOME/a.escript", "a", "b"], {"a.escript": ESCRIPT}, needs=("escript",), quiet=True),
    Program("rebar3", ["rebar3", "new", "lib", "mine"], needs=("rebar3",), quiet=True),
    Program("elixir", ["elixir", "-e", ELIXIR], needs=("elixir",), quiet=True),
    Program(
        "rabbitmq", ["sh", "-c", "rabbitmq-server -detached && rabbitmqctl --quiet await_startup --timeout 60 "
                     "&& rabbitmqctl --quiet list_vhosts && rabbitmqctl --quiet stop; echo $?"],
        needs=("/usr/lib/rabbitmq/bin/rabbitmq-server",), user="rabbitmq", quiet=True, timeout=180,
        env={"RABBITMQ_MNESIA_BASE": "HOME/m", "RABBITMQ_LOG_BASE": "HOME/l", "RABBITMQ_NODENAME": "pprofinject@localhost",
             "RABBITMQ_ENABLED_PLUGINS_FILE": "HOME/plugins", "RABBITMQ_PID_FILE": "HOME/pid"},
    ),
    Program("sbcl", ["sbcl", "--noinform", "--no-sysinit", "--no-userinit", "--disable-debugger", "--load", "HOME/a.lisp"], {"a.lisp": LISP}, needs=("sbcl",)),
    Program("mono", ["mono", "HOME/a.exe"], {"a.cs": CSHARP}, [["mcs", "-out:a.exe", "a.cs"]], ("mono", "mcs")),
    Program("go, cgo", ["HOME/a"], {"a.go": GO, "go.mod": "module a\n"}, [["go", "build", "-o", "a", "."]], ("go",), quiet=True),
    Program("rust", ["HOME/a"], {"a.rs": RUST}, [["rustc", "-O", "a.rs"]], ("rustc",)),
    Program(
        "chromium", ["chromium", "--headless", "--disable-gpu", "--user-data-dir=HOME/profile", "--dump-dom", "file://HOME/a.html"],
        {"a.html": PAGE}, needs=("chromium",), user="nobody", timeout=180, noise=r"ERROR:|WARNING:|^$|^Fontconfig|dbus|DevTools",
    ),
    Program(
        "wine64", ["sh", "-c", f"{WINE} cmd /c 'echo hello & ver & exit 3'; echo $?; {WINE.replace('wine64', 'wineserver64')} -w"],
        needs=(WINE,), env={"WINEPREFIX": "HOME/prefix", "WINEDEBUG": "-all", "DISPLAY": ""}, quiet=True, timeout=300,
    ),
]  # fmt: skip

# ------------------------------------------------------------------------------------------------ the comparison


def made(program: Program) -> Path:
    home = folder()
    home.chmod(0o755)
    inner = home / "home"
    inner.mkdir()
    for name, text in program.files.items():
        (inner / name).write_text(text)
    for argv in program.build:
        env = environment({"GOCACHE": str(home / "cache"), "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"})
        subprocess.run(argv, cwd=inner, env=env, check=True, capture_output=True, timeout=300)
    return inner


def started(program: Program, setting: str | None) -> Run:
    home = made(program)
    out = home.parent / "out"
    out.mkdir()
    mine = {"HOME": str(home), "TMPDIR": str(home), "XDG_RUNTIME_DIR": str(home)}
    mine |= {k: v.replace("HOME", str(home)) for k, v in program.env.items()}
    before = [Path(x) for x in program.before]
    if setting is None:
        env = environment(mine | ({"LD_PRELOAD": ":".join(program.before)} if before else {}))
    else:
        env = injected(out, mine | SETTINGS[setting], before, symbolize=True)
    argv = [x.replace("HOME", str(home)) for x in program.argv]
    if program.user:
        for path in (home, out):
            shutil.chown(path, program.user)
        # Only the program itself is to be injected: env(1) sets the variables behind the change of user.
        names = [f"{k}={v}" for k, v in env.items() if k.startswith(("LD_", "PPROF_"))]
        env = {k: v for k, v in env.items() if not k.startswith(("LD_", "PPROF_"))}
        argv = ["setpriv", f"--reuid={program.user}", "--regid=nogroup", "--clear-groups", "env", *names, *argv]
    result = run(argv, env, out, home, timeout=program.timeout)
    for what in ("stdout", "stderr"):
        text = getattr(result, what).replace(str(home), "HOME")
        if program.noise and what == "stderr":
            text = "\n".join(x for x in text.splitlines() if not re.search(program.noise, x))
        setattr(result, what, text)
    return result


def reading(program: Program, bare: list[Run]) -> Callable[[str], str]:
    """All of the text, or all but its numbers where bare runs differ in them."""
    if all((b.stdout, b.stderr) == (bare[0].stdout, bare[0].stderr) for b in bare):
        return lambda text: text
    return lambda text: re.sub(r"0x[0-9a-f]+|\d+(\.\d+)?", "N", text)


def difference(program: Program, mine: Run, bare: list[Run]) -> str:
    read = reading(program, bare)
    if any((mine.status, read(mine.stdout), read(mine.stderr)) == (b.status, read(b.stdout), read(b.stderr)) for b in bare):
        return ""
    b = bare[-1]
    parts = [
        f"{what} {getattr(mine, what)!r} for {getattr(b, what)!r}"[:700]
        for what in ("status", "stdout", "stderr")
        if getattr(mine, what) != getattr(b, what)
    ]
    return "; ".join(parts)


def compared(program: Program, setting: str, bare: list[Run]) -> None:
    why = ""
    for _ in range(ROUNDS):
        mine = started(program, setting)
        why = difference(program, mine, bare)
        if not why:
            break
        bare.append(started(program, None))
    ok(f"{program.name}, {setting}: as bare", not why, mine.status, why)
    found = [(p, m) for p in mine.out.rglob("*.pb.gz") if (m := FILE_NAME.fullmatch(p.name))]
    pids = {int(m["pid"]) for _, m in found}
    for path, _ in found:
        judged(path)
    active = bool(found) and (program.quiet or mine.pid in pids)
    ok(f"{program.name}, {setting}: valid profiles", active, f"{len(found)} files of {len(pids)} processes")


def main() -> None:
    for program in PROGRAMS:
        if sys.argv[1:] and not any(re.match(x, program.name) for x in sys.argv[1:]):
            continue
        missing = [x for x in program.needs if not shutil.which(x) and not Path(x).exists()]
        if missing or (program.user and os.getuid() != 0):
            print(f"# {program.name}: skipped, without {' '.join(missing) or 'root'}", flush=True)
            continue
        try:
            bare = [started(program, None), started(program, None)]
        except (Failure, OSError, subprocess.SubprocessError) as error:
            print(f"# {program.name}: skipped, it fails without the library: {error}", flush=True)
            continue
        for setting in SETTINGS:
            with case(f"{program.name}, {setting}"):
                compared(program, setting, bare)


main()
finish()
