"""A database or a Redis that is silent: what is asked of it ends in time, and those who follow do not wait."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from redis.exceptions import RedisError
from sqlalchemy import Engine

from crontopus_app.api.app import api
from crontopus_app.api.fast_checkins import PATH, FastCheckins
from crontopus_app.base import queue
from crontopus_app.base.circuit import Circuit
from crontopus_app.base.db import engine
from crontopus_app.monitoring.intake import senders
from crontopus_app.operations import health
from tests.api.conftest import bearer
from tests.cast import JOB_ID, NOON, Member, add_job, join
from tests.fixtures.frozen import frozen_postgres, frozen_redis
from tests.fixtures.processes import wait_until

# A machine under load may take as much again; without a limit each of these takes for ever.
SLACK = 4


@pytest.fixture
def client(on_postgres: Engine, redis_url: str) -> Iterator[TestClient]:
    with TestClient(FastCheckins(api), raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def alice(client: TestClient) -> Member:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    return member


def send(client: TestClient, member: Member) -> Any:
    ids = {"id": str(uuid.uuid4()), "run_id": str(uuid.uuid4()), "job_id": JOB_ID}
    told = json.dumps({**ids, "kind": "success", "at": NOON.isoformat()})
    headers = {"Content-Type": "application/json", **bearer(member.endpoint_token)}
    return client.post(PATH, content=told, headers=headers)


def part(client: TestClient, name: str) -> dict[str, Any]:
    return next(one for one in client.get("/readyz").json()["parts"] if one["name"] == name)


def test_check_ins_of_a_silent_database_are_refused_in_time(
    client: TestClient, alice: Member, postgres_url: str
) -> None:
    assert send(client, alice).status_code == 200
    with frozen_postgres(postgres_url):
        began = time.monotonic()
        first = send(client, alice)
        waited = time.monotonic() - began
        followers = [send(client, alice) for _ in range(3)]
    assert (first.status_code, first.json()["part"], "Retry-After" in first.headers) == (503, "database", True)
    assert waited < senders.PATIENCE_S * SLACK
    assert {(one.status_code, one.json()["detail"]) for one in followers} == {
        (503, "The database is not responding. Try again in a few seconds.")
    }
    wait_until(lambda: send(client, alice).status_code == 200, "check-ins to be taken again")


def test_a_stranger_is_not_looked_up_for_ever(client: TestClient, alice: Member, postgres_url: str) -> None:
    """No connection is open that could be found to be silent: a new one is."""
    engine().dispose()
    with frozen_postgres(postgres_url):
        answer = send(client, alice)
        assert (answer.status_code, answer.json()["part"]) == (503, "database")
    wait_until(lambda: send(client, alice).status_code == 200, "check-ins to be taken again")


def test_a_silent_database_is_not_ready(client: TestClient, postgres_url: str) -> None:
    assert part(client, "database")["ok"]
    with frozen_postgres(postgres_url):
        began = time.monotonic()
        answer = client.get("/readyz")
        waited = time.monotonic() - began
    assert answer.status_code == 503
    assert "database" in {one["name"] for one in answer.json()["parts"] if not one["ok"]}
    assert waited < health.READY_S * SLACK
    wait_until(lambda: part(client, "database")["ok"], "the database to be found ready")


def test_check_ins_do_not_wait_for_a_silent_redis(client: TestClient, alice: Member, redis_url: str) -> None:
    with frozen_redis(redis_url):
        assert [send(client, alice).status_code for _ in range(3)] == [200, 200, 200]
        with pytest.raises(RedisError, match="timed out a moment ago"):
            wait_until_refused()
        assert send(client, alice).status_code == 200
    wait_until(redis_answers, "Redis to be asked again")


def wait_until_refused() -> None:
    """Asks Redis until it is not even asked."""
    for _ in range(3):
        try:
            queue.quickly(lambda redis: redis.ping())
        except RedisError as error:
            if "a moment ago" in str(error):
                raise


def redis_answers() -> bool:
    try:
        return bool(queue.quickly(lambda redis: redis.ping()))
    except RedisError:
        return False


def test_a_silent_redis_is_not_ready(client: TestClient, redis_url: str) -> None:
    with frozen_redis(redis_url):
        began = time.monotonic()
        answer = client.get("/readyz")
        waited = time.monotonic() - began
    assert answer.status_code == 503
    assert {one["name"] for one in answer.json()["parts"] if not one["ok"]} >= {"redis"}
    assert waited < health.READY_S * SLACK
    wait_until(lambda: part(client, "redis")["ok"], "Redis to be found ready")


def test_after_a_failure_one_in_a_while_tries() -> None:
    now = [0.0]
    circuit = Circuit(3.0, lambda: now[0])
    assert circuit.allows()
    circuit.fail()
    assert not circuit.allows()
    now[0] = 3.0
    assert [circuit.allows(), circuit.allows()] == [True, False]
    now[0] = 6.0
    assert circuit.allows()
    circuit.succeed()
    assert [circuit.allows(), circuit.allows()] == [True, True]
