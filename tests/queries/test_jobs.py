"""Reading jobs, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from crontopus_app.base.db import reading, writing
from crontopus_app.models import Endpoint, JobIndex
from crontopus_app.queries import jobs
from tests.cast import JOB_ID, Member, add_endpoint, add_job, join


@pytest.fixture
def alice(db: Engine) -> Member:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    return member


def change(model: Any, **values: Any) -> None:
    with writing() as session:
        for row in session.exec(select(model)):
            for name, value in values.items():
                setattr(row, name, value)


@pytest.mark.parametrize(
    ("own", "hosts", "zone"),
    [(None, "Asia/Tokyo", "Asia/Tokyo"), ("Europe/Berlin", "Asia/Tokyo", "Europe/Berlin"), (None, "", "UTC")],
)
def test_a_jobs_times_are_in_its_own_zone_else_its_hosts(alice: Member, own: str | None, hosts: str, zone: str) -> None:
    change(JobIndex, timezone=own)
    change(Endpoint, timezone=hosts)
    with reading() as session:
        assert jobs.zone_of(session, alice.actor, JOB_ID) == zone
        assert jobs.zone_of(session, join("charlie").actor, JOB_ID) == "UTC"


def test_a_job_on_hosts_of_different_zones_is_shown_in_utc(alice: Member) -> None:
    other, _ = add_endpoint("alice", "other")
    add_job("alice", other, name="again")
    with writing() as session:
        session.get_one(Endpoint, other).timezone = "Asia/Tokyo"
    with reading() as session:
        assert jobs.zone_of(session, alice.actor, JOB_ID) == "UTC"
