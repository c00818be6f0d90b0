"""`crontopus jobs why`, against a server that answers what the API answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from cli.commands.jobs import jobs
from contract.wire import Evidence, Why

AT = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
ANSWER = Why("host_off", "db01 was off.\x1b[2J", [Evidence(AT, "the slot", "schedule")], "Start it.", AT, "e1", "db01")


class _Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.requested = self.path  # pyright: ignore[reportAttributeAccessIssue]
        body = json.dumps(asdict(ANSWER), default=lambda at: at.isoformat()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Writes nothing to standard error."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Api) as api:
        thread = threading.Thread(target=api.serve_forever)
        thread.start()
        yield api
        api.shutdown()
        thread.join()


def test_it_prints_verdict_sentence_next_step_and_facts(server: ThreadingHTTPServer) -> None:
    env = {"CRONTOPUS_URL": f"http://127.0.0.1:{server.server_port}", "CRONTOPUS_TOKEN": "ctp_x", "TZ": "UTC"}
    arguments = ["why", "production/backup", "--endpoint", "db01", "--at", "2026-11-23T13:00"]
    result = CliRunner().invoke(jobs, arguments, env=env)
    assert result.exit_code == 0, result.output
    heading, sentence, following, _, heads, fact = result.output.splitlines()
    assert heading.startswith("production/backup on db01, 2026-11-23 ")
    assert heading.endswith(": host_off")
    assert (sentence, following) == ("db01 was off.?[2J", "Next: Start it.")
    assert (heads.split(), fact.split()[-3:]) == (["AT", "FACT", "SOURCE"], ["the", "slot", "schedule"])
    asked = server.requested  # pyright: ignore[reportAttributeAccessIssue]
    assert asked == "/api/jobs/production/backup/why?endpoint=db01&at=2026-11-23T13%3A00"


def test_json_is_the_answer_of_the_api(server: ThreadingHTTPServer) -> None:
    env = {"CRONTOPUS_URL": f"http://127.0.0.1:{server.server_port}", "CRONTOPUS_TOKEN": "ctp_x"}
    result = CliRunner().invoke(jobs, ["why", "production/backup", "--json"], env=env)
    assert json.loads(result.output)["verdict"] == "host_off"
