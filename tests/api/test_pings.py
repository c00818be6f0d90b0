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

from contract import wire
from crontopus_app.api import fast_pings
from crontopus_app.api.app import api
from crontopus_app.api.fast_pings import Pings
from crontopus_app.base import clock
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import NotFound
from crontopus_app.base.sealing import unseal
from crontopus_app.models import Audit, JobIndex, Monitor, PingKey, Run, RunOutput, Tenant
from crontopus_app.monitoring.intake import checkins, ping
from crontopus_app.monitoring.intake.ping_url import Ping
from crontopus_app.monitoring.sync import sync_monitors
from crontopus_app.people import ping_keys
from crontopus_app.queries import ping_urls
from tests.api.conftest import bearer
from tests.cast import JOB_ID, NOON, Member, add_job, join

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/ping.json").read_text())
# Creation of jobs by a ping is not offered.
CASES = [case for case in VECTORS["cases"] if "create=1" not in case["path"]]


@pytest.fixture
def pings(client: TestClient) -> Iterator[TestClient]:
    with TestClient(Pings(api), raise_server_exceptions=False) as made:
        yield made


def add(name: str, namespace: str, job_id: str = "", tenant: str = "alice") -> None:
    """A job without an agent."""
    with writing() as session:
        session.add(JobIndex(tenant_id=tenant, path=f"{namespace}/{name}.yaml", job_id=job_id or str(uuid.uuid4()),
                             name=name, namespace=namespace, blob_sha="0" * 40, yaml=b"", valid=True,
                             manifest={"agent": {"endpoints": []}}, schedule=["0 2 * * *"]))  # fmt: skip
        sync_monitors(session, tenant, clock.now())


@pytest.fixture
def key(alice: Member) -> wire.PingKey:
    with writing() as session:
        return ping_keys.create(session, alice.actor, wire.PingKeyRequest("build server"), NOON)


@pytest.fixture
def alice(client: TestClient) -> Member:
    """Has a job without an agent."""
    member = join("alice")
    add("backup", "production", JOB_ID)
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
def test_the_protocol(pings: TestClient, url: str, key: wire.PingKey, case: dict[str, Any]) -> None:
    for namespace in ("one", "two"):
        add("twice", namespace)
    path = case["path"].replace("/ping/{uuid}", url).replace("{key}", key.key or "").replace("{slug}", "backup")
    path = path.replace("{ambiguous_slug}", "twice")
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


def test_a_revoked_key_is_answered_as_an_unknown_one(
    pings: TestClient, key: wire.PingKey, token_with: Callable[..., str]
) -> None:
    answer = pings.get("/api/ping-keys", headers=bearer(token_with("write:tokens")))
    assert [each["key"] for each in answer.json()] == [key.key]
    assert pings.get(f"/ping/{key.key}/backup").text == "OK"
    pings.delete(f"/api/ping-keys/{key.id}", headers=bearer(token_with("write:tokens")))
    revoked, unknown = (pings.get(f"/ping/{each}/backup") for each in (key.key, "pk_unknown"))
    assert (revoked.status_code, revoked.text) == (unknown.status_code, unknown.text) == (404, "not found")
    assert len(runs()) == 1


def test_a_key_revoked_between_reading_and_writing_writes_nothing(alice: Member, key: wire.PingKey) -> None:
    report = ping.understood(Ping("", "success", key=key.key or "", slug="backup"), None, NOON)
    assert isinstance(report, ping.Report)
    assert report.checkin is not None
    with writing() as session:
        ping_keys.revoke(session, alice.actor, key.id, NOON)
    (outcome,) = checkins.record([checkins.ReceivedCheckin(report.caller, report.checkin)], NOON)
    assert (str(outcome), runs()) == ("not found", [])


def test_a_key_is_of_one_tenant(pings: TestClient, key: wire.PingKey, charlie: Member) -> None:
    add("theirs", "production", tenant="charlie")
    assert pings.get(f"/ping/{key.key}/theirs").status_code == 404
    with writing() as session, pytest.raises(NotFound):
        ping_keys.revoke(session, charlie.actor, key.id, NOON)


def test_readers_of_tokens_do_not_see_the_key(
    pings: TestClient, key: wire.PingKey, token_with: Callable[..., str]
) -> None:
    (listed,) = pings.get("/api/ping-keys", headers=bearer(token_with("read:tokens"))).json()
    assert (listed["name"], listed["key"]) == ("build server", None)
    assert (
        pings.post("/api/ping-keys", json={"name": "x"}, headers=bearer(token_with("read:tokens"))).status_code == 403
    )


def test_the_key_is_sealed_at_rest(alice: Member, key: wire.PingKey) -> None:
    with reading() as session:
        row = session.exec(select(PingKey)).one()
    assert key.key
    assert key.key not in (row.sealed, row.token_hmac)
    assert unseal(row.sealed) == key.key


def test_making_and_revoking_a_key_is_in_the_audit_log(alice: Member, key: wire.PingKey) -> None:
    with writing() as session:
        ping_keys.revoke(session, alice.actor, key.id, NOON)
    with reading() as session:
        rows = session.exec(select(Audit)).all()
    assert {"ping_key.create", "ping_key.revoke"} <= {row.action for row in rows}
