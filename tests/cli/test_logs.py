"""`crontopus logs`, against a server that answers what the API answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner, Result

from cli.commands.logs import logs
from contract.wire import Output, Run, RunDetail, RunList

AT = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)


def run(number: int, status: str = "success") -> Run:
    at = AT + timedelta(minutes=number)
    words = ("job", "backup", "production", "e1", "db01", status)
    return Run(str(number), *words, [], at, at, at, at, 1.0, 3 if status == "failed" else 0, None, 1, "")


class _Server(ThreadingHTTPServer):
    """``looks``: the runs at each look, newest first; after the last one, it answers 401."""

    looks: list[list[Run]]
    outputs: dict[str, Output]


class _Api(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        if not self.path.startswith("/api/runs?"):
            number = self.path.rpartition("/")[2]
            self._answer(
                200, asdict(RunDetail(run(int(number)), self.server.outputs.get(number, Output()), "no output"))
            )
        elif self.server.looks:
            listed = self.server.looks.pop(0)
            self._answer(200, asdict(RunList(listed, len(listed), 1, 50, None)))
        else:
            self._answer(401, {"detail": "The session has ended.", "code": "not_authenticated"})

    def _answer(self, status: int, answer: object) -> None:
        body = json.dumps(answer, default=lambda at: at.isoformat()).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Writes nothing to standard error."""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Api) as server:
        server.looks, server.outputs = [], {}
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("CRONTOPUS_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("CRONTOPUS_TOKEN", "ctp_x")
        yield server
        server.shutdown()
        thread.join()


def invoke(*words: str) -> Result:
    return CliRunner().invoke(logs, ["production/backup", *words])


def test_the_last_run_with_what_it_printed(api: _Server) -> None:
    api.looks = [[run(3, "running"), run(2), run(1)]]
    api.outputs["2"] = Output("\x1b[31mred\x1b[0m\tx\n\n\x07bell\n", "end\n", 7)
    result = invoke()
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == ["red\tx", "", "?bell", "", "… 7 bytes left out …", "end"]
    assert "on db01: success (2)" in result.stderr


def test_several_in_order_and_without_output_the_reason(api: _Server) -> None:
    api.looks = [[run(3), run(2), run(1)]]
    result = invoke("-n", "2")
    assert result.stdout.splitlines() == ["no output", "no output"]
    assert [line.rpartition("(")[2][0] for line in result.stderr.splitlines()] == ["2", "3"]


def test_following_prints_each_further_run_once_it_has_ended(api: _Server) -> None:
    api.looks = [
        [run(1)],
        [run(2, "running"), run(1)],
        [run(3), run(2), run(1)],
        [run(3), run(2), run(1)],
    ]
    result = invoke("--follow", "-n", "0")
    assert [line.rpartition("(")[2][0] for line in result.stderr.splitlines() if "==>" in line] == ["2", "3"]
    assert result.exit_code != 0


def test_a_job_that_has_not_run(api: _Server) -> None:
    api.looks = [[]]
    result = invoke()
    assert (result.exit_code, "has not run yet" in result.output) == (1, True)
