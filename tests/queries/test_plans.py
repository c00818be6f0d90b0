"""Plans on both databases: whose hosts they tell of, and of how many they tell the lines."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import Forbidden
from crontopus_app.models import Endpoint
from crontopus_app.queries import plans
from tests.cast import JOB_ID, NOON, Member, add_endpoint, add_job, join

FILE = f"""\
apiVersion: v1
kind: Job
metadata: {{id: {JOB_ID}, name: backup}}
spec: {{schedule: "0 3 * * *", command: x}}
""".encode()
LINE = f"0 2 * * * run-job {JOB_ID}"


@pytest.fixture
def alice(db: Engine) -> Member:
    """With a job on one of her three hosts; charlie has a host too."""
    member = join("alice")
    join("charlie")
    add_job("alice", member.endpoint_id)
    others = [add_endpoint("alice", name)[0] for name in ("second", "third")]
    with writing() as session:
        for endpoint_id in (member.endpoint_id, *others):
            row = session.get(Endpoint, endpoint_id)
            assert row is not None
            row.timezone, row.capabilities = "UTC", {"dst_policy": "busybox"}
            row.crontab = [{"text": LINE, "standing": "managed", "job_id": JOB_ID}] if endpoint_id not in others else []
            session.add(row)
    return member


def test_each_of_ones_own_hosts_with_its_lines(alice: Member) -> None:
    with reading() as session:
        told = plans.plan(session, alice.actor, FILE, "production", NOON)
    after = [LINE.replace("2", "3", 1)]
    assert [(one.endpoint_name, one.action, one.before, one.after) for one in told.endpoints] == [
        ("alice-host", "update", [LINE], after),
        ("second", "create", [], after),
        ("third", "create", [], after),
    ]
    assert {(one.timezone, one.dst_policy) for one in told.endpoints} == {("UTC", "busybox")}
    assert (told.job_id, told.nobody, told.unknown) == (JOB_ID, "", [])


def test_lines_are_told_of_as_many_hosts_as_are_asked_for(alice: Member) -> None:
    with reading() as session:
        told = plans.plan(session, alice.actor, FILE, "production", NOON, most_lines=1)
    assert [bool(one.after) for one in told.endpoints] == [True, False, False]


def test_who_may_not_read_jobs_is_told_nothing(alice: Member) -> None:
    actor = replace(alice.actor, kind="token", scopes=frozenset({"read:runs"}))
    with reading() as session, pytest.raises(Forbidden):
        plans.plan(session, actor, FILE, "production", NOON)
