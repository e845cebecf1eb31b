#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Servers of Debian's packages, as pid 1 of a container and as services: with the library they answer, log, reload and
stop as without it, and leave no process behind; every process of theirs leaves its profiles, under whatever user.

What is not installed is skipped with a line that says so (scripts/install-deps long, as root).
"""

# timeout: 2400
# alone

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / d) for d in ("lib", "suites")]
from harness import Failure, environment, finish, folder, ok
from services import Server, Service, compare


def http(service: Service, path: str = "/") -> object:
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}{path}", timeout=5) as answer:
        return answer.status, answer.read()


def talk(service: Service, *requests: tuple[bytes, bytes]) -> list[object]:
    """One connection; each request's answer is read up to its end."""
    answers: list[object] = []
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as s:
        for request, end in requests:
            s.sendall(request)
            got = b""
            while not got.endswith(end):
                piece = s.recv(65536)
                if not piece:
                    raise EOFError
                got += piece
            answers.append(got)
    return answers


def client(*argv: str, user: str | None = None) -> object:
    run = subprocess.run(argv, env=environment(), capture_output=True, text=True, timeout=20, user=user)
    if run.returncode:
        raise Failure(run.stderr[-200:])
    return run.stdout


def told(sig: signal.Signals) -> Callable[[Service], None]:
    """Sends the main process a signal, and waits until its other processes are other ones."""

    def act(service: Service) -> None:
        old = service.workers()
        service.tell(sig)
        service.until(f"new workers after {sig.name}", lambda: not old & service.workers(), 30)
        service.until("it answers", lambda: bool(service.server.ask(service)), 30)

    return act


# ------------------------------------------------------------------------------------------------- haproxy


def haproxy(service: Service, *options: str) -> list[str]:
    jail = service.home / "jail"
    jail.mkdir()
    conf = service.write(
        "haproxy.cfg",
        f"""
global
    chroot {jail}
    user haproxy
    group haproxy
    nbthread 2
    maxconn 100
    stats socket {service.home}/admin.sock mode 600 level admin expose-fd listeners
    stats timeout 5s
defaults
    mode http
    timeout connect 2s
    timeout client 2s
    timeout server 2s
frontend web
    bind 127.0.0.1:{service.port}
    http-request return status 200 content-type text/plain string hello
""",
    )
    return ["/usr/sbin/haproxy", *options, "-f", str(conf)]


def haproxy_reloaded(service: Service) -> None:
    """The master replaces itself by exec, starts a worker, and the old worker ends."""
    told(signal.SIGUSR2)(service)


# --------------------------------------------------------------------------------------------------- nginx


