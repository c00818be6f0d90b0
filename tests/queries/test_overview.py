"""The Overview's day and its troubles, on both databases."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import Forbidden
from crontopus_app.models import Change, Endpoint, JobIndex, Monitor, Run, RunOutput
from crontopus_app.queries import overview, timeline
from tests.cast import JOB_ID, NOON, Member, add_endpoint, add_job, join


@pytest.fixture
def alice(db: Engine) -> Member:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    return member


def ran(member: Member, minutes: float, *, output: str = "", **facts: Any) -> str:
    """A run that began so many minutes after noon, a success of a minute unless told otherwise."""
    at = NOON + timedelta(minutes=minutes)
    told: dict[str, Any] = {"id": str(uuid.uuid4()), "job_id": JOB_ID, "status": "success", "duration_s": 60.0}
    told |= {"started_at": at, "received_at": at, "sort_at": at, "job_name": "backup", "namespace": "production"}
    told |= {"tenant_id": member.actor.tenant_id, "endpoint_name": "alice-host"}
    told |= {"source_id": member.endpoint_id, "endpoint_id": member.endpoint_id}
    with writing() as session:
        session.add(Run(**(told | facts)))
        session.flush()
        if output:
            session.add(RunOutput(run_id=told["id"], head="", tail=output))
    return told["id"]


def change(model: Any, **values: Any) -> None:
    """Sets columns of the one row of its kind."""
    with writing() as session:
        row = session.exec(select(model)).one()
        for name, value in values.items():
            setattr(row, name, value)
        session.add(row)


def day(member: Member) -> timeline.Day:
    with reading() as session:
        return timeline.day(session, member.actor, NOON)


def seen(member: Member) -> overview.Overview:
    with reading() as session:
        return overview.overview(session, member.actor, NOON)


def test_a_lane_has_the_runs_of_twelve_hours_newest_first(alice: Member) -> None:
    ran(alice, -721)
    expected = [ran(alice, -1), ran(alice, -719, status="failed", flags=["late_start"])]
    (lane,) = day(alice).lanes
    assert [mark.run_id for mark in lane.marks] == expected
    assert (lane.marks[1].status, lane.marks[1].late, lane.marks[1].seconds) == ("failed", True, 60.0)
    assert lane.marks[0].host == "alice-host"


@pytest.mark.parametrize(("minutes", "shown"), [(180.0, True), (30.0, False)])
def test_what_began_before_the_day_is_there_if_it_ended_in_it(alice: Member, minutes: float, shown: bool) -> None:
    ended = NOON + timedelta(minutes=minutes - 780)
    run_id = ran(alice, -780, finished_at=ended, duration_s=60 * minutes)
    assert [mark.run_id for mark in day(alice).lanes[0].marks] == [run_id] * shown


def test_what_has_run_for_days_is_still_there(alice: Member) -> None:
    stuck = ran(alice, -5000, status="running", duration_s=None)
    change(Monitor, state="ok")
    (lane,) = day(alice).lanes
    assert [(mark.run_id, mark.seconds) for mark in lane.marks] == [(stuck, None)]
    assert lane.state == "running"


@pytest.mark.parametrize(("zone", "hour"), [(None, 14), ("Etc/UTC", 23)], ids=["the host's", "its own"])
def test_slots_come_in_the_jobs_zone_else_the_hosts(alice: Member, zone: str | None, hour: int) -> None:
    change(Endpoint, timezone="Asia/Tokyo")  # nine hours ahead of UTC
    change(JobIndex, timezone=zone, schedule=["0 23 * * *"])
    (lane,) = day(alice).lanes
    assert lane.slots == (NOON.replace(hour=hour),)


def test_each_host_has_its_own_minute_of_an_h(alice: Member) -> None:
    hosts = [add_endpoint("alice", f"host-{number}")[0] for number in range(5)]
    with writing() as session:
        for host in hosts:
            session.add(
                Monitor(
                    tenant_id="alice",
                    job_id=JOB_ID,
                    source_id=host,
                    endpoint_id=host,
                    job_name="backup",
                    namespace="production",
                    updated_at=NOON,
                )
            )
        job = session.exec(select(JobIndex)).one()
        job.schedule = ["H 23 * * *"]
        session.add(job)
    (lane,) = day(alice).lanes
    assert 1 < len(lane.slots) <= 6
    assert {slot.hour for slot in lane.slots} == {23}


@pytest.mark.parametrize("facts", [{"paused": True}, {"valid": False}, {"schedule": ["nonsense"]}])
def test_what_will_not_run_has_no_slots(alice: Member, facts: dict[str, Any]) -> None:
    change(JobIndex, **facts)
    if "paused" in facts:
        change(Monitor, state="paused")
    (lane,) = day(alice).lanes
    assert lane.slots == ()


def test_what_fails_comes_first_and_of_many_jobs_thirty(alice: Member) -> None:
    for number in range(40):
        add_job("alice", alice.endpoint_id, job_id=str(uuid.UUID(int=number)), name=f"job-{number:02}")
    with writing() as session:
        late = session.exec(select(Monitor).where(Monitor.job_name == "job-39")).one()
        late.state = "failing"
        session.add(late)
    found = day(alice)
    assert (found.jobs, len(found.lanes), found.lanes[0].name) == (41, 30, "job-39")


def test_another_tenants_day_is_empty(alice: Member) -> None:
    ran(alice, -1)
    charlie = join("charlie")
    assert day(charlie) == timeline.Day((), 0)
    assert (seen(charlie).last, seen(charlie).failing, seen(charlie).changes) == ([], [], [])


def test_a_token_without_the_scope_sees_no_day(alice: Member) -> None:
    actor = Actor(**{**alice.actor.__dict__, "kind": "token", "scopes": frozenset({"read:jobs"})})
    with reading() as session, pytest.raises(Forbidden):
        timeline.day(session, actor, NOON)


def test_a_missed_run_is_drawn_at_its_slot(alice: Member) -> None:
    slot = NOON - timedelta(minutes=30)
    ran(alice, -30, status="missed", started_at=None, slot=slot, received_at=NOON)
    (lane,) = day(alice).lanes
    assert [(mark.status, mark.begun) for mark in lane.marks] == [("missed", slot)]


def test_a_job_that_missed_its_slot_needs_attention(alice: Member) -> None:
    missed = ran(alice, -30, status="missed", started_at=None)
    change(Monitor, state="missed", last_run_id=missed, last_run_at=NOON - timedelta(minutes=30))
    (trouble,) = seen(alice).failing
    assert (trouble.what.state, trouble.times, trouble.exit_code) == ("missed", 1, None)


def test_a_trouble_tells_since_when_how_often_and_the_last_line(alice: Member) -> None:
    ran(alice, -50, status="failed")
    ran(alice, -40)
    ran(alice, -30, status="failed", exit_code=1)
    ran(alice, -25, status="skipped")
    last = ran(alice, -20, status="timeout", exit_code=2, output="x" * 2000 + "\nlock is held\n\n")
    change(Monitor, state="failing", last_run_id=last, last_run_at=NOON - timedelta(minutes=20))
    (trouble,) = seen(alice).failing
    assert (trouble.times, trouble.exit_code, trouble.more, trouble.last_line) == (2, 2, False, "lock is held")
    assert trouble.since == NOON - timedelta(minutes=30)
    assert trouble.last_good == NOON - timedelta(minutes=40)


def test_a_job_that_never_ran_well_has_no_last_good_run(alice: Member) -> None:
    last = ran(alice, -20, status="failed", output="short")
    change(Monitor, state="failing", last_run_id=last)
    (trouble,) = seen(alice).failing
    assert (trouble.last_good, trouble.last_line) == (None, "short")


def test_coverage_counts_lines_that_start_something(alice: Member) -> None:
    standings = ["managed", "managed", "foreign", "environment", "comment", "blank", "ours"]
    change(Endpoint, crontab=[{"text": "x", "standing": standing} for standing in standings])
    assert (seen(alice).cron_lines, seen(alice).cron_lines_monitored) == (3, 2)


def test_a_change_is_told_with_its_words(alice: Member) -> None:
    with writing() as session:
        session.add(
            Change(
                tenant_id="alice",
                user_id=alice.actor.user_id,
                author_name="alice",
                author_email="alice@example.org",
                operation="edit",
                path="production/backup.yaml",
                message="Change job",
                summary="schedule 0 2 * * * → 0 3 * * *",
                created_at=NOON,
            )
        )
    assert [change.said for change in seen(alice).changes] == ["schedule 0 2 * * * → 0 3 * * *"]
