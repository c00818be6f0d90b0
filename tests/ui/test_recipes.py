"""The recipes of a ping URL: each names the URL, and those for a shell and Python run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from crontopus_app.ui.job.recipes import Pings, pings


class _Server(HTTPServer):
    """Keeps the requests: path, body."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/ping/id"


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] -- it only serves this

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.requests.append((self.path.removeprefix("/ping/id"), body))
        self.send_response(200)
        self.end_headers()

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as made:
        thread = Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def recipe(url: str, title: str, cron: str = "0 2 * * *") -> str:
    return next(each.text for each in pings(url, cron).recipes if each.title.startswith(title))


def job(folder: Path, status: int) -> str:
    path = folder / "job"
    path.write_text(f"#!/bin/sh\necho done\nexit {status}\n")
    path.chmod(0o755)
    return str(path)


def test_a_job_with_hosts_has_no_recipes() -> None:
    assert pings("", "0 2 * * *") == Pings()


@pytest.mark.parametrize("status", [0, 3])
def test_the_line_for_cron_tells_the_exit_status(server: _Server, tmp_path: Path, status: int) -> None:
    line = recipe(server.url, "Cron").removeprefix("0 2 * * * ").replace("/path/to/job", job(tmp_path, status))
    subprocess.run(["/bin/sh", "-c", line], check=True)
    assert server.requests == [(f"/{status}", "")]


def test_the_shell_recipe_tells_start_output_and_status(server: _Server, tmp_path: Path) -> None:
    script = recipe(server.url, "With start").replace("/path/to/job", job(tmp_path, 3))
    subprocess.run(["/bin/sh", "-c", script], check=True)
    assert server.requests == [("/start", ""), ("/3", "done")]


@pytest.mark.parametrize(("body", "paths"), [("pass", ["/start", ""]), ("1 / 0", ["/start", "/fail"])])
def test_the_python_recipe(server: _Server, body: str, paths: list[str]) -> None:
    script = f"def job():\n    {body}\n" + recipe(server.url, "Python")
    subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, env={**os.environ})
    assert [path for path, _ in server.requests] == paths


def test_a_schedule_that_cron_does_not_know_is_not_copied() -> None:
    assert recipe("http://x", "Cron", "H H * * *").startswith("0 2 * * * ")
    assert recipe("http://x", "Cron", "5 4 * * *").startswith("5 4 * * * ")
