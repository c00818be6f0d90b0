"""Check-ins over HTTP, on the fast way and on FastAPI's: the same answers, the same rows."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlmodel import select

from crontopus_app.api import fast_checkins, limits
from crontopus_app.api.app import api
from crontopus_app.api.fast_checkins import FastCheckins
from crontopus_app.base.db import reading, writing
from crontopus_app.base.live import CHANNEL
from crontopus_app.base.queue import redis
from crontopus_app.models import Endpoint, Run, Tenant
from crontopus_app.monitoring.intake import batch
from tests.api.conftest import bearer
from tests.cast import JOB_ID, NOON, Member, add_endpoint

# FastAPI's alone, and ours in front of it.
WAYS = {"fast": FastCheckins(api), "fastapi": api}


@pytest.fixture(params=sorted(WAYS))
def way(request: pytest.FixtureRequest, client: TestClient) -> Iterator[TestClient]:
    """Each way in turn; ``client`` has begun database and Redis."""
    with TestClient(WAYS[request.param], raise_server_exceptions=False) as made:
        yield made


def checkin(**facts: Any) -> dict[str, Any]:
    ids = {"id": str(uuid.uuid4()), "run_id": str(uuid.uuid4()), "job_id": JOB_ID}
    return {**ids, "kind": "success", "at": NOON.isoformat(), **facts}


def send(client: TestClient, token: str, body: Any = None, **headers: str) -> Any:
    told = body if isinstance(body, bytes) else json.dumps(body or checkin())
    return client.post(
        fast_checkins.PATH, content=told, headers={"Content-Type": "application/json", **bearer(token), **headers}
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (checkin(), 200),
        (checkin(error="\ud83d\ude00"), 200),
        (checkin(error="half a pair: \ud83d", output={"head": "\ud83d", "tail": "\0"}), 200),
        (checkin(attempt="2"), 200),
        (checkin(kind="explode"), 422),
        (checkin(id="no-uuid"), 422),
        (checkin(at="yesterday"), 422),
        (checkin(unknown=1), 422),
        ({"id": "x"}, 422),
        (b"{", 422),
        (b"", 422),
    ],
)
def test_both_ways_answer_alike(client: TestClient, alice: Member, body: Any, status: int) -> None:
    with TestClient(api, raise_server_exceptions=False) as plain:
        ours, theirs = send(client, alice.endpoint_token, body), send(plain, alice.endpoint_token, body)
    assert (ours.status_code, theirs.status_code) == (status, status), (ours.text, theirs.text)
    expected = theirs.json() | ({"duplicate": False} if status == 200 else {})
    assert ours.json() == expected
    assert set(ours.headers) == set(theirs.headers)


@pytest.mark.parametrize("token", ["", "ep_unknown", "cet_x"])
def test_a_strangers_check_in_is_refused_unread(client: TestClient, alice: Member, token: str) -> None:
    read: list[int] = []

    def stream() -> Iterator[bytes]:
        read.append(1)
        yield b"{}"

    headers = {"Content-Type": "application/json", **bearer(token)}
    answer = client.post(fast_checkins.PATH, content=stream(), headers=headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"], read) == (401, "Bearer", [])


def test_what_is_left_of_the_rate_is_told(way: TestClient, alice: Member) -> None:
    answers = [send(way, alice.endpoint_token) for _ in range(2)]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["5999", "5998"]
    assert answers[0].headers["X-RateLimit-Limit"] == "6000"


def test_past_the_rate_nothing_is_written(way: TestClient, alice: Member, charlie: Member) -> None:
    for _ in range(batch.RATE.count - 1):
        batch.intake().tally.spend(batch.RATE, alice.endpoint_id, monotonic())
    assert send(way, alice.endpoint_token).status_code == 200
    refused = send(way, alice.endpoint_token)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert send(way, charlie.endpoint_token, checkin(job_id=str(uuid.uuid4()))).status_code == 200
    with reading() as session:
        assert len(session.exec(select(Run)).all()) == 2


@pytest.mark.parametrize(
    ("change", "back", "status"),
    [
        (update(Endpoint).values(status="revoked"), update(Endpoint).values(status="active"), 401),
        (update(Tenant).values(suspended=True), update(Tenant).values(suspended=False), 403),
    ],
)
def test_a_token_that_is_remembered_is_out_at_once_in_every_process(
    client: TestClient, alice: Member, change: Any, back: Any, status: int
) -> None:
    """Two processes that know the token, and no event tells them."""
    with TestClient(FastCheckins(api)) as other:
        for each in (client, other):
            assert send(each, alice.endpoint_token).status_code == 200
        with writing() as session:
            session.execute(change)
        for each in (client, other, client):
            assert send(each, alice.endpoint_token).status_code == status
        with writing() as session:
            session.execute(back)
        for each in (client, other):
            assert send(each, alice.endpoint_token).status_code == 200


def test_two_headers_of_one_name_are_read_as_fastapi_reads_them(client: TestClient, alice: Member) -> None:
    headers = [("Content-Type", "application/json"), *bearer(alice.endpoint_token).items(), ("Authorization", "x")]
    for asked in (client, TestClient(api)):
        assert asked.post(fast_checkins.PATH, json=checkin(), headers=headers).status_code == 200


def test_what_is_not_taken_is_a_503_that_says_when_to_come_again(way: TestClient, alice: Member) -> None:
    batch.intake().writer.close()
    answer = send(way, alice.endpoint_token)
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()["part"]) == (503, "2", "ingest")


@pytest.mark.logs_errors
def test_a_defect_is_a_500_with_a_reference(
    way: TestClient, alice: Member, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # A defect: no request that is known makes one.
    monkeypatch.setattr(batch.checkins, "_clean", lambda _: 1 // 0)
    answer = send(way, alice.endpoint_token)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.json()["reference"] in caplog.text


def test_a_batch_is_written_with_its_own_tokens_right(client: TestClient, alice: Member) -> None:
    answer = client.post("/api/checkins/batch", json=[checkin()] * 501, headers=bearer(alice.endpoint_token))
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_input")
    assert client.post("/api/checkins/batch", json=[], headers=bearer(alice.endpoint_token)).json() == []


def test_one_event_tells_a_tenants_pages(client: TestClient, alice: Member) -> None:
    with redis().pubsub() as pubsub:
        pubsub.subscribe(CHANNEL)
        assert pubsub.get_message(timeout=20)
        one, several = checkin(), [checkin(), checkin(), checkin(kind="explode")]
        send(client, alice.endpoint_token, one)
        first = pubsub.get_message(timeout=20)
        client.post("/api/checkins/batch", json=several, headers=bearer(alice.endpoint_token))
        second = pubsub.get_message(timeout=20)
    told = [json.loads(message["data"]) for message in (first, second) if message]
    assert [(each["tenant_id"], each["kind"], each["id"]) for each in told] == [
        ("alice", "run", one["run_id"]),
        ("alice", "run", ""),
    ]


def test_a_body_at_the_limit_is_read_and_one_above_is_not(way: TestClient, alice: Member) -> None:
    body = json.dumps(checkin(output={"head": ""})).encode()
    full = body.replace(b'"head": ""', b'"head": "' + b"x" * (limits.BODY_LIMIT - len(body)) + b'"')
    assert len(full) == limits.BODY_LIMIT
    assert send(way, alice.endpoint_token, full).status_code == 200
    assert send(way, alice.endpoint_token, full + b" ").status_code == 413


def test_who_leaves_while_sending_is_written_nothing_for(client: TestClient, alice: Member) -> None:
    """The connection ends in the middle of the body."""
    import anyio

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def remember(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {alice.endpoint_token}".encode())]
    scope = {"type": "http", "path": fast_checkins.PATH, "method": "POST", "headers": headers}
    anyio.run(FastCheckins(api), scope, receive, remember)
    assert sent == []


def test_a_pages_own_request_goes_the_way_that_knows_origins(client: TestClient, alice: Member) -> None:
    add_endpoint("alice", "second")
    assert send(client, alice.endpoint_token, Origin="http://testserver").status_code == 200
