"""``crontopus-server up``: everything on one machine, run by supervisord (docs/decisions/0006-supervisord.md says why).

The steps: hold the data folder, check the port and the built console, bring the database to head, then let supervisord
start the children, restart those that die, with growing pauses, and end them all when it is told to end.
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

# Retried for as long as `up` runs: each failed start waits a second longer than the one before.
FOR_EVER = 1_000_000
STOP_WAIT_S = 8
POLL_S = 0.1


@dataclass(frozen=True)
class Program:
    """A child: its name in the log and Python's arguments. Lower priority starts first and ends last."""

    name: str
    command: tuple[str, ...]
    priority: int


def programs(ours: Settings, *, demo: bool) -> list[Program]:
    """What has to run for these settings."""
    server = ("-m", "crontopus_app.programs.server")
    children = [
        Program("edits", (*server, "worker", "--edits"), 20),
        Program("worker", (*server, "worker"), 20),
        Program("web", (*server, "web"), 30),
    ]
    if ours.embedded_redis:
        children.insert(0, Program("redis", ("-m", "crontopus_app.programs.embedded_redis"), 10))
    if demo:
        children.append(Program("demo", (*server, "demo"), 40))
    return children


def up(ours: Settings, *, demo: bool, say: Callable[[str], None]) -> None:
    """Runs everything until SIGINT or SIGTERM; raises ConfigurationError with a sentence where it cannot start."""
    with held(ours.home):
        check_port(ours.host, ours.port)
        frontend.check()
        if ours.embedded_redis:
            socket_path(ours.home)
        migrate.to_head(ours.database_url)
        children = programs(ours, demo=demo)
        announce_when_ready(ours, say)
        run(children, ours.home)
    say("Crontopus has stopped.")


@contextmanager
def held(home: Path) -> Iterator[None]:
    """The data folder for one ``up`` alone; raises ConfigurationError where another has it or it cannot be written."""
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
                f"Another `crontopus-server up` already serves {home}: stop it, or set CRONTOPUS_HOME to another."
            ) from error
        yield


def check_port(host: str, port: int) -> None:
    """Raises ConfigurationError where nothing of ours could listen there."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"{host}:{port} cannot be listened on ({error.strerror}): "
            f"stop what uses it, or set CRONTOPUS_BIND, for example to 127.0.0.1:{port % 65535 + 1}."
        ) from error


def announce_when_ready(ours: Settings, say: Callable[[str], None]) -> None:
    """Says where to look as soon as all parts answer, from a thread that ends then or with the process."""
    host = local_host(ours.host)

    def watch() -> None:
        pause = threading.Event()
        while not _ready(host, ours.port):
            pause.wait(0.1)
        say(f"Crontopus is ready: {addresses.console(ours)}  (Ctrl-C stops it)")
        if not ours.loopback and not _has_operator():
            say("Nobody is operator yet: register, then run `crontopus-server admin grant NAME` on this machine.")

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
    """Supervises the children until SIGINT, SIGTERM or SIGHUP; their output, a name before each line, goes to ours."""
    _prepare_process(home)
    pipes = {child.name: _labelled_pipe(child.name) for child in children}
    path = home / "supervisord.conf"
    with path.open("w") as file:
        configuration(children, pipes, home).write(file)
    options = ServerOptions()
    options.realize(["-c", str(path)])
    # What supervisord.main() sets for the Supervisor it makes; main() itself would start again on SIGHUP.
    vars(options).update(first=True, test=False)
    poll = options.poller.poll
    # It looks after its children between polls, one second each: too long for who waits for a start or an end.
    vars(options.poller).update(poll=lambda _timeout: poll(POLL_S))
    go(options)


def _prepare_process(home: Path) -> None:
    """What children inherit; they run in the project's folder, where Reflex looks for its files: home is absolute."""
    keep_home(home)
    os.environ["PYTHONUNBUFFERED"] = "1"


def configuration(children: Sequence[Program], pipes: dict[str, int], home: Path) -> RawConfigParser:
    """supervisord's configuration, see https://supervisord.org/configuration.html."""
    parser = RawConfigParser()
    parser["supervisord"] = {
        "nodaemon": "true",
        "logfile": os.devnull,  # in the foreground it logs to standard output as well
        "logfile_maxbytes": "0",
        "pidfile": _literal(home / "up.pid"),
        "childlogdir": _literal(home),
        "umask": "077",
    }
    if os.getuid() == 0:
        parser["supervisord"]["user"] = "root"  # it warns until root has been said to be meant
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
    """supervisord expands %(…)s in its values."""
    return str(value).replace("%", "%%")


def _shell_words(words: Sequence[str]) -> str:
    """supervisord splits a command with shlex."""
    return " ".join("'" + word.replace("'", "'\"'\"'") + "'" for word in words)


def _labelled_pipe(name: str) -> int:
    """The writing end of a pipe whose lines appear on our standard output after ``name``.

    supervisord opens a child's log by path; /dev/stdout cannot be opened where it is a socket (systemd) or another
    user's terminal (su), and overwrites itself where it is a file: a pipe of our own can.
    """
    reading, writing = os.pipe()

    def copy() -> None:
        with os.fdopen(reading, "rb") as lines:
            for line in lines:
                sys.stdout.buffer.write(f"{name:<7}| ".encode() + line)
                sys.stdout.buffer.flush()

    threading.Thread(target=copy, daemon=True).start()
    return writing
