"""Check-ins written together leave what they leave one at a time, on both databases."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, update
from sqlmodel import select

from contract import wire
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import (
    BadInput,
    Conflict,
    CrontopusError,
    Forbidden,
    NotAuthenticated,
    NotFound,
    Unavailable,
)
from crontopus_app.models import CheckIn, Endpoint, Monitor, Run, RunOutput, Tenant
from crontopus_app.monitoring.intake import checkins, ingest
from crontopus_app.monitoring.intake import senders as callers
from crontopus_app.monitoring.intake.checkins import Outcome, ReceivedCheckin
from crontopus_app.monitoring.intake.rows import Rows
from tests.cast import JOB_ID, NOON, add_endpoint, add_job, join, tell, told_one
from tests.jobs.test_races import at_once

MONITORED, INDEXED, FOREIGN, UNKNOWN = JOB_ID, *(str(uuid.UUID(int=number)) for number in (1, 2, 3))
RUNS = [str(uuid.UUID(int=number)) for number in range(10, 13)]
IDS = [str(uuid.UUID(int=number)) for number in range(20, 28)]

MINUTES = st.integers(-300, 20).map(lambda minutes: NOON + timedelta(minutes=minutes))
OUTPUTS = st.builds(wire.CheckinOutput, st.sampled_from(["", "a\0b", "head"]), st.sampled_from(["", "tail"]))
MESSAGES = st.builds(
    wire.Checkin,
    id=st.sampled_from(IDS),
    job_id=st.sampled_from([MONITORED, MONITORED, MONITORED, INDEXED, FOREIGN, UNKNOWN]),
    run_id=st.sampled_from(RUNS),
    kind=st.sampled_from(["start", "success", "fail", "log", "heartbeat", "skipped", "explode"]),
    at=MINUTES,
    attempt=st.sampled_from([1, 1, 2]),
    started_at=st.none() | MINUTES,
    exit_code=st.none() | st.integers(0, 3),
    flags=st.lists(st.sampled_from(["late_start", "too_fast"]), max_size=2),
    output=st.none() | OUTPUTS,
)


@pytest.fixture
def senders(db: Engine) -> list[str]:
    """Alice's endpoint with the monitor, her other one, and charlie's."""
    alice, charlie = join("alice"), join("charlie")
    second, _ = add_endpoint("alice", "second")
    add_job("alice", alice.endpoint_id)
    add_job("alice", second, job_id=INDEXED, name="indexed")
    add_job("charlie", charlie.endpoint_id, job_id=FOREIGN, name="foreign")
    return [alice.endpoint_id, second, charlie.endpoint_id]


def asked(endpoint_id: str, checkin: wire.Checkin) -> ReceivedCheckin:
    with reading() as session:
        return ReceivedCheckin(callers.of_endpoint(session.get_one(Endpoint, endpoint_id)), checkin)


def rows() -> list[Any]:
    """All that check-ins write, in an order."""
    with reading() as session:
        found = [
            row.model_dump() for table in (Run, RunOutput, CheckIn, Monitor) for row in session.exec(select(table))
        ]
    return sorted(found, key=repr)


def start_anew() -> None:
    with writing() as session:
        for table in (CheckIn, RunOutput, Run):
            session.execute(delete(table))
        nothing = {"last_run_id": None, "last_run_status": None, "last_run_at": None, "updated_at": NOON}
        nothing |= {"counts": {}, "last_success_at": None}
        session.execute(update(Monitor).values(state="waiting", health="waiting", **nothing))


def said(answers: list[Outcome]) -> list[Any]:
    return [(type(answer), str(answer)) for answer in answers]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, 2]), MESSAGES), min_size=2, max_size=8))
def test_together_is_as_one_at_a_time(senders: list[str], messages: list[tuple[int, wire.Checkin]]) -> None:
    told = [asked(senders[sender], message) for sender, message in messages]
    start_anew()
    together = checkins.record(told, NOON)
    left = rows()
    start_anew()
    alone = [checkins.record([one], NOON)[0] for one in told]
    assert said(together) == said(alone)
    assert left == rows()


def message(kind: str = "success", **facts: Any) -> wire.Checkin:
    ids = {"id": str(uuid.uuid4()), "run_id": str(uuid.uuid4()), "job_id": MONITORED}
    return wire.Checkin(**{**ids, "kind": kind, "at": NOON, **facts})


def test_a_run_is_told_whole_in_one_transaction(senders: list[str]) -> None:
    start = message("start", at=NOON - timedelta(minutes=1))
    log = replace(start, id=str(uuid.uuid4()), kind="log", output=wire.CheckinOutput("said "))
    end = replace(start, id=str(uuid.uuid4()), kind="fail", at=NOON, output=wire.CheckinOutput("head", "tail"))
    answers = tell(senders[0], start, log, end, start)
    assert [(one.state, one.duplicate) for one in answers if isinstance(one, wire.CheckinAnswer)] == [
        ("running", False),
        ("running", False),
        ("failed", False),
        ("failed", True),
    ]
    with reading() as session:
        assert session.exec(select(Run)).one().started_at == NOON - timedelta(minutes=1)
        assert session.exec(select(RunOutput)).one().head == "head"
        assert session.exec(select(Monitor).where(Monitor.job_id == MONITORED)).one().state == "failing"


def test_those_refused_harm_no_other_and_say_why(senders: list[str]) -> None:
    good = message()
    told = [
        good,
        message("explode"),
        message(job_id=FOREIGN),
        replace(good, id=str(uuid.uuid4()), job_id=INDEXED),
        replace(good, kind="fail"),
    ]
    answers = tell(senders[0], *told)
    kinds = [wire.CheckinAnswer, BadInput, NotFound, Conflict, wire.CheckinAnswer]
    assert [type(answer) for answer in answers] == kinds
    assert answers[4] == wire.CheckinAnswer(good.run_id, "success", duplicate=True)
    with reading() as session:
        assert session.exec(select(CheckIn.id)).all() == [good.id]


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (update(Endpoint).values(status="revoked"), NotAuthenticated),
        (update(Endpoint).values(token_hmac=Endpoint.id), NotAuthenticated),  # enrolled again: another token
        (update(Tenant).values(suspended=True), Forbidden),
    ],
)
def test_a_token_that_ends_after_it_was_let_in_writes_nothing(
    senders: list[str], change: Any, refusal: type[CrontopusError]
) -> None:
    told = asked(senders[0], message())
    with writing() as session:
        session.execute(change)
    assert [type(answer) for answer in checkins.record([told], NOON)] == [refusal]
    with reading() as session:
        assert session.exec(select(Run)).all() == []


def test_an_endpoint_that_is_gone_writes_nothing(senders: list[str]) -> None:
    told = asked(senders[1], message())
    with writing() as session:
        session.execute(delete(Monitor))
        session.execute(delete(Endpoint))
    assert [type(answer) for answer in checkins.record([told], NOON)] == [NotAuthenticated]


def test_what_the_database_cannot_take_is_refused_alone(senders: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A check lets something through that a column does not hold: its neighbours are kept."""
    # Our checks know every column's bounds: without them it comes as far as the database.
    monkeypatch.setattr(checkins, "_check_numbers", lambda _: None)
    goods = [message() for _ in range(4)]
    answers = tell(senders[0], *goods[:2], message(seq=2**70), *goods[2:])
    assert [type(answer) for answer in answers] == [wire.CheckinAnswer] * 2 + [BadInput] + [wire.CheckinAnswer] * 2
    with reading() as session:
        assert set(session.exec(select(CheckIn.id))) == {one.id for one in goods}


