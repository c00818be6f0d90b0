"""What holds for every route: shapes of errors, limits, slashes, origins."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from crontopus_app.api import limits
from crontopus_app.base import db
from crontopus_app.base.settings import settings
from tests.api.conftest import bearer
from tests.cast import JOB_ID, NOON, PASSWORD, Member

REGISTRATION = {"username": "dora", "email": "dora@example.org", "password": PASSWORD}


def checkin(**facts: object) -> dict[str, object]:
    ids = {"id": str(uuid.uuid4()), "run_id": str(uuid.uuid4()), "job_id": JOB_ID}
    return {**ids, "kind": "success", "at": NOON.isoformat(), **facts}


def test_registering_signing_in_and_out(client: TestClient) -> None:
    made = client.post("/api/auth/register", json=REGISTRATION)
    assert made.status_code == 201
    assert made.json()["provisioning"] == "pending"
    form = {"username": "dora", "password": PASSWORD}
    token = client.post("/api/auth/login", data=form).json()["access_token"]
    assert client.get("/api/auth/me", headers=bearer(token)).json()["tenant_id"] == "dora"
    assert client.post("/api/auth/logout", headers=bearer(token)).status_code == 204
    assert client.get("/api/auth/me", headers=bearer(token)).status_code == 401


def test_the_cookie_is_for_our_own_pages_only(client: TestClient, alice: Member) -> None:
    answer = client.post("/api/auth/session", json={"username": "alice", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert client.get("/api/auth/me").status_code == 200
    foreign = {"Origin": "https://evil.example"}
    refused = client.post("/api/enrollment-tokens", json={"name": "x"}, headers=foreign)
    assert (refused.status_code, refused.json()["code"]) == (403, "foreign_origin")
    cross = client.post("/api/enrollment-tokens", json={"name": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert cross.status_code == 403
    own = {"Origin": "http://testserver"}
    assert client.post("/api/enrollment-tokens", json={"name": "x"}, headers=own).status_code == 201


def test_the_cookie_is_secure_on_https(client: TestClient, alice: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRONTOPUS_PUBLIC_URL", "https://crontopus.example.org")
    settings.cache_clear()
    answer = client.post("/api/auth/session", json={"username": "alice", "password": PASSWORD})
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("path", ["/api/runs", "/api/runs/", "/api/endpoints/", "/api/agents", "/api/jobs/"])
def test_a_path_works_with_and_without_its_slash(client: TestClient, alice: Member, path: str) -> None:
    answer = client.get(path, headers=bearer(alice.session_token), follow_redirects=False)
    assert answer.status_code == 200


def test_a_method_that_a_path_does_not_take_is_told_which_it_takes(client: TestClient) -> None:
    answer = client.delete("/api/jobs")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert answer.json() == {
        "detail": "/api/jobs accepts GET or POST, not DELETE. See /api/docs.",
        "code": "method_not_allowed",
    }


def test_an_unknown_path_of_the_api_is_json(client: TestClient) -> None:
    answer = client.get("/api/nothing/here")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_wrong_field_is_named(client: TestClient) -> None:
    answer = client.post("/api/auth/register", json={**REGISTRATION, "passwrd": "x"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "passwrd"


def test_json_that_is_none_is_a_422(client: TestClient, alice: Member) -> None:
    headers = {**bearer(alice.endpoint_token), "Content-Type": "application/json"}
    answer = client.post("/api/checkins", content=b'{"id": ', headers=headers)
    assert answer.status_code == 422
    assert answer.json()["code"] == "bad_input"


def test_a_large_body_is_refused_declared_or_streamed(client: TestClient, alice: Member) -> None:
    headers = {**bearer(alice.endpoint_token), "Content-Type": "application/json"}
    declared = client.post("/api/checkins", content=b"x" * (limits.BODY_LIMIT + 1), headers=headers)
    assert declared.status_code == 413

    def stream() -> Iterator[bytes]:
        for _ in range(17):
            yield b"x" * (limits.BODY_LIMIT // 16)

    assert client.post("/api/checkins", content=stream(), headers=headers).status_code == 413


def test_a_check_in_is_answered_and_listed(client: TestClient, alice: Member) -> None:
    told = checkin(duration_s=3.5, exit_code=0, output={"head": "hello", "tail": "", "lost_bytes": 0})
    first = client.post("/api/checkins", json=told, headers=bearer(alice.endpoint_token))
    assert first.json() == {"run_id": told["run_id"], "state": "success", "duplicate": False}
    again = client.post("/api/checkins/", json=told, headers=bearer(alice.endpoint_token))
    assert again.json()["duplicate"] is True
    listed = client.get("/api/runs", headers=bearer(alice.session_token)).json()
    assert (listed["total"], listed["runs"][0]["job_name"]) == (1, "backup")
    output = client.get(f"/api/runs/{told['run_id']}/output", headers=bearer(alice.session_token))
    assert output.text == "hello"


def test_a_batch_is_answered_in_its_order(client: TestClient, alice: Member) -> None:
    good, bad = checkin(), checkin(kind="explode")
    answer = client.post("/api/checkins/batch", json=[bad, good], headers=bearer(alice.endpoint_token))
    assert [one["state"] for one in answer.json()] == ["refused", "success"]


def test_the_batch_of_a_stranger_is_not_read(client: TestClient, alice: Member) -> None:
    read: list[int] = []

    def stream() -> Iterator[bytes]:
        for part in range(100):
            read.append(part)
            yield b"[" + b" " * 65536

    answer = client.post("/api/checkins/batch", content=stream(), headers=bearer(alice.session_token))
    assert (answer.status_code, read) == (401, [])


@pytest.mark.parametrize("body", [b"", b"[", b"{}", b'[{"id": 1}]', b"[" * 10_000, b"\xff"])
def test_what_is_no_batch_is_a_422(client: TestClient, alice: Member, body: bytes) -> None:
    answer = client.post("/api/checkins/batch", content=body, headers=bearer(alice.endpoint_token))
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_input")


def test_the_legacy_check_in_needs_the_endpoints_own_token(client: TestClient, alice: Member, charlie: Member) -> None:
    body = {"endpoint_id": alice.endpoint_id, "job_name": "backup", "namespace": "production", "status": "success"}
    assert client.post("/api/runs/check-in", json=body).status_code == 401
    foreign = client.post("/api/runs/check-in", json=body, headers=bearer(charlie.endpoint_token))
    assert foreign.status_code == 404
    own = client.post("/api/runs/check-in", json=body, headers=bearer(alice.endpoint_token))
    assert own.json()["state"] == "success"


def test_a_revoked_endpoint_is_out_at_once(client: TestClient, alice: Member) -> None:
    where = f"/api/endpoints/{alice.endpoint_id}"
    assert client.delete(where, headers=bearer(alice.session_token)).status_code == 204
    answer = client.post("/api/checkins", json=checkin(), headers=bearer(alice.endpoint_token))
    assert answer.status_code == 401
    assert client.post("/api/endpoints/me/heartbeat", headers=bearer(alice.endpoint_token)).status_code == 401
    assert client.get(where, headers=bearer(alice.session_token)).json()["status"] == "revoked"


def test_a_report_is_seen_by_its_owner(client: TestClient, alice: Member) -> None:
    report = {
        "status": "Applied",
        "head": "a" * 40,
        "applied": "a" * 40,
        "started_at": NOON.isoformat(),
        "duration_s": 0.2,
        "entries": [{"job_id": JOB_ID, "path": "production/backup.yaml", "outcome": "Applied", "commit": "a" * 40}],
        "crontab": [{"text": "0 2 * * * x", "standing": "foreign"}],
    }
    sent = client.post("/api/endpoints/me/report", json=report, headers=bearer(alice.endpoint_token))
    assert sent.status_code == 204, sent.text
    mine = bearer(alice.session_token)
    (instance,) = client.get(f"/api/endpoints/{alice.endpoint_id}/jobs", headers=mine).json()
    assert (instance["outcome"], instance["commit"]) == ("Applied", "a" * 40)
    (line,) = client.get(f"/api/endpoints/{alice.endpoint_id}/crontab", headers=mine).json()
    assert line["text"] == "0 2 * * * x"


def test_signing_in_too_often_is_slowed_down(client: TestClient) -> None:
    wrong = {"username": "alice", "password": "not the password"}
    answers = [client.post("/api/auth/login", json=wrong) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60


def test_limits_are_told(client: TestClient, alice: Member) -> None:
    answer = client.get("/api/runs", headers=bearer(alice.session_token))
    assert answer.headers["X-RateLimit-Limit"] == "600"
    assert answer.headers["X-RateLimit-Remaining"] == "599"


def test_redis_away_limits_nothing_and_all_else_works(
    client: TestClient, alice: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crontopus_app.base import queue

    monkeypatch.setenv("CRONTOPUS_REDIS_URL", "redis://127.0.0.1:1/0")
    settings.cache_clear()
    queue.redis.cache_clear()
    told = client.post("/api/checkins", json=checkin(), headers=bearer(alice.endpoint_token))
    assert told.status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert {part["name"]: part["ok"] for part in ready.json()["parts"]}["redis"] is False


def test_the_database_away_is_a_503_that_names_it(
    client: TestClient, alice: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRONTOPUS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    settings.cache_clear()
    db.engine.cache_clear()
    answer = client.post("/api/checkins", json=checkin(), headers=bearer(alice.endpoint_token))
    assert (answer.status_code, answer.json()["part"]) == (503, "database")
    assert answer.headers["Retry-After"]
    assert client.get("/healthz").status_code == 200


def test_the_waiting_agent_is_answered_at_once_when_woken(client: TestClient, alice: Member) -> None:
    quiet = client.get("/api/endpoints/me/watch", params={"timeout": 0}, headers=bearer(alice.endpoint_token))
    assert (quiet.status_code, quiet.json()["wake"]) == (200, False)
    assert quiet.json()["git"]["token"] == ""
    client.post(f"/api/endpoints/{alice.endpoint_id}/sync", headers=bearer(alice.session_token))
    woken = client.get("/api/endpoints/me/watch", params={"timeout": 30}, headers=bearer(alice.endpoint_token))
    assert woken.json()["wake"] is True


def test_the_description_needs_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/api/docs").text
    asked = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(asked) == 3
    assert [url for url in asked if not url.startswith("/")] == []
    assert {client.get(url).status_code for url in asked if url != "/favicon.svg"} == {200}


@pytest.mark.parametrize("headers", [{}, {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}])
def test_a_host_behind_a_proxy_is_given_the_public_address_whatever_the_request_says(
    client: TestClient, alice: Member, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    monkeypatch.setenv("CRONTOPUS_BIND", "0.0.0.0:8000")
    monkeypatch.setenv("CRONTOPUS_PUBLIC_URL", "https://cron.example.org")
    settings.cache_clear()
    asking = {**bearer(alice.endpoint_token), **headers}
    told = client.get("/api/endpoints/me/watch", params={"timeout": 0}, headers=asking)
    assert told.json()["git"]["url"] == "https://cron.example.org/forge/crontopus/job-manifests-alice.git"
