"""Two requests at one instant, on PostgreSQL, where nothing but our own locks orders them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from contract import wire
from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import CrontopusError
from crontopus_app.forge.client import Forgejo
from crontopus_app.hosts import enrolment
from crontopus_app.models import CheckIn, Endpoint, Run
from crontopus_app.monitoring.intake import ingest
from crontopus_app.monitoring.intake.rows import Sender, SentCheckin
from crontopus_app.people import tokens
from tests.cast import JOB_ID, NOON, Member, add_endpoint, add_job, join, told_one
from tests.fixtures.tenants import provisioned

ROUNDS = 8


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls answer, begun together; an error of ours is an answer."""
    ready = Barrier(len(calls))

    def begin(call: Callable[[], Any]) -> Any:
        ready.wait(10)
        try:
            return call()
        except CrontopusError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(begin, calls))


@pytest.fixture
def alice(on_postgres: Engine) -> Member:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    return member


def told(**facts: Any) -> wire.Checkin:
    ids = {"id": str(uuid.uuid4()), "run_id": str(uuid.uuid4()), "job_id": JOB_ID}
    return wire.Checkin(**{**ids, "kind": "success", "at": NOON, **facts})


def sender(endpoint_id: str, checkin: wire.Checkin) -> Callable[[], wire.CheckinAnswer]:
    return lambda: told_one(endpoint_id, checkin)


def test_one_check_in_sent_twice_at_once_is_one_and_a_duplicate(alice: Member) -> None:
    for _ in range(ROUNDS):
        message = told()
        answers = at_once(sender(alice.endpoint_id, message), sender(alice.endpoint_id, message))
        assert sorted(answer.duplicate for answer in answers) == [False, True]
    with reading() as session:
        assert len(session.exec(select(CheckIn)).all()) == ROUNDS


def test_start_and_finish_of_one_run_at_once_are_one_run(alice: Member) -> None:
    for _ in range(ROUNDS):
        start = told(kind="start")
        finish = replace(start, id=str(uuid.uuid4()), kind="success", output=wire.CheckinOutput(head="done"))
        answers = at_once(sender(alice.endpoint_id, start), sender(alice.endpoint_id, finish))
        assert [answer.run_id for answer in answers] == [start.run_id] * 2
    with reading() as session:
        assert [run.status for run in session.exec(select(Run))] == ["success"] * ROUNDS


def test_a_run_id_taken_by_two_tenants_at_once_is_the_firsts(alice: Member) -> None:
    charlie = join("charlie")
    for _ in range(ROUNDS):
        mine = told()
        foreign = replace(mine, id=str(uuid.uuid4()), job_id=str(uuid.uuid4()))
        answers = at_once(sender(alice.endpoint_id, mine), sender(charlie.endpoint_id, foreign))
        statuses = sorted(getattr(answer, "status", 200) for answer in answers)
        assert statuses == [200, 404]


@pytest.fixture
def owner(on_postgres: Engine, redis_url: str, forge: Forgejo, tenant_name: str) -> Actor:
    return provisioned(tenant_name, forge)


def enroller(owner: Actor, forge: Forgejo, machine: str, hostname: str, token: str = "") -> Callable[[], wire.Enrolled]:
    """Enrols when called; without a token given, with one of its own (sharing one would put them in order)."""
    if not token:
        with writing() as session:
            token = tokens.create_enrollment(session, owner, wire.EnrollmentTokenRequest(machine), NOON).token or ""
    form = wire.EnrollRequest(machine_id=machine, hostname=hostname)
    return lambda: enrolment.enroll(token, form, forge, clock.now())


def test_two_hosts_of_one_name_enrolled_at_once_get_two_names(owner: Actor, forge: Forgejo) -> None:
    at_once(*(enroller(owner, forge, f"machine-{n}", "db01") for n in range(4)))
    with reading() as session:
        names = set(session.exec(select(Endpoint.name)))
    assert {"db01", "db01-2", "db01-3", "db01-4"} <= names


def test_one_machine_enrolled_twice_at_once_is_one_endpoint(owner: Actor, forge: Forgejo) -> None:
    answers = at_once(*(enroller(owner, forge, "machine-1", "db01") for _ in range(3)))
    assert len({answer.endpoint_id for answer in answers}) == 1


def test_of_many_hosts_at_once_a_token_lets_in_as_many_as_it_says(owner: Actor, forge: Forgejo) -> None:
    with writing() as session:
        form = wire.EnrollmentTokenRequest("two", max_uses=2)
        token = tokens.create_enrollment(session, owner, form, NOON).token or ""
    answers = at_once(*(enroller(owner, forge, f"machine-{n}", f"host{n}", token) for n in range(4)))
    assert sorted(getattr(answer, "status", 200) for answer in answers) == [200, 200, 401, 401]


def test_check_ins_of_two_endpoints_do_not_wait_for_each_other(alice: Member) -> None:
    other, _ = add_endpoint("alice", "second")
    with writing() as session:
        ingest.record(
            session, [SentCheckin(Sender(alice.endpoint_id, "alice", "alice-host", alice.endpoint_id), told())], NOON
        )
        assert sender(other, told())().state == "success"
