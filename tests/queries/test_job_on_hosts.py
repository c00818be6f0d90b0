"""One job on its hosts: what is installed there, and whether it is what Git says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import NotFound
from crontopus_app.models import Change, Endpoint, JobIndex, Monitor, Tenant
from crontopus_app.queries import job_on_hosts
from crontopus_app.queries.job_on_hosts import Installed
from tests.cast import JOB_ID, NOON, Member, add_job, join

LINE = f"0 2 * * * run-job {JOB_ID}"
OLD, FILE, NEWER, HEAD = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)
DRIFT = {"kind": "line_changed", "expected": LINE, "found": f"0 3 * * * run-job {JOB_ID}", "owner": "root"}


@pytest.fixture
def alice(db: object) -> Member:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    tell(JobIndex, commit_sha=FILE, commit_at=NOON)
    tell(Tenant, head=HEAD)
    tell(Monitor, outcome="Kept")
    change = Change(
        tenant_id="alice", user_id="u", author_name="alice", author_email="a@example.org", operation="edit", path="x",
        message="m", state="done", commit_sha=NEWER, created_at=NOON, done_at=NOON + timedelta(minutes=1),
    )  # fmt: skip
    with writing() as session:
        session.add(change)
    return member


def tell(table: type[Any], **facts: Any) -> None:
    with writing() as session:
        row = session.exec(select(table)).one()
        session.add(row.sqlmodel_update(facts))


def installed(member: Member) -> Installed:
    with reading() as session:
        (found,) = job_on_hosts.installed(session, member.actor, "production", "backup")
    return found


@pytest.mark.parametrize(("head", "current"), [(FILE, 1), (NEWER, 1), (HEAD, 1), (OLD, 0), ("", 0)])
def test_a_host_is_current_from_the_files_commit_on(alice: Member, head: str, current: int) -> None:
    tell(Endpoint, head_applied=head)
    with reading() as session:
        assert job_on_hosts.in_force(session, alice.actor, "production", "backup") == (current, 1)
    assert installed(alice).current is bool(current)


@pytest.mark.parametrize("outcome", ["", "Waiting", "Blocked", "Failed"])
def test_a_host_whose_entry_is_not_in_force_is_not_current(alice: Member, outcome: str) -> None:
    tell(Endpoint, head_applied=HEAD)
    tell(Monitor, outcome=outcome)
    assert not installed(alice).current


def test_the_hosts_own_lines_of_the_job_are_told_as_they_are(alice: Member) -> None:
    other = {"text": "5 5 * * * other", "standing": "foreign"}
    tell(Endpoint, crontab=[other, {"text": LINE, "standing": "managed", "job_id": JOB_ID}], reported_at=NOON)
    assert (installed(alice).lines, installed(alice).reported_at) == ((LINE,), NOON)


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        (DRIFT, (f"changed by root: 0 3 * * * run-job {JOB_ID}",)),
        ({**DRIFT, "kind": "line_missing", "found": "", "owner": ""}, (f"removed: {LINE}",)),
        ({**DRIFT, "expected": "another job", "found": "x"}, ()),
    ],
)
def test_what_other_hands_did_to_its_line_is_said(alice: Member, drift: dict[str, str], said: tuple[str, ...]) -> None:
    tell(Endpoint, drift=[drift])
    assert installed(alice).drift == said


def test_another_tenants_job_is_not_there(alice: Member) -> None:
    charlie = join("charlie")
    with reading() as session:
        for ask in (job_on_hosts.installed, job_on_hosts.in_force):
            with pytest.raises(NotFound):
                ask(session, charlie.actor, "production", "backup")
