"""What needs attention besides failing jobs, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from crontopus_app.base.db import reading, writing
from crontopus_app.hosts import endpoints
from crontopus_app.models import Change, Endpoint, Incident, JobIndex, Monitor, Tenant
from crontopus_app.queries import overview
from crontopus_app.queries.attention import Attention
from tests.cast import JOB_ID, NOON, Member, add_endpoint, add_job, join

HOUR = timedelta(hours=1)


@pytest.fixture
def alice(db: Engine) -> Member:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    change(Endpoint, reported_at=NOON, pass_status="Applied")
    return member


def change(model: Any, **values: Any) -> None:
    """Sets columns of all rows of its kind."""
    with writing() as session:
        for row in session.exec(select(model)):
            for name, value in values.items():
                setattr(row, name, value)


def seen(member: Member, **later: Any) -> overview.Overview:
    with reading() as session:
        return overview.overview(session, member.actor, NOON + timedelta(**later))


def wanting(member: Member, **later: Any) -> Attention:
    return seen(member, **later).attention


def kinds(member: Member, **later: Any) -> list[tuple[str, int]]:
    return [(problem.kind, problem.count) for problem in wanting(member, **later).hosts]


def add_incident(subject: str, **facts: Any) -> None:
    values: dict[str, Any] = {"tenant_id": "alice", "subject": subject, "cause": "failing", "title": "t", "what": "w"}
    with writing() as session:
        values |= {"since": NOON, "opened_at": NOON} | facts
        session.add(Incident(**values))


def commit(at: Any) -> None:
    facts: dict[str, Any] = {
        "user_id": "u",
        "author_name": "a",
        "author_email": "a@example.org",
        "operation": "edit",
        "path": "p",
    }
    with writing() as session:
        session.add(Change(tenant_id="alice", message="m", state="done", created_at=at, done_at=at, **facts))
        session.get_one(Tenant, "alice").head = "4f1c2ab"


def test_nothing_needs_attention_while_all_is_well(alice: Member) -> None:
    assert wanting(alice) == Attention((), 0, 0, 1, "is being created", ())
    change(Tenant, provisioning="ready")
    assert wanting(alice).repository_problem == ""


def test_silent_hosts_are_named_with_the_time_of_the_first(alice: Member) -> None:
    for number in range(4):
        add_endpoint("alice", f"db{number}")
    change(Endpoint, last_seen_at=NOON - HOUR)
    (problem,) = wanting(alice).hosts
    assert (problem.kind, problem.count, problem.names) == ("silent", 5, ("alice-host", "db0", "db1"))
    assert problem.since == NOON - HOUR


@pytest.mark.parametrize(("minutes", "found"), [(1, []), (3, [("behind", 1)])])
def test_a_host_behind_git_needs_attention_after_a_moment(
    alice: Member, minutes: int, found: list[tuple[str, int]]
) -> None:
    commit(NOON)
    change(Endpoint, last_seen_at=NOON + timedelta(minutes=minutes))
    assert kinds(alice, minutes=minutes) == found


@pytest.mark.parametrize("status", ["Blocked", "Failed", "Waiting"])
def test_a_host_that_does_not_apply_its_changes_needs_attention(alice: Member, status: str) -> None:
    change(Endpoint, pass_status=status)
    assert kinds(alice) == [(status.lower(), 1)]


@pytest.mark.parametrize(("hours", "found"), [(1, [("drift", 1)]), (25, [])])
def test_an_edit_by_hand_needs_attention_for_a_day(alice: Member, hours: int, found: list[tuple[str, int]]) -> None:
    edit = {"kind": "line_changed", "expected": "a", "found": "b", "seen_at": (NOON - hours * HOUR).isoformat()}
    change(Endpoint, drift=[edit])
    assert kinds(alice) == found
    with reading() as session:
        listed = endpoints.list_page(session, alice.actor, state="drift", now=NOON)
        counts = endpoints.counts_by_state(session, alice.actor, NOON)
    assert (listed.total, counts.get("drift", 0)) == (len(found), len(found))


@pytest.mark.parametrize(
    ("model", "facts", "count"),
    [
        (Monitor, {"state": "retired"}, 1),
        (JobIndex, {"paused": True}, 0),
        (JobIndex, {"enabled": False}, 0),
        (JobIndex, {"valid": False}, 0),
    ],
)
def test_an_enabled_job_that_runs_nowhere_needs_attention(
    alice: Member, model: Any, facts: dict[str, Any], count: int
) -> None:
    change(Monitor, state="retired")
    change(model, **facts)
    found = wanting(alice)
    assert (found.jobs_without_host, found.invalid_files) == (count, 1 if "valid" in facts else 0)


def test_a_failing_job_has_its_incident_and_other_open_incidents_are_listed(alice: Member) -> None:
    with reading() as session:
        monitor_id = session.exec(select(Monitor)).one().id
    change(Monitor, state="failing")
    add_incident(f"monitor:{monitor_id}", job_id=JOB_ID, acknowledged_at=NOON, acknowledged_by="bob")
    add_incident("channel:1", cause="channel broken")
    add_incident("channel:2", closed_at=NOON)
    data = seen(alice)
    (failing,) = data.failing
    assert failing.incident is not None
    assert failing.incident.acknowledged_by == "bob"
    assert [incident.cause for incident in data.incidents] == ["channel broken"]


def test_nobody_sees_another_tenants_problems(alice: Member) -> None:
    change(Endpoint, last_seen_at=NOON - HOUR)
    add_incident("channel:1")
    found = wanting(join("charlie"))
    assert ([problem.kind for problem in found.hosts], found.incidents) == (["waiting"], ())
