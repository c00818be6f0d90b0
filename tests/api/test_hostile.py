"""Requests that nobody means: each is refused or made harmless, on both databases, and none is a 500."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update

from crontopus_app.api.app import api
from crontopus_app.api.fast_checkins import FastCheckins
from crontopus_app.base import rates
from crontopus_app.base.db import writing
from crontopus_app.base.queue import redis
from crontopus_app.models import GitCredential, Tenant
from tests.api.conftest import bearer
from tests.cast import JOB_ID, NOON, PASSWORD, Member, add_job, join

BIG = 2**31
HUGE = 2**63
INFINITE = float("inf")
NUL = "a\0b"


@pytest.fixture
def client(db: Engine, redis_url: str) -> Iterator[TestClient]:
    """On both databases."""
    with TestClient(FastCheckins(api), raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def alice(client: TestClient) -> Member:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    return member


def checkin(**facts: Any) -> dict[str, Any]:
    ids = {"id": str(uuid.uuid4()), "run_id": str(uuid.uuid4()), "job_id": JOB_ID}
    return {**ids, "kind": "success", "at": NOON.isoformat(), **facts}


def report(**facts: Any) -> dict[str, Any]:
    known = {"status": "Applied", "head": "", "applied": "", "started_at": NOON.isoformat(), "duration_s": 0.2}
    return {**known, **facts}


def send(client: TestClient, path: str, body: Any, token: str) -> Any:
    """Posts what Python's JSON can say and JSON cannot: NaN and Infinity."""
    headers = {**bearer(token), "Content-Type": "application/json"}
    return client.post(path, content=json.dumps(body), headers=headers)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("exit_code", BIG),
        ("exit_code", -BIG - 1),
        ("signal", BIG),
        ("attempt", BIG),
        ("seq", HUGE),
        ("duration_s", INFINITE),
        ("duration_s", float("nan")),
        ("at", "0001-01-01T00:00:00+14:00"),
        ("slot", "9999-12-31T23:59:59-14:00"),
        ("output", {"lost_bytes": HUGE}),
        ("output", {"lost_bytes": -1}),
    ],
)
def test_a_check_in_beyond_its_columns_is_a_422(client: TestClient, alice: Member, field: str, value: Any) -> None:
    answer = send(client, "/api/checkins", checkin(**{field: value}), alice.endpoint_token)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"].startswith(field)


def test_one_hostile_check_in_is_refused_and_the_rest_of_its_batch_kept(client: TestClient, alice: Member) -> None:
    batch = [checkin(exit_code=BIG), checkin(seq=HUGE), checkin(duration_s=INFINITE), checkin()]
    answer = send(client, "/api/checkins/batch", batch, alice.endpoint_token)
    assert [one["state"] for one in answer.json()] == ["refused"] * 3 + ["success"]


def test_nul_in_what_a_run_says_is_kept_as_a_symbol(client: TestClient, alice: Member) -> None:
    output = {"head": NUL, "tail": NUL, "lost_bytes": 0}
    facts = {"error": NUL, "commit": NUL, "line_hash": NUL, "boot_id": NUL, "flags": [NUL]}
    told = checkin(**facts, output=output, kind="log")
    assert send(client, "/api/checkins", told, alice.endpoint_token).status_code == 200
    finish = checkin(**facts, output=output, run_id=told["run_id"])
    assert send(client, "/api/checkins", finish, alice.endpoint_token).status_code == 200
    found = client.get(f"/api/runs/{told['run_id']}", headers=bearer(alice.session_token)).json()
    assert (found["error"], found["output"]["tail"]) == ("a\u2400b", "a\u2400b")


def test_flags_are_bounded(client: TestClient, alice: Member) -> None:
    told = checkin(flags=[f"{n}-" + "x" * 500 for n in range(100)])
    assert send(client, "/api/checkins", told, alice.endpoint_token).status_code == 200
    flags = client.get(f"/api/runs/{told['run_id']}", headers=bearer(alice.session_token)).json()["run"]["flags"]
    theirs = [flag for flag in flags if flag.endswith("x")]  # and ours: at noon of a day it is reported late
    assert len(theirs) == 20
    assert max(map(len, flags)) == 100


