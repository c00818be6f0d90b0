"""Ping URLs over HTTP: the requests and answers of the protocol, bodies, and refusals."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlmodel import select

from crontopus_app.api import fast_pings
from crontopus_app.api.app import api
from crontopus_app.api.fast_pings import Pings
from crontopus_app.base import clock
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import NotFound
from crontopus_app.models import JobIndex, Monitor, Run, RunOutput, Tenant
from crontopus_app.monitoring.sync import sync_monitors
from crontopus_app.queries import ping_urls
from tests.api.conftest import bearer
from tests.cast import JOB_ID, Member, add_job, join

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/ping.json").read_text())
# Those of jobs' own URLs.
CASES = [case for case in VECTORS["cases"] if "{key}" not in case["path"]]


@pytest.fixture
def pings(client: TestClient) -> Iterator[TestClient]:
    with TestClient(Pings(api), raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def alice(client: TestClient) -> Member:
    """Has a job without an agent."""
    member = join("alice")
    with writing() as session:
        session.add(JobIndex(tenant_id="alice", path="production/backup.yaml", job_id=JOB_ID, name="backup",
                             namespace="production", blob_sha="0" * 40, yaml=b"", valid=True,
                             manifest={"agent": {"endpoints": []}}, schedule=["0 2 * * *"]))  # fmt: skip
        sync_monitors(session, "alice", clock.now())
    return member


@pytest.fixture
def url(alice: Member) -> str:
    with reading() as session:
        return f"/ping/{session.exec(select(Monitor.ping_id)).one()}"


def outputs() -> list[RunOutput]:
    with reading() as session:
        return list(session.exec(select(RunOutput)))


def runs() -> list[Run]:
    with reading() as session:
        return list(session.exec(select(Run)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['method']} {case['path']}")
def test_the_protocol(pings: TestClient, url: str, case: dict[str, Any]) -> None:
    path = case["path"].replace("/ping/{uuid}", url)
    answer = pings.request(case["method"], path, content=case.get("request_body"))
    assert answer.status_code == case["status"]
    if "body" in case:
        assert answer.text == case["body"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert int(answer.headers["Ping-Body-Limit"]) > 0
    assert len(runs()) == (1 if answer.status_code == 200 and not path.endswith("/log") else 0)


@pytest.mark.parametrize(
    ("action", "status", "exit_code"),
    [("", "success", None), ("/0", "success", 0), ("/7", "failed", 7), ("/fail", "failed", None),
     ("/start", "running", None)],
)  # fmt: skip
def test_the_run_of_an_action(pings: TestClient, url: str, action: str, status: str, exit_code: int | None) -> None:
    assert pings.post(url + action).text == "OK"
    (run,) = runs()
    assert (run.status, run.exit_code, run.job_name, run.endpoint_id) == (status, exit_code, "backup", None)


def test_a_body_is_the_runs_output(pings: TestClient, url: str) -> None:
    pings.post(url, content="3 files\n")
    assert [(each.head, each.tail, each.lost_bytes) for each in outputs()] == [("3 files\n", "", 0)]


def test_of_a_large_body_the_first_and_the_last_part_are_kept(pings: TestClient, url: str) -> None:
    body = b"first" + b"x" * (1 << 20) + b"last"
    assert pings.post(url, content=iter([body[:7], body[7:]])).status_code == 200
    (output,) = outputs()
    assert (output.head[:5], output.tail[-4:]) == ("first", "last")
    assert len(output.head) + len(output.tail) + output.lost_bytes == len(body)


def test_a_much_too_large_body_is_refused(pings: TestClient, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_pings, "MOST_READ", 1000)
    assert pings.post(url, content=b"x" * 1001).status_code == 413
    assert runs() == []


def test_a_body_that_is_not_utf_8_is_kept(pings: TestClient, url: str) -> None:
    assert pings.post(url, content=b"caf\xe9 \0 ok").status_code == 200
    (output,) = outputs()
    assert output.head.startswith("caf\ufffd")
    assert output.head.endswith(" ok")


def test_a_time_can_be_given(pings: TestClient, url: str) -> None:
    assert pings.get(f"{url}?ts=1790000000.5").status_code == 200
    assert pings.get(f"{url}?ts=2026-09-21T16:13:21Z").status_code == 200
    assert sorted(run.finished_at.timestamp() for run in runs() if run.finished_at) == [1790000000.5, 1790007201]


@pytest.mark.parametrize("query", ["ts=yesterday", "ts=2026-09-21T16:13:21", "ts=", "ts=9e9", "ts=99999999999",
                                   "rid=", "&".join(f"a{n}=1" for n in range(30))])  # fmt: skip
def test_a_bad_query_is_refused(pings: TestClient, url: str, query: str) -> None:
    assert pings.get(f"{url}?{query}").status_code == 400
    assert runs() == []


def test_unknown_and_suspended_sources(pings: TestClient, url: str) -> None:
    unknown = pings.get(f"/ping/{uuid.uuid4()}")
    assert (unknown.status_code, unknown.text) == (404, "not found")
    with writing() as session:
        session.execute(update(Tenant).values(suspended=True))
    assert pings.get(url).status_code == 403
    assert runs() == []


def test_the_path_without_a_ping_is_passed_on(pings: TestClient, alice: Member) -> None:
    assert "Ping-Body-Limit" not in pings.get("/ping").headers


def test_writers_of_jobs_get_the_url(
    pings: TestClient, url: str, alice: Member, charlie: Member, token_with: Callable[..., str]
) -> None:
    path = "/api/jobs/production/backup/ping-url"
    assert pings.get(path, headers=bearer(token_with("read:jobs"))).status_code == 403
    assert pings.get(path, headers=bearer(token_with("write:jobs"))).json()["url"].endswith(url)
    with reading() as session, pytest.raises(NotFound):
        ping_urls.ping_url(session, charlie.actor, "production", "backup")


def test_a_job_with_hosts_has_no_url(pings: TestClient, alice: Member, token_with: Callable[..., str]) -> None:
    add_job("alice", alice.endpoint_id, job_id=str(uuid.uuid4()), name="other")
    answer = pings.get("/api/jobs/production/other/ping-url", headers=bearer(token_with("write:jobs")))
    assert (answer.status_code, "agent: {endpoints: []}" in answer.json()["detail"]) == (404, True)


def test_readers_do_not_see_the_id(pings: TestClient, url: str, token_with: Callable[..., str]) -> None:
    headers = bearer(token_with("read:jobs", "read:runs"))
    pings.get(url)
    for path in ("/api/jobs/production/backup", "/api/jobs/production/backup/endpoints", "/api/runs"):
        answer = pings.get(path, headers=headers)
        assert answer.status_code == 200, path
        assert url.removeprefix("/ping/") not in answer.text
