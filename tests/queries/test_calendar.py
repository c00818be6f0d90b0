"""When a job was due, and who starts with it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import NotFound
from crontopus_app.models import Endpoint, JobIndex
from crontopus_app.queries import calendar
from tests.cast import NOON, Member, add_job, join

LONG_AGO = NOON - timedelta(days=90)
OTHER = "11111111-6c2b-4a55-9b59-0a4b1f1b6f5e"


@pytest.fixture
def alice(db: object) -> Member:
    member = join("alice")
    change_host(member, created_at=LONG_AGO, timezone="Europe/Berlin")
    add_job("alice", member.endpoint_id)
    change_job("backup", commit_at=LONG_AGO)
    return member


def change_host(member: Member, **facts: Any) -> None:
    with writing() as session:
        host = session.get(Endpoint, member.endpoint_id)
        assert host is not None
        session.add(host.sqlmodel_update(facts))


def change_job(name: str, **facts: Any) -> None:
    with writing() as session:
        row = session.exec(select(JobIndex).where(JobIndex.name == name)).one()
        session.add(row.sqlmodel_update(facts))


def past(member: Member) -> calendar.DueSlots:
    with reading() as session:
        return calendar.due_slots(session, member.actor, "production", "backup", NOON)


def crowd(member: Member) -> calendar.SameStart | None:
    with reading() as session:
        return calendar.same_start(session, member.actor, "production", "backup", NOON)


def hours(slots: tuple[datetime, ...]) -> set[int]:
    return {slot.hour for slot in slots}


def test_a_nightly_job_was_due_thirty_times_by_its_hosts_clock(alice: Member) -> None:
    found = past(alice)
    assert (len(found.slots), found.expected, found.dense) == (30, 30, False)
    assert hours(found.slots) == {0, 1}, "summer time ended within these days"
    assert list(found.slots) == sorted(found.slots)


def test_the_jobs_own_zone_comes_before_its_hosts(alice: Member) -> None:
    change_job("backup", timezone="Asia/Tokyo")
    assert hours(past(alice).slots) == {17}


def test_a_zone_that_is_not_known_here_is_not_guessed(alice: Member) -> None:
    change_host(alice, timezone="Mars/Base")
    assert past(alice) == calendar.DueSlots()


@pytest.mark.parametrize("what", ["file", "host"])
def test_slots_from_before_its_file_or_its_host_are_not_shown(alice: Member, what: str) -> None:
    recently = NOON - timedelta(days=3)
    if what == "file":
        change_job("backup", commit_at=recently)
    else:
        change_host(alice, created_at=recently)
    assert (len(past(alice).slots), past(alice).expected) == (3, 30)


def test_a_job_of_every_minute_is_dense(alice: Member) -> None:
    change_job("backup", schedule=["* * * * *"])
    assert past(alice).dense
    assert past(alice).slots == ()


@pytest.mark.parametrize("facts", [{"paused": True}, {"valid": False}, {"enabled": False}, {"schedule": ["@reboot"]}])
def test_what_is_not_due_has_no_slots_and_no_neighbours(alice: Member, facts: dict[str, Any]) -> None:
    add_job("alice", alice.endpoint_id, job_id=OTHER, name="other")
    change_job("backup", **facts)
    assert past(alice).slots == ()
    assert crowd(alice) is None


def test_neighbours_are_named_with_a_quieter_minute(alice: Member) -> None:
    add_job("alice", alice.endpoint_id, job_id=OTHER, name="other")
    found = crowd(alice)
    assert found is not None
    assert (found.host, found.names, found.at.hour) == ("alice-host", ("production/other",), 1)
    assert found.quieter == found.at + timedelta(minutes=3)
    assert found.schedule == "3 2 * * *"


def test_a_schedule_of_several_hours_is_moved_in_all_of_them(alice: Member) -> None:
    add_job("alice", alice.endpoint_id, job_id=OTHER, name="other")
    change_job("backup", schedule=["0 2,14 * * *"])
    found = crowd(alice)
    assert found is None, "it is due at 13:00 UTC next, where nobody else is"
    change_job("other", schedule=["0 14 * * *"])
    found = crowd(alice)
    assert found is not None
    assert found.schedule == "3 2,14 * * *"


@pytest.mark.parametrize("schedule", [["0,30 2 * * *"], ["0 2 * * *", "30 2 * * *"]])
def test_a_job_of_several_times_an_hour_is_told_of_no_neighbours(alice: Member, schedule: list[str]) -> None:
    add_job("alice", alice.endpoint_id, job_id=OTHER, name="other")
    change_job("backup", schedule=schedule)
    assert crowd(alice) is None


def test_several_expressions_are_not_rewritten(alice: Member) -> None:
    add_job("alice", alice.endpoint_id, job_id=OTHER, name="other")
    change_job("backup", schedule=["0 2 * * *", "0 5 * * *"])
    found = crowd(alice)
    assert found is not None
    assert found.schedule == ""


@pytest.mark.parametrize("facts", [{"paused": True}, {"valid": False}, {"schedule": ["7 2 * * *"]}, {"enabled": False}])
def test_who_does_not_start_with_it_is_no_neighbour(alice: Member, facts: dict[str, Any]) -> None:
    add_job("alice", alice.endpoint_id, job_id=OTHER, name="other")
    change_job("other", **facts)
    assert crowd(alice) is None


def test_jobs_of_other_hosts_and_tenants_are_no_neighbours(alice: Member) -> None:
    charlie = join("charlie")
    add_job("charlie", charlie.endpoint_id, job_id=OTHER, name="theirs")
    assert crowd(alice) is None
    with reading() as session, pytest.raises(NotFound):
        calendar.same_start(session, charlie.actor, "production", "backup", NOON)
    with reading() as session, pytest.raises(NotFound):
        calendar.due_slots(session, charlie.actor, "production", "backup", NOON)