@pytest.mark.parametrize(
    "facts",
    [{"utc_offset": BIG}, {"capabilities": {"x": INFINITE}}, {"labels": {"x": "y" * 70_000}}, {"status": "Splendid"}],
)
def test_a_report_that_cannot_be_kept_is_a_422(client: TestClient, alice: Member, facts: dict[str, Any]) -> None:
    answer = send(client, "/api/endpoints/me/report", report(**facts), alice.endpoint_token)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == next(iter(facts))


def test_nul_in_a_report_is_kept_as_a_symbol(client: TestClient, alice: Member) -> None:
    entry = {"job_id": JOB_ID, "path": NUL, "outcome": NUL, "reason": NUL, "commit": NUL}
    drift = {"kind": NUL, "expected": "x" * 100_000, "found": NUL, "logged_in": [NUL] * 1000}
    texts = {"message": NUL, "applied": NUL, "agent_version": NUL, "timezone": NUL, "labels": {NUL: NUL}}
    body = report(**texts, entries=[entry], drift=[drift], crontab=[{"text": NUL, "standing": NUL}])
    assert send(client, "/api/endpoints/me/report", body, alice.endpoint_token).status_code == 204
    mine = bearer(alice.session_token)
    assert client.get(f"/api/endpoints/{alice.endpoint_id}", headers=mine).json()["message"] == "a\u2400b"
    (found,) = client.get(f"/api/endpoints/{alice.endpoint_id}/drift", headers=mine).json()
    assert (len(found["expected"]), len(found["logged_in"])) == (2000, 20)


@pytest.mark.parametrize(
    "path",
    [
        "/api/runs?job=%00",
        "/api/runs?endpoint=%00&namespace=%00",
        "/api/runs/%00",
        "/api/endpoints/%00",
        f"/api/runs?page={HUGE}",
        f"/api/endpoints?page={HUGE}",
        "/api/runs?since=0001-01-01T00:00:00%2B14:00",
        "/api/runs?until=9999-12-31T23:59:59-14:00",
        "/api/runs?cursor=MDAwMS0wMS0wMVQwMDowMDowMCsxNDowMHx4",
        "/api/runs?cursor=%F0%9F%99%82",
        "/api/runs/by-job?days=99999999999999999999",
    ],
)
def test_a_question_that_no_row_can_answer_is_no_error_of_ours(client: TestClient, alice: Member, path: str) -> None:
    answer = client.get(path, headers=bearer(alice.session_token))
    assert answer.status_code in {200, 404, 422}, answer.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/enrollment-tokens", {"name": NUL}),
        ("/api/enrollment-tokens", {"name": "x", "max_uses": BIG}),
        ("/api/tokens", {"name": NUL, "scopes": ["read:runs"]}),
        ("/api/repository/credentials", {"name": NUL}),
        ("/api/repository/credentials", {"name": "x", "access": "admin"}),
        ("/api/repository/credentials", {"name": "x", "tenant_id": "charlie"}),
        ("/api/auth/register", {"username": "dora", "email": "a\0@b", "password": PASSWORD}),
        ("/api/auth/register", {"username": "dora", "email": "a> <b@c", "password": PASSWORD}),
        ("/api/auth/register", {"username": "dora", "email": "a@b\n", "password": PASSWORD}),
    ],
)
def test_a_form_that_cannot_be_kept_is_a_422(client: TestClient, alice: Member, path: str, body: Any) -> None:
    answer = send(client, path, body, alice.session_token)
    assert answer.status_code == 422, answer.text


