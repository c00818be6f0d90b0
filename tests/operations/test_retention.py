"""What is old is removed in batches, its runs are counted, and what is still needed stays. On both databases."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, insert
from sqlmodel import col, select

from crontopus_app.base.db import reading, writing
from crontopus_app.models import (
    CheckIn,
    Delivery,
    Incident,
    IncidentEvent,
    Mail,
    Monitor,
    Run,
    RunDay,
    RunOutput,
    Tenant,
)
from crontopus_app.operations import retention
from tests.cast import JOB_ID, NOON, Member, add_job, join

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def alice(db: Engine) -> Member:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    return member


def add_run(member: Member, at: datetime, status: str = "success", *, output: bool = True, took: float = 10.0) -> str:
    run_id = str(uuid.uuid4())
    names = {"job_id": JOB_ID, "job_name": "backup", "namespace": "production", "endpoint_name": "alice-host"}
    with writing() as session:
        times: dict[str, Any] = {"sort_at": at, "received_at": at, "duration_s": took}
        source: dict[str, Any] = {"tenant_id": member.actor.tenant_id, "source_id": member.endpoint_id}
        session.add(Run(id=run_id, status=status, **names, **times, **source))
        sent: dict[str, Any] = {"id": str(uuid.uuid4()), "run_id": run_id, "kind": status, "at": at, "received_at": at}
        session.add(CheckIn(**sent, **source))
        session.flush()
        if output:
            session.add(RunOutput(run_id=run_id, head="hello"))
    return run_id


def remove(now: datetime = NOON) -> int:
    """Removes what is old. Returns how many transactions it took."""
    rests: list[float] = []

    def rest(took_s: float) -> bool:
        rests.append(took_s)
        return False

    retention.remove(now, rest)
    return len(rests)


def count(table: type[Any]) -> int:
    with reading() as session:
        return session.exec(select(func.count()).select_from(table)).one()


def with_output() -> set[str]:
    with reading() as session:
        return set(session.exec(select(RunOutput.run_id)))


def set_policy(text: str) -> None:
    with writing() as session:
        session.exec(select(Tenant)).one().policy = text.encode()


def test_outputs_of_failures_are_kept_longer_than_those_of_successes(alice: Member) -> None:
    add_run(alice, NOON - 31 * DAY)
    kept = {
        add_run(alice, NOON - 29 * DAY),
        add_run(alice, NOON - 31 * DAY, "failed"),
        add_run(alice, NOON - 179 * DAY, "timeout"),
    }
    add_run(alice, NOON - 181 * DAY, "lost")
    remove()
    assert with_output() == kept
    assert count(Run) == 5


def test_the_tenants_policy_wins(alice: Member) -> None:
    set_policy("retention: {runs: 100d, successOutput: 2d, failureOutput: 20d}\n")
    add_run(alice, NOON - 101 * DAY)
    add_run(alice, NOON - 3 * DAY)
    kept = {add_run(alice, NOON - 19 * DAY, "failed")}
    remove()
    assert (with_output(), count(Run)) == (kept, 2)


def test_a_policy_that_becomes_stricter_reaches_older_outputs(alice: Member) -> None:
    add_run(alice, NOON - 20 * DAY)
    remove()
    assert len(with_output()) == 1
    set_policy("retention: {successOutput: 10d}\n")
    remove()
    assert with_output() == set()


def test_removed_runs_are_counted_by_day(alice: Member) -> None:
    long_ago = NOON - 401 * DAY
    for hour, status in enumerate(["success", "success", "failed", "missed"]):
        add_run(alice, long_ago + hour * HOUR, status, took=hour)
    add_run(alice, long_ago - DAY, "lost")
    kept = add_run(alice, NOON - 399 * DAY)
    remove()
    with reading() as session:
        days = session.exec(select(RunDay).order_by(col(RunDay.day))).all()
        assert [run.id for run in session.exec(select(Run))] == [kept]
    assert [(day.day, day.success, day.failed, day.missed, day.lost) for day in days] == [
        ((long_ago - DAY).date(), 0, 0, 0, 1),
        (long_ago.date(), 2, 1, 1, 0),
    ]
    assert (days[1].duration_s, days[1].longest_s, days[1].job_name) == (6, 3, "backup")


def test_a_day_that_is_removed_in_parts_is_counted_whole(alice: Member) -> None:
    morning = NOON - 401 * DAY
    add_run(alice, morning, took=7)
    remove()
    add_run(alice, morning + HOUR, "failed", took=3)
    remove()
    with reading() as session:
        (day,) = session.exec(select(RunDay)).all()
    assert (day.success, day.failed, day.duration_s, day.longest_s) == (1, 1, 10, 7)


def test_the_runs_that_a_state_tells_of_and_running_ones_stay(alice: Member) -> None:
    last, decisive = add_run(alice, NOON - 500 * DAY), add_run(alice, NOON - 501 * DAY)
    running = add_run(alice, NOON - 502 * DAY, "running")
    add_run(alice, NOON - 503 * DAY)
    with writing() as session:
        monitor = session.exec(select(Monitor)).one()
        monitor.last_run_id, monitor.health_run_id = last, decisive
    remove()
    with reading() as session:
        assert set(session.exec(select(Run.id))) == {last, decisive, running}


def test_many_are_removed_in_several_transactions(alice: Member) -> None:
    """Some begin at the same moment, where one transaction ends."""
    add_run(alice, NOON - 401 * DAY, output=False)
    with writing() as session:
        like = session.exec(select(Run)).one().model_dump()
        at = [NOON - 401 * DAY + (number // 400) * HOUR for number in range(2 * retention.BATCH)]
        made = [like | {"id": str(uuid.uuid4()), "sort_at": each} for each in at]
        session.execute(insert(Run), made)
        session.execute(insert(RunOutput), [{"run_id": run["id"], "tail": "", "lost_bytes": 0} for run in made])
    assert remove() >= 9 + 3
    assert (count(Run), with_output()) == (0, set())


def test_it_ends_when_it_is_told_to(alice: Member) -> None:
    add_run(alice, NOON - 401 * DAY)
    retention.remove(NOON, lambda _: True)
    assert count(Run) == 1


def test_old_messages_and_closed_incidents_go(alice: Member) -> None:
    tenant_id = alice.actor.tenant_id
    with writing() as session:
        for days, closed in ((401, True), (399, True), (500, False)):
            at = NOON - days * DAY
            words: dict[str, Any] = {"subject": str(days), "cause": "failing", "title": "t", "what": "w"}
            ended = at if closed else None
            incident = Incident(tenant_id=tenant_id, since=at, opened_at=at, closed_at=ended, **words)
            session.add(incident)
            session.flush()
            session.add(IncidentEvent(tenant_id=tenant_id, incident_id=incident.id, at=at, kind="opened"))
        for days, state in ((91, "sent"), (91, "waiting"), (89, "sent")):
            at = NOON - days * DAY
            told = {"channel_id": "c", "event": "opened", "created_at": at, "next_at": at}
            delivery = Delivery(tenant_id=tenant_id, state=state, **told)
            session.add(delivery)
            session.add(Mail(id=delivery.id, tenant_id=tenant_id, recipient="a", subject="s", raw="r", at=at))
    add_run(alice, NOON - 61 * DAY)
    add_run(alice, NOON - 59 * DAY)
    remove()
    assert [count(table) for table in (Incident, IncidentEvent, Delivery, Mail, CheckIn)] == [2, 2, 2, 1, 1]
