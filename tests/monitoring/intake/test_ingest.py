"""Check-ins become runs, once, on both databases."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from contract import wire
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import BadInput, Conflict, NotFound
from crontopus_app.models import CheckIn, Endpoint, Monitor, Run, RunOutput
from crontopus_app.monitoring.intake import checkins, senders
from tests.cast import JOB_ID, NOON, Member, add_job, join, tell, told_one


@pytest.fixture
def alice(db: Engine) -> Member:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    return member


def told(kind: str = "success", **facts: object) -> wire.Checkin:
    ids = {"id": str(uuid.uuid4()), "run_id": str(uuid.uuid4()), "job_id": JOB_ID}
    return wire.Checkin(**{**ids, "kind": kind, "at": NOON, **facts})  # pyright: ignore[reportArgumentType]


def record(member: Member, *messages: wire.Checkin) -> wire.CheckinAnswer:
    return [told_one(member.endpoint_id, message) for message in messages][-1]


def run(run_id: str) -> Run:
    with reading() as session:
        return session.get_one(Run, run_id)


def test_a_finish_is_a_run_with_its_jobs_name(alice: Member) -> None:
    answer = record(alice, told("success", duration_s=2.5, exit_code=0))
    found = run(answer.run_id)
    assert (found.status, found.job_name, found.namespace, found.endpoint_name) == (
        "success",
        "backup",
        "production",
        "alice-host",
    )
    assert found.duration_s == 2.5


def test_a_repeat_is_answered_the_same_and_changes_nothing(alice: Member) -> None:
    message = told("fail", exit_code=1)
    first, second = record(alice, message), record(alice, message)
    assert second == replace(first, duplicate=True)
    with reading() as session:
        assert len(session.exec(select(CheckIn)).all()) == 1


def test_the_monitor_follows_the_latest_run(alice: Member) -> None:
    later, earlier = told("fail", at=NOON + timedelta(minutes=5)), told("success", at=NOON)
    record(alice, later, earlier)
    with reading() as session:
        monitor = session.exec(select(Monitor)).one()
    assert (monitor.state, monitor.last_run_id) == ("failing", later.run_id)


def test_a_clock_that_is_far_ahead_does_not_pin_the_monitor(alice: Member) -> None:
    ahead, true = told("success", at=NOON + timedelta(days=400)), told("fail", at=NOON)
    record(alice, ahead, true)
    with reading() as session:
        assert session.exec(select(Monitor)).one().last_run_id == true.run_id
    assert run(ahead.run_id).finished_at == NOON + timedelta(days=400)


def test_a_paused_monitor_stays_paused(alice: Member) -> None:
    with writing() as session:
        session.exec(select(Monitor)).one().state = "paused"
    record(alice, told("fail"))
    with reading() as session:
        assert session.exec(select(Monitor)).one().state == "paused"


def test_output_is_kept_and_nul_survives_as_a_symbol(alice: Member) -> None:
    output = wire.CheckinOutput(head="one\0two", tail="end", lost_bytes=5_000_000_000)
    answer = record(alice, told("success", output=output))
    with reading() as session:
        kept = session.get_one(RunOutput, answer.run_id)
    assert (kept.head, kept.tail, kept.lost_bytes) == ("one\u2400two", "end", 5_000_000_000)


def test_the_output_of_an_older_attempt_does_not_replace_the_settling_ones(alice: Member) -> None:
    last = told("success", attempt=2, output=wire.CheckinOutput(head="second"))
    first = replace(last, id=str(uuid.uuid4()), kind="fail", attempt=1, output=wire.CheckinOutput(head="first"))
    record(alice, last, first)
    with reading() as session:
        assert session.get_one(RunOutput, last.run_id).head == "second"


def test_the_output_of_a_newer_attempt_replaces_the_older_ones(alice: Member) -> None:
    first = told("fail", attempt=1, output=wire.CheckinOutput(head="first", tail="end"))
    last = replace(first, id=str(uuid.uuid4()), kind="success", attempt=2, output=wire.CheckinOutput(head="second"))
    record(alice, first, last)
    with reading() as session:
        kept = session.get_one(RunOutput, last.run_id)
    assert (kept.head, kept.tail) == ("second", "")


def test_a_job_that_is_not_indexed_yet_is_kept_under_its_id(alice: Member) -> None:
    unknown = str(uuid.uuid4())
    assert run(record(alice, told(job_id=unknown)).run_id).job_name == unknown


def test_another_tenants_job_is_not_there(alice: Member) -> None:
    charlie = join("charlie")
    with pytest.raises(NotFound):
        record(charlie, told())


def test_another_tenants_run_id_is_not_there(alice: Member) -> None:
    charlie = join("charlie")
    mine = told()
    record(alice, mine)
    with pytest.raises(NotFound):
        record(charlie, told("fail", run_id=mine.run_id, job_id=str(uuid.uuid4())))
    assert run(mine.run_id).status == "success"


def test_a_run_id_used_for_another_job_is_refused(alice: Member) -> None:
    first = told()
    record(alice, first)
    with pytest.raises(Conflict):
        record(alice, told(run_id=first.run_id, job_id=str(uuid.uuid4())))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "no-uuid"),
        ("run_id", ""),
        ("kind", "explode"),
        ("attempt", 0),
        ("at", NOON.replace(tzinfo=None)),
    ],
)
def test_a_bad_field_is_named(alice: Member, field: str, value: object) -> None:
    with pytest.raises(BadInput) as caught:
        record(alice, replace(told(), **{field: value}))
    assert caught.value.problems[0].field == field


def test_one_bad_check_in_stops_no_other_of_its_batch(alice: Member) -> None:
    good, bad, also_good = told(), told("explode"), told("fail")
    first, refused, last = tell(alice.endpoint_id, good, bad, also_good)
    assert isinstance(refused, BadInput)
    assert (first, last) == (
        wire.CheckinAnswer(good.run_id, "success", False),
        wire.CheckinAnswer(also_good.run_id, "failed", False),
    )
    assert run(also_good.run_id).status == "failed"


def test_the_first_crontopus_check_in_is_a_run(alice: Member) -> None:
    legacy = wire.LegacyCheckin(alice.endpoint_id, "backup", "production", "failure", 2, 1.5, "out", "boom")
    with reading() as session:
        caller = senders.of_endpoint(session.get_one(Endpoint, alice.endpoint_id))
        message = checkins.from_legacy(session, caller, legacy, NOON)
    found = run(record(alice, message).run_id)
    assert (found.status, found.exit_code, found.duration_s, found.error) == ("failed", 2, 1.5, "boom")
