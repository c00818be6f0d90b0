"""``crontopus-server up``: runs everything on one machine with supervisord (see docs/decisions/0006-supervisord.md).

1. Lock the data folder, check the port and the built console, upgrade the database.
2. Let supervisord start the children, restart them with growing delays if they end, and stop them at the end.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from configparser import RawConfigParser
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from supervisor.options import ServerOptions
from supervisor.supervisord import go

from crontopus_app.base import migrate
from crontopus_app.base.db import reading
from crontopus_app.base.errors import ConfigurationError
from crontopus_app.base.settings import Settings, keep_home, local_host
from crontopus_app.forge import addresses
from crontopus_app.operations import operators
from crontopus_app.programs import frontend
from crontopus_app.programs.embedded_redis import socket_path

# Retries without limit; each failed start adds a second to the delay.
FOR_EVER = 1_000_000
STOP_WAIT_S = 8
POLL_S = 0.1


@dataclass(frozen=True)
class Program:
    """A child process: its name in the log, and Python's arguments. Lower priorities start first and stop last."""

    name: str
    command: tuple[str, ...]
    priority: int


def programs(config: Settings, *, demo: bool) -> list[Program]:
    """The child processes for the settings."""
    server = ("-m", "crontopus_app.programs.server")
    children = [
        Program("edits", (*server, "worker", "--edits"), 20),
        Program("worker", (*server, "worker"), 20),
        Program("evaluator", (*server, "evaluator"), 20),
        Program("web", (*server, "web"), 30),
    ]
    if config.embedded_redis:
        children.insert(0, Program("redis", ("-m", "crontopus_app.programs.embedded_redis"), 10))
    if demo:
        children.append(Program("demo", (*server, "demo"), 40))
    return children


def up(config: Settings, *, demo: bool, say: Callable[[str], None]) -> None:
    """Runs everything until SIGINT or SIGTERM; raises ConfigurationError if it cannot start."""
    with locked(config.home):
        check_port(config.host, config.port)
        frontend.check()
        if config.embedded_redis:
            socket_path(config.home)
        migrate.to_head(config.database_url)
        children = programs(config, demo=demo)
        announce_when_ready(config, say)
        run(children, config.home)
    say("Crontopus has stopped.")


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Locks the data folder; raises ConfigurationError if another ``up`` uses it, or if it is not writable."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (home / "up.lock").open("w")
    except OSError as error:
        raise ConfigurationError(
            f"The data folder {home} is not writable ({error.strerror}). Make it writable, or set CRONTOPUS_HOME."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"Another `crontopus-server up` is using {home}. Stop it, or set CRONTOPUS_HOME to another folder."
            ) from error
        yield


def check_port(host: str, port: int) -> None:
    """Raises ConfigurationError if the address cannot be listened on."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {host}:{port} ({error.strerror}). "
            f"Stop the program that uses it, or set CRONTOPUS_BIND, for example to 127.0.0.1:{port % 65535 + 1}."
        ) from error


def announce_when_ready(config: Settings, say: Callable[[str], None]) -> None:
    """Prints the console's URL as soon as all components are ready, from a background thread."""
    host = local_host(config.host)

    def watch() -> None:
        pause = threading.Event()
        while not _ready(host, config.port):
            pause.wait(0.1)
        say(f"Crontopus is ready: {addresses.console(config)}  (Ctrl-C stops it)")
        if not config.loopback and not _has_operator():
            say("There is no operator yet. Register, then run on this machine: crontopus-server admin grant NAME")

    threading.Thread(target=watch, daemon=True).start()


def _has_operator() -> bool:
    with reading() as session:
        return operators.exists(session)


def _ready(host: str, port: int) -> bool:
    connection = HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def run(children: Sequence[Program], home: Path) -> None:
    """Supervises the children until SIGINT, SIGTERM or SIGHUP. Prints their output with their name on each line."""
    _prepare_process(home)
    pipes = {child.name: _labelled_pipe(child.name) for child in children}
    path = home / "supervisord.conf"
    with path.open("w") as file:
        configuration(children, pipes, home).write(file)
    options = ServerOptions()
    options.realize(["-c", str(path)])
    # As supervisord.main() sets them; main() itself would restart on SIGHUP.
    vars(options).update(first=True, test=False)
    poll = options.poller.poll
    # supervisord checks its children between polls of one second, which is too slow for starting and stopping.
    vars(options.poller).update(poll=lambda _timeout: poll(POLL_S))
    go(options)


def _prepare_process(home: Path) -> None:
    """Sets the environment of the children. They run in the project's folder, so the data folder must be absolute."""
    keep_home(home)
    os.environ["PYTHONUNBUFFERED"] = "1"


def configuration(children: Sequence[Program], pipes: dict[str, int], home: Path) -> RawConfigParser:
    """supervisord's configuration, see https://supervisord.org/configuration.html."""
    parser = RawConfigParser()
    parser["supervisord"] = {
        "nodaemon": "true",
        "logfile": os.devnull,  # in the foreground, it also logs to standard output
        "logfile_maxbytes": "0",
        "pidfile": _literal(home / "up.pid"),
        "childlogdir": _literal(home),
        "umask": "077",
    }
    if os.getuid() == 0:
        parser["supervisord"]["user"] = "root"  # without this, it warns about running as root
    for child in children:
        parser[f"program:{child.name}"] = {
            "command": _literal(_shell_words((sys.executable, *child.command))),
            "directory": _literal(frontend.ROOT),
            "priority": str(child.priority),
            "autorestart": "true",
            "startsecs": "2",
            "startretries": str(FOR_EVER),
            "stopwaitsecs": str(STOP_WAIT_S),
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": f"/dev/fd/{pipes[child.name]}",
            "stdout_logfile_maxbytes": "0",
        }
    return parser


def _literal(value: object) -> str:
    """Escapes %, because supervisord expands %(…)s in values."""
    return str(value).replace("%", "%%")


def _shell_words(words: Sequence[str]) -> str:
    """Quotes the words for shlex, with which supervisord splits a command."""
    return " ".join("'" + word.replace("'", "'\"'\"'") + "'" for word in words)


def _labelled_pipe(name: str) -> int:
    """The writing end of a pipe whose lines are printed to standard output after ``name``.

    supervisord opens a child's log by path. /dev/stdout cannot be opened if it is a socket (systemd) or another user's
    terminal (su), and would overwrite itself if it is a file.
    """
    reading, writing = os.pipe()

    def copy() -> None:
        with os.fdopen(reading, "rb") as lines:
            for line in lines:
                sys.stdout.buffer.write(f"{name:<7}| ".encode() + line)
                sys.stdout.buffer.flush()

    threading.Thread(target=copy, daemon=True).start()
    return writing