def nginx(service: Service, daemon: str = "off") -> list[str]:
    home = service.home
    home.chmod(0o755)
    (home / "page").write_text("page\n" * 1000)
    (home / "page").chmod(0o644)
    temps = "".join(
        f"{x}_temp_path {home}/temp-{x};\n" for x in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf = service.write(
        "nginx.conf",
        f"""
daemon {daemon}; user www-data; worker_processes 2; pid {home}/pid; error_log {home}/error.log notice;
events {{ worker_connections 64; }}
http {{
    access_log {home}/access.log; {temps}
    server {{
        listen 127.0.0.1:{service.port};
        location / {{ return 200 "hello\\n"; }}
        location /page {{ root {home}; }}
    }}
}}
""",
    )
    return ["/usr/sbin/nginx", "-e", f"{home}/error.log", "-c", str(conf)]


def nginx_upgraded(service: Service) -> None:
    """USR2: the master starts the program anew, which takes the sockets over; then QUIT ends the old one."""
    pid, old = service.home / "pid", service.home / "pid.oldbin"
    service.tell(signal.SIGUSR2)
    service.until("a second master", lambda: old.exists() and pid.exists() and int(pid.read_text()) > 0, 30)
    service.until("second workers", lambda: len(service.workers()) >= 5, 30)
    service.tell(signal.SIGWINCH)
    service.until("no first workers", lambda: len(service.workers()) <= 3, 30)
    service.tell(signal.SIGHUP)
    service.until("first workers again", lambda: len(service.workers()) >= 5, 30)
    service.tell(signal.SIGQUIT, int(pid.read_text()))
    service.until("no second master", lambda: len(service.workers()) <= 2, 30)


# -------------------------------------------------------------------------------------------------- apache


def apache(service: Service) -> list[str]:
    home = service.home
    home.chmod(0o755)
    (home / "htdocs").mkdir()
    (home / "htdocs" / "index.html").write_text("hello\n")
    modules = "/usr/lib/apache2/modules"
    conf = service.write(
        "apache.conf",
        f"""
LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
ServerRoot {home}
ServerName localhost
Listen 127.0.0.1:{service.port}
User www-data
Group www-data
PidFile {home}/pid
Mutex file:{home}
ErrorLog {home}/error.log
LogLevel info
DocumentRoot {home}/htdocs
StartServers 2
MinSpareServers 2
MaxSpareServers 2
GracefulShutdownTimeout 5
""",
    )
    return ["/usr/sbin/apache2", "-f", str(conf), "-DFOREGROUND"]


# ------------------------------------------------------------------------------------------------- mariadb

SQL = "CREATE DATABASE IF NOT EXISTS d; USE d; DROP TABLE IF EXISTS t; CREATE TABLE t (i INT PRIMARY KEY, v TEXT);" + (
    "INSERT INTO t SELECT seq, MD5(seq) FROM seq_1_to_2000; SELECT COUNT(*), MAX(v) FROM t; SELECT user()"
)


@functools.cache
def mariadb_fresh() -> Path:
    place = folder()
    place.chmod(0o755)
    data = place / "data"
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=mysql", "--skip-test-db"],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    return data


def mariadb(service: Service) -> list[str]:
    data = service.home / "data"
    subprocess.run(["cp", "-a", mariadb_fresh(), data], check=True)
    run = service.home / "run"
    run.mkdir()
    shutil.chown(run, "mysql")
    return [
        "/usr/sbin/mariadbd", "--no-defaults", f"--datadir={data}", "--user=mysql", "--skip-networking",
        f"--socket={run}/sock", f"--pid-file={run}/pid", f"--log-error={run}/error.log", "--innodb-buffer-pool-size=16M",
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------- php-fpm


def php(service: Service) -> list[str]:
    service.home.chmod(0o755)
    script = service.home / "hello.php"
    script.write_text('<?php $a = range(1, 20000); echo array_sum($a), " ", getmyuid(), "\\n";')
    conf = service.write(
        "fpm.conf",
        f"""
[global]
error_log = {service.home}/fpm.log
log_level = notice
[www]
user = www-data
group = www-data
listen = 127.0.0.1:{service.port}
pm = static
pm.max_children = 2
catch_workers_output = yes
""",
    )
    return [str(PHP[0]) if PHP else "php-fpm", "-F", "-n", "-y", str(conf)]


PHP = sorted(Path("/usr/sbin").glob("php-fpm[0-9]*"))


def fastcgi(service: Service) -> list[object]:
    """One request; the answer is the script's output."""

    def record(kind: int, content: bytes) -> bytes:
        return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content

    script = str(service.home / "hello.php")
    values = {"SCRIPT_FILENAME": script, "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/hello.php", "QUERY_STRING": ""}
    pairs = b"".join(
        struct.pack("BB", len(k), len(v)) + k.encode() + v.encode() for k, v in values.items() if len(v) < 128
    )
    begin = record(1, struct.pack(">HB5x", 1, 0))
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as s:
        s.sendall(begin + record(4, pairs) + record(4, b"") + record(5, b""))
        got = b""
        while piece := s.recv(65536):
            got += piece
    text, at = b"", 0
    while at + 8 <= len(got):
        _, kind, _, size, pad, _ = struct.unpack_from(">BBHHBB", got, at)
        if kind == 6:
            text += got[at + 8 : at + 8 + size]
        at += 8 + size + pad
    if not text:
        raise EOFError
    return [text.rpartition(b"\r\n\r\n")[2]]


# ---------------------------------------------------------------------------------------- redis, memcached


def redis_asked(service: Service) -> list[object]:
    return talk(
        service,
        (b"PING\r\n", b"\r\n"),
        (b"SET k v\r\n", b"\r\n"),
        (b"EVAL \"return redis.call('get','k')\" 0\r\n", b"v\r\n"),
    )


def redis_saves(service: Service) -> None:
    """A forked child writes the file."""
    talk(service, (b"BGSAVE\r\n", b"\r\n"))
    file = service.home / "dump.rdb"
    service.until("the file is written", file.exists, 30)


# ------------------------------------------------------------------------------------------------ postgres

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@functools.cache
def postgres_fresh() -> Path:
    place = folder()
    shutil.chown(place, "postgres")
    argv = [str(POSTGRES[0] / "initdb"), "-D", str(place / "data"), "-A", "trust", "-N"]
    subprocess.run(argv, check=True, capture_output=True, timeout=300, user="postgres", cwd="/")
    return place / "data"


def postgres(service: Service) -> list[str]:
    data = service.home / "data"
    subprocess.run(["cp", "-a", postgres_fresh(), data], check=True)
    return [
        str(POSTGRES[0] / "postgres"), "-D", str(data), "-k", str(service.home), "-p", str(service.port),
        "-c", "listen_addresses=", "-c", "max_parallel_workers_per_gather=2",
    ]  # fmt: skip


def postgres_asked(service: Service) -> list[object]:
    sql = "SELECT count(*), max(md5(i::text)) FROM generate_series(1, 20000) i; SELECT current_user"
    argv = ["psql", "-h", str(service.home), "-p", str(service.port), "-U", "postgres", "-Atc", sql]
    return [client(*argv, user="postgres")]


NO_SIGNAL = {"PPROF_SIGNAL": "none"}  # USR2 means something to these
SERVERS = {
    "/usr/sbin/haproxy": [
        Server("haproxy", lambda s: haproxy(s, "-db"), lambda s: [http(s)], stop=signal.SIGUSR1),
        Server(
            "haproxy -W", lambda s: haproxy(s, "-W"), lambda s: [http(s)],
            {"reload": haproxy_reloaded, "second reload": haproxy_reloaded}, env=NO_SIGNAL,
        ),
    ],
    "/usr/sbin/nginx": [
        Server(
            "nginx", nginx, lambda s: [http(s), http(s, "/page")], {"reload": told(signal.SIGHUP)},
            signal.SIGQUIT, NO_SIGNAL, logs=("error.log",), ends_in_turn=2,
        ),
        Server(
            "nginx upgraded", lambda s: nginx(s, "on"), lambda s: [http(s), http(s, "/page")], {"upgrade": nginx_upgraded},
            signal.SIGTERM, NO_SIGNAL, logs=("error.log",), only_as="service", daemon="pid",
        ),
    ],
    "/usr/sbin/apache2": [
        Server(
            "apache prefork", apache, lambda s: [http(s)], {"graceful restart": told(signal.SIGUSR1)},
            logs=("error.log",), ends_in_turn=2,
        ),
    ],
    "/usr/sbin/mariadbd": [
        Server(
            "mariadb", mariadb, lambda s: [client("mariadb", "--no-defaults", "-uroot", f"-S{s.home}/run/sock", "-e", SQL)],
            logs=("run/error.log",),
        ),
    ],
    "/usr/bin/memcached": [
        Server(
            "memcached", lambda s: ["/usr/bin/memcached", "-u", "memcache", "-l", "127.0.0.1", "-p", str(s.port), "-v"],
            lambda s: talk(s, (b"set k 0 0 1\r\nv\r\n", b"\r\n"), (b"get k\r\n", b"END\r\n"), (b"version\r\n", b"\r\n")),
        ),
    ],
    str(PHP[0]) if PHP else "php-fpm": [
        Server(
            "php-fpm", php, fastcgi, {"reload": told(signal.SIGUSR2)}, signal.SIGQUIT, NO_SIGNAL, logs=("fpm.log",),
            ends_in_turn=2,
        ),
    ],
    "/usr/bin/redis-server": [
        Server(
            "redis", lambda s: ["/usr/bin/redis-server", "--port", str(s.port), "--save", "", "--dir", str(s.home)],
            redis_asked, {"background save": redis_saves},
        ),
    ],
    str(POSTGRES[0] / "postgres") if POSTGRES else "postgres": [
        Server(
            "postgres", postgres, postgres_asked, stop=signal.SIGINT, user="postgres", ends_in_turn=2,
            noise=r"checkpoint|database system was",
        ),
    ],
}  # fmt: skip

if os.getuid() != 0:
    ok("skipped: servers change their user, which only root can", True)
for program, servers in SERVERS.items() if os.getuid() == 0 else []:
    chosen = [s for s in servers if not sys.argv[1:] or any(re.match(x, s.name) for x in sys.argv[1:])]
    if chosen and not Path(program).exists():
        print(f"# {program} is not installed: skipped (scripts/install-deps long)", flush=True)
    elif chosen:
        compare(chosen)
finish()
