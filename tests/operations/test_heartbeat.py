"""Somebody outside is told each minute that all is well, and only then."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from crontopus_app.base.db import reading, writing
from crontopus_app.base.leases import lease
from crontopus_app.models import Delivery, Lease, Monitor
from crontopus_app.monitoring import evaluator
from crontopus_app.operations import heartbeat
from tests.alerts.receiver import receiving
from tests.cast import NOON, add_job, join
from tests.fixtures.processes import free_port, wait_until

MINUTE = timedelta(minutes=1)


def now() -> datetime:
    return NOON


def why_not() -> str:
    with reading() as session:
        return heartbeat.why_not(session, NOON)


def test_only_the_leader_beats_and_only_while_nothing_is_late(db: Engine) -> None:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    assert why_not() == "another process evaluates the deadlines"
    with lease(evaluator.LEASE, now):
        assert why_not() == ""
        with writing() as session:
            monitor = session.exec(heartbeat.select(Monitor)).one()
            monitor.next_deadline = NOON - MINUTE
        assert why_not() == "deadlines are evaluated late"
        with writing() as session:
            session.get_one(Monitor, monitor.id).next_deadline = None
            session.add(
                Delivery(tenant_id="alice", channel_id="c", event="opened", created_at=NOON - 6 * MINUTE, next_at=NOON)
            )
        assert why_not() == "messages wait to be sent"


@pytest.mark.parametrize(
    ("led", "late", "words"),
    [
        (True, timedelta(seconds=30), ""),
        (True, timedelta(seconds=31), "Missed runs are noticed 31 s late."),
        (False, timedelta(0), "Nobody checks for missed runs: no evaluator is running. The operator can start one."),
    ],
)
def test_users_are_told_when_nobody_evaluates(db: Engine, led: bool, late: timedelta, words: str) -> None:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    with writing() as session:
        session.exec(heartbeat.select(Monitor)).one().next_deadline = NOON - late
        if led:
            session.add(Lease(name=evaluator.LEASE, owner="a/1/b/c", until=NOON + MINUTE))
    assert evaluator.problem(NOON) == words


def beating(url: str) -> tuple[threading.Event, threading.Thread]:
    stop = threading.Event()
    thread = threading.Thread(target=heartbeat.run, args=(url, stop, now, 0.05))
    thread.start()
    return stop, thread


def test_it_beats_and_goes_on_after_a_failure(db: Engine) -> None:
    with receiving() as receiver, lease(evaluator.LEASE, now):
        receiver.answers = [(500, {}, b"")]
        stop, thread = beating(receiver.url)
        wait_until(lambda: len(receiver.received) > 2, "three heartbeats")
        stop.set()
        thread.join()


def test_a_url_that_does_not_answer_is_not_logged(db: Engine, caplog: pytest.LogCaptureFixture) -> None:
    with lease(evaluator.LEASE, now):
        stop, thread = beating(f"http://127.0.0.1:{free_port()}/SECRET")
        wait_until(lambda: "The heartbeat failed" in caplog.text, "the failure in the log")
        stop.set()
        thread.join()
    assert "SECRET" not in caplog.text
