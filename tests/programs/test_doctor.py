"""Each part that is ill is named, with what to do; no illness of one part hides the next."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from crontopus_app.base import migrate
from crontopus_app.base.settings import Settings, read
from crontopus_app.programs import doctor
from tests.fixtures.processes import free_port


def of(home: Path, **more: str) -> Settings:
    values = {"HOME": str(home), "FORGEJO_ADMIN_USER": "svc-root", "FORGEJO_ADMIN_PASSWORD": "forge-password", **more}
    return read({f"CRONTOPUS_{name}": value for name, value in values.items()})


def found(part: str, ours: Settings) -> doctor.Finding:
    return next(finding for finding in doctor.examine(ours) if finding.part == part)


@contextmanager
def forge_that_answers(status: int) -> Iterator[str]:
    """The address of a Git server that answers every question with this status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps({"login": "svc-root"}).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", free_port()), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_all_parts_are_asked_whatever_the_first_says(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ours = of(tmp_path)
    nowhere = Settings(**{**vars(ours), "home": tmp_path / "file", "redis_url": "redis://127.0.0.1:1/0"})
    findings = doctor.examine(nowhere)
    assert [finding.part for finding in findings] == [
        "data folder",
        "console",
        "database",
        "Redis",
        "forge",
        "addresses",
    ]
    assert not findings[0].fine
    assert not findings[3].fine


def test_a_database_without_tables_is_told_to_migrate(tmp_path: Path) -> None:
    ours = of(tmp_path)
    assert "crontopus-server migrate" in found("database", ours).words
    migrate.to_head(ours.database_url)
    assert found("database", ours).fine


def test_a_database_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    finding = found("database", of(tmp_path, DATABASE_URL="postgresql://crontopus:geheim@127.0.0.1:1/crontopus"))
    assert not finding.fine
    assert "geheim" not in finding.words


def test_a_redis_that_answers(tmp_path: Path, redis_url: str) -> None:
    assert found("Redis", of(tmp_path, REDIS_URL=redis_url)).fine


@pytest.mark.parametrize(
    ("status", "fine", "words"), [(200, True, "accepts the administrator"), (401, False, "rejects the administrator")]
)
def test_a_forge_that_answers(tmp_path: Path, status: int, fine: bool, words: str) -> None:
    with forge_that_answers(status) as url:
        finding = found("forge", of(tmp_path, FORGEJO_URL=url))
    assert finding.fine == fine
    assert words in finding.words


def test_a_forge_that_fails_or_is_away(tmp_path: Path) -> None:
    with forge_that_answers(500) as url:
        assert "500" in found("forge", of(tmp_path, FORGEJO_URL=url)).words
    assert not found("forge", of(tmp_path, FORGEJO_URL=f"http://127.0.0.1:{free_port()}")).fine


def test_an_address_that_other_machines_cannot_reach_is_a_note(tmp_path: Path) -> None:
    noted = found("addresses", of(tmp_path, BIND="0.0.0.0:8000"))
    assert noted.fine
    assert str(noted).startswith(
        "note  addresses: Other machines cannot reach http://127.0.0.1:8000. Set CRONTOPUS_PUBLIC_URL"
    )
    told = found("addresses", of(tmp_path, BIND="0.0.0.0:8000", PUBLIC_URL="https://cron.example.org"))
    assert str(told) == (
        "ok    addresses: hosts use https://cron.example.org and clone from https://cron.example.org/forge"
    )
