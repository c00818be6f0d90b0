"""A private PostgreSQL server from this machine's binaries, with durable writes."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from _product import TICK, read

# PostgreSQL refuses to run as root.
USER = "postgres" if os.geteuid() == 0 else getpass.getuser()
PATIENCE_S = 30.0


def _program(name: str) -> str:
    found = shutil.which(name) or next(
        iter(sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), reverse=True)), None
    )
    if not found:
        raise SystemExit(f"PostgreSQL's {name} is missing: run scripts/install-system-parts")
    return found


@contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty database. The end of the block deletes server and data."""
    folder = Path(tempfile.mkdtemp(prefix="cb-pg-"))
    user = USER if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = str(folder / "data")
    made = [_program("initdb"), "-D", data, "-U", "crontopus", "--auth=trust", "-E", "UTF8"]
    subprocess.run(made, check=True, capture_output=True, user=user, cwd=folder)
    served = [_program("postgres"), "-D", data, "-c", f"port={port}", "-c", "unix_socket_directories="]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(
            served, stdout=log, stderr=log, user=user, cwd=folder, extra_groups=[] if user else None
        )
    url = f"postgresql://crontopus@127.0.0.1:{port}/postgres"
    try:
        _wait(url)
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def database_cpu(url: str) -> float:
    """CPU seconds of the server at ``url`` and its backends; 0 without one."""
    port = url.rpartition(":")[2].partition("/")[0]
    mark = f"\0port={port}\0".encode()
    server = next((one.name for one in _processes() if url and mark in read(one / "cmdline")), "")
    fields = [(one.name, read(one / "stat").rpartition(b")")[2].split()) for one in _processes()]
    living = [stat for name, stat in fields if stat and (name == server or stat[1].decode() == server)]
    return sum(int(stat[11]) + int(stat[12]) for stat in living) / TICK


def _processes() -> list[Path]:
    return list(Path("/proc").glob("[0-9]*"))


def _wait(url: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