def test_a_git_credential_is_there_for_its_own_tenant_only(client: TestClient, alice: Member) -> None:
    charlie = join("charlie")
    row = GitCredential(tenant_id="alice", user_id=alice.actor.user_id, made_by="alice", name="laptop", access="write",
                        state="revoked", created_at=NOON)  # fmt: skip
    with writing() as session:
        session.execute(update(Tenant).values(provisioning="ready"))
        session.add(row)
    mine, theirs = bearer(alice.session_token), bearer(charlie.session_token)
    where = "/api/repository/credentials"
    assert client.get(where, headers=theirs).json() == []
    assert client.delete(f"{where}/{row.id}", headers=theirs).status_code == 404
    for odd in ("%00", "x" * 2000, "..%2F"):
        assert client.delete(f"{where}/{odd}", headers=theirs).status_code in {404, 405, 422}
    (listed,) = client.get(where, headers=mine).json()
    assert (listed["id"], listed["token"], listed["username"]) == (row.id, None, "alice")
    assert client.delete(f"{where}/{row.id}", headers=mine).status_code == 204


@pytest.mark.parametrize("name", [NUL, "x" * 100_000, "", "' OR 1=1 --"])
def test_nobody_signs_in_under_a_name_that_none_can_have(client: TestClient, alice: Member, name: str) -> None:
    answer = client.post("/api/auth/login", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 401, answer.text
    assert max(len(key) for key in redis().scan_iter("crontopus:rate:*")) <= rates.KEY_LENGTH + 40


def test_only_a_commit_confirms_deletions(client: TestClient, alice: Member) -> None:
    where = f"/api/endpoints/{alice.endpoint_id}/confirm-prune"
    for head in ("", "main", NUL, "A" * 40, "a" * 10_000):
        answer = client.post(where, params={"head": head}, headers=bearer(alice.session_token))
        assert answer.status_code == 422, answer.text
    assert client.post(where, params={"head": "a" * 40}, headers=bearer(alice.session_token)).status_code == 202


def test_the_agents_of_a_suspended_tenant_are_shut_out_until_it_is_not(client: TestClient, alice: Member) -> None:
    with writing() as session:
        session.execute(update(Tenant).values(suspended=True))
    for method, path, body in (
        ("POST", "/api/checkins", checkin()),
        ("POST", "/api/checkins/batch", [checkin()]),
        ("POST", "/api/endpoints/me/report", report()),
        ("POST", "/api/endpoints/me/heartbeat", None),
        ("GET", "/api/endpoints/me/watch?timeout=0", None),
    ):
        answer = client.request(method, path, json=body, headers=bearer(alice.endpoint_token))
        assert (answer.status_code, answer.json()["code"]) == (403, "suspended")
    with writing() as session:
        session.execute(update(Tenant).values(suspended=False))
    assert send(client, "/api/checkins", checkin(), alice.endpoint_token).status_code == 200


@pytest.mark.parametrize("origin", ["null", "http://", "https://evil.example", "http://testserver.evil.example"])
def test_a_page_without_an_address_of_ours_changes_nothing(client: TestClient, alice: Member, origin: str) -> None:
    client.cookies.set("crontopus_session", alice.session_token)
    for host in ("testserver", ""):
        answer = client.post("/api/enrollment-tokens", json={"name": "x"}, headers={"Origin": origin, "Host": host})
        assert answer.status_code == 403, answer.text


def test_a_sign_in_never_takes_over_the_session_of_the_cookie(client: TestClient, alice: Member) -> None:
    client.cookies.set("crontopus_session", "cts_planted")
    answer = client.post("/api/auth/session", json={"username": "alice", "password": PASSWORD})
    given = answer.cookies["crontopus_session"]
    assert given not in {"cts_planted", alice.session_token}
    client.cookies.clear()
    assert client.get("/api/auth/me", headers=bearer("cts_planted")).status_code == 401


def test_a_wait_is_bounded(client: TestClient, alice: Member) -> None:
    for seconds in ("nan", "inf", "-1", "56", "1e400"):
        answer = client.get(f"/api/endpoints/me/watch?timeout={seconds}", headers=bearer(alice.endpoint_token))
        assert answer.status_code == 422, seconds
