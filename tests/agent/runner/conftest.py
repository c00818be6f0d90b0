"""Fixtures: a host with the runner, and control planes that answer, stall or are gone."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest

RUNNER = Path(__file__).resolve().parents[3] / "agent" / "runner" / "run_job.py"
JOB = "5b0c7c9e-6c2b-4a55-9b59-0a4b1f1b6f5e"
PATIENCE_S = 30.0
T = TypeVar("T")


def wait_for(state: Callable[[], T | None]) -> T:
    """Waits until ``state`` returns a true value, and returns it."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found = state()
        if found:
            return found
        threading.Event().wait(0.005)
    raise AssertionError(f"it did not come true within {PATIENCE_S:g} s")


def interpreters() -> list[str]:
    """This Python, and all others from 3.8 to 3.13 on the PATH or next to it."""
    names = [f"python3.{minor}" for minor in range(8, 14)]
    beside = sorted(Path(sys.base_prefix).parent.glob("*/bin/python3.*"))
    candidates = [shutil.which(name) for name in names] + [str(path) for path in beside if path.name in names]
    found = {sys.version_info[:2]: sys.executable}
    for candidate in filter(None, candidates):
        probe = [candidate, "-c", "import sys; print(*sys.version_info[:2])"]
        answer = subprocess.run(probe, capture_output=True, text=True)
        if answer.returncode == 0:
            major, minor = answer.stdout.split()
            found.setdefault((int(major), int(minor)), candidate)
    return [found[version] for version in sorted(found)]


class FarEnd:
    """A control plane that stores the check-ins. Answers with ``status``, and with ``code`` unless that is 200."""

    def __init__(self) -> None:
        self.status = 200
        self.code = "error"
        self.header = "1"
        self.bodies: list[Any] = []
        self.paths: list[str] = []
        self.authorizations: list[str | None] = []
        self.proxy_authorizations: list[str | None] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        far = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                far.paths.append(self.path)
                far.authorizations.append(self.headers["Authorization"])
                far.proxy_authorizations.append(self.headers["Proxy-Authorization"])
                far.bodies.append(body)
                answer = far.answer(body)
                self.send_response(far.status)
                self.send_header("Crontopus-Api", far.header)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                """Logs nothing."""

        return Handler

    def answer(self, body: Any) -> bytes:
        if self.status != 200:
            return json.dumps({"detail": "Not now", "code": self.code}).encode()
        checkins = body if isinstance(body, list) else [body]
        answers = [{"run_id": one["run_id"], "state": "running", "duplicate": False} for one in checkins]
        return json.dumps(answers if isinstance(body, list) else answers[0]).encode()

    def kinds(self) -> list[str]:
        """The kinds of the check-ins without repeats, in the order of ``seq``."""
        unique = {body["seq"]: body["kind"] for body in list(self.bodies)}
        return [unique[number] for number in sorted(unique)]

    def checkin(self, kind: str) -> dict[str, Any]:
        """Waits for the first check-in of this kind, and returns it."""
        return wait_for(lambda: next((body for body in list(self.bodies) if body["kind"] == kind), None))


@pytest.fixture
def far() -> Iterator[FarEnd]:
    served = FarEnd()
    thread = threading.Thread(target=served.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield served
    served.server.shutdown()
    served.server.server_close()
    thread.join()


@pytest.fixture
def stalled() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def dead() -> str:
    """An address without a server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


class RunnerHost:
    """A host with a state folder like the agent's."""

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.folder = folder
        self.spool = folder / "spool"
        self.runner = folder / "bin" / "run-job"
        for part in (folder / "jobs", self.spool, self.runner.parent, folder / "home"):
            part.mkdir(parents=True)
        rest = RUNNER.read_bytes().split(b"\n", 1)[1]
        self.runner.write_bytes(b"#!%s -IS\n%s" % (python.encode(), rest))
        self.runner.chmod(0o755)
        self.environment = {"HOME": str(folder / "home"), "PATH": "/usr/bin:/bin", "LOGNAME": "ana"}

    def connect(self, url: str, proxy: str | None = None) -> None:
        connection = {"v": 1, "url": url, "token": "ep_secret", "proxy": proxy}
        (self.folder / "runner.json").write_text(json.dumps(connection))

    def job(self, command: str, job_id: str = JOB, checkin: dict[str, Any] | None = None, **changes: Any) -> None:
        defaults = {"enabled": True, "max_runtime_s": None, "kill_grace_s": 10, "min_runtime_s": None}
        defaults.update(min_output_bytes=None, success_exit_codes=[0], head=16384, tail=49152, mail="keep")
        job = {"v": 1, "job_id": job_id, "name": "backup", "namespace": "production", "shell": "/bin/sh"}
        job.update(command=command, args=[], user=None, cwd=None, env={}, env_file=None, umask=None, nice=None)
        job.update(concurrency="allow", retry={"attempts": 0, "backoff": "fixed", "delay_s": 30}, commit="c0ffee")
        job.update(line_hash="ab12", schedule=["0 2 * * *"], timezone=None, gate=None)
        job.update(changes, checkin={**defaults, **(checkin or {})})
        (self.folder / "jobs" / f"{job_id}.json").write_text(json.dumps(job))

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Starts the runner as cron would in another minute than before."""
        (self.folder / "jobs" / f"{JOB}.slot").unlink(missing_ok=True)
        return self.start_again(*arguments, **options)

    def start_again(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        command = [str(self.runner), *(arguments or (JOB,))]
        return subprocess.Popen(command, env=self.environment, **options)  # pyright: ignore[reportReturnType] - no text

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        with self.start(*arguments, **options) as process:
            out, err = process.communicate(timeout=PATIENCE_S)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def spooled(self) -> list[dict[str, Any]]:
        """The spooled check-ins in order. Only files with a final name count, and each must be complete."""
        bodies = []
        for path in sorted(self.spool.glob("[0-9]*.json")):
            with suppress(FileNotFoundError):  # just sent
                bodies.append(json.loads(path.read_bytes()))
        return bodies

    def waiting(self, kind: str) -> dict[str, Any]:
        """Waits for the spooled check-in of this kind, and returns it."""
        return wait_for(lambda: next((body for body in self.spooled() if body["kind"] == kind), None))

    def kinds(self, count: int) -> list[str]:
        """Waits for ``count`` spooled check-ins, and returns their kinds in order; the start may be spooled late."""
        return [body["kind"] for body in wait_for(lambda: self.spooled() if len(self.spooled()) >= count else None)]

    def file(self, name: str) -> Path:
        return self.folder / "home" / name


@pytest.fixture
def host(tmp_path: Path, dead: str) -> RunnerHost:
    """A host whose control plane is away, so that all check-ins stay in the spool."""
    host = RunnerHost(tmp_path / "state")
    host.connect(dead)
    return host


def alive(process: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def read_pid(path: Path) -> int:
    """Waits for the complete number in ``path``, and returns it."""
    return int(wait_for(lambda: path.exists() and path.read_text().endswith("\n") and path.read_text()))


def is_root() -> bool:
    return os.geteuid() == 0