def test_what_another_process_wrote_meanwhile_is_looked_at_again(
    senders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one comes between looking and writing, once."""
    other, mine = message("start"), message()
    finish = replace(other, id=str(uuid.uuid4()), kind="success")
    gathered = Rows.gather
    turns = iter([True])

    def gather(self: Rows) -> None:
        gathered(self)
        if next(turns, False):
            self.runs.clear()  # as they were before the other's commit

    told_one(senders[0], other)
    # Nothing outside can come between two statements that the driver is given at once.
    monkeypatch.setattr(Rows, "gather", gather)
    answers = tell(senders[0], mine, finish)
    assert [one.state for one in answers if isinstance(one, wire.CheckinAnswer)] == ["success", "success"]


def test_a_database_that_is_away_acknowledges_nothing(senders: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    good = message()
    with monkeypatch.context() as patch:
        # Away between reading and writing: a server that is stopped is away before both.
        patch.setattr(Rows, "write", lambda _: _lost())
        answers = tell(senders[0], good, message("explode"))
        assert [type(answer) for answer in answers] == [Unavailable, Unavailable]
    assert rows() == [row for row in rows() if "last_run_id" in row]
    assert told_one(senders[0], good).duplicate is False


def _lost() -> None:
    raise Unavailable("The database is not responding. Try again in a few seconds.", part="database")


def test_two_processes_with_the_same_runs_in_other_orders(on_postgres: Engine) -> None:
    """Their locks are taken in one order, so they wait for each other and neither fails."""
    alice = join("alice")
    add_job("alice", alice.endpoint_id)
    for _ in range(6):
        starts = [message("start") for _ in range(20)]
        ends = [replace(one, id=str(uuid.uuid4()), kind="success") for one in reversed(starts)]
        first, second = at_once(
            lambda s=starts: tell(alice.endpoint_id, *s), lambda e=ends: tell(alice.endpoint_id, *e)
        )
        assert {type(answer) for answer in (*first, *second)} == {wire.CheckinAnswer}
    with reading() as session:
        assert {run.status for run in session.exec(select(Run))} == {"success"}
        assert len(session.exec(select(CheckIn)).all()) == 240


def test_nothing_told_is_nothing_written(senders: list[str]) -> None:
    with writing() as session:
        assert ingest.record(session, [], NOON) == []
