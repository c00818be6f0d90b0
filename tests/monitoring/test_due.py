"""List, day, calendar, plan and forecast say the same of when a job is due."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlmodel import select

from crontopus_app.base.db import reading, writing
from crontopus_app.models import Endpoint, JobIndex
from crontopus_app.queries import calendar, jobs, plans, timeline
from tests.cast import JOB_ID, NOON, Member, add_job, join

YAML = f"""
apiVersion: v1
kind: Job
metadata: {{id: {JOB_ID}, name: backup}}
spec:
  schedule: "%s"
  command: /opt/backup.sh
"""


@pytest.fixture
def alice(sqlite_db: object) -> Member:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    return member


def change(member: Member, schedule: str, zone: str) -> None:
    with writing() as session:
        host = session.get_one(Endpoint, member.endpoint_id)
        host.timezone, host.created_at = zone, NOON - timedelta(days=90)
        job = session.exec(select(JobIndex)).one()
        job.schedule, job.commit_at = [schedule], NOON - timedelta(days=90)
        session.add_all([host, job])


def said(member: Member, schedule: str) -> dict[str, list[datetime]]:
    """What each place says comes first after noon; the calendar by what it says of yesterday."""
    actor, day = member.actor, timedelta(days=1)
    with reading() as session:
        job = jobs.get(session, actor, "production", "backup", NOON).job
        (lane,) = timeline.day(session, actor, NOON).lanes
        past = calendar.due_slots(session, actor, "production", "backup", NOON).slots
        plan = plans.plan(session, actor, (YAML % schedule).encode(), "production", NOON)
        return {
            "list": [job.next_run] if job.next_run else [],
            "day": list(lane.slots),
            "calendar": [at + day for at in past if at + day > NOON],
            "plan": plan.slots_after[:1],
            "forecast": jobs.next_runs(session, actor, "production", "backup", 1, NOON),
        }


@pytest.mark.parametrize("schedule", ["h h(13-23) * * *", "H H(13-23) * * *", "30 17 * * *"])
def test_all_say_the_same(alice: Member, schedule: str) -> None:
    change(alice, schedule, "UTC")
    found = said(alice, schedule)
    assert len({tuple(one) for one in found.values()}) == 1, found
    assert found["list"][0].hour >= 13


@pytest.mark.parametrize("zone", ["", "Mars/Base"])
def test_of_a_zone_that_is_not_known_none_guesses(alice: Member, zone: str) -> None:
    change(alice, "30 17 * * *", zone)
    assert said(alice, "30 17 * * *") == {"list": [], "day": [], "calendar": [], "plan": [], "forecast": []}
