"""A check-in comes from a source: an endpoint, or a ping key, which has no endpoint. On both databases."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from contract import wire
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import CrontopusError, NotFound
from crontopus_app.models import CheckIn, Monitor, Run
from crontopus_app.monitoring import runs, stats
from crontopus_app.monitoring.intake import ingest
from crontopus_app.monitoring.intake.rows import Sender, SentCheckin
from crontopus_app.queries import jobs, overview
from tests.cast import JOB_ID, NOON, Member, add_job, join, told_one

KEY = Sender(str(uuid.UUID(int=7)), "alice", "nightly ping", None)


@pytest.fixture
def alice(db: Engine) -> Member:
    """Her job has a monitor of her endpoint and one of a ping key."""
    member = join("alice")
    add_job("alice", member.endpoint_id)
    with writing() as session:
        session.add(Monitor(tenant_id="alice", job_id=JOB_ID, source_id=KEY.id, job_name="backup",
                            namespace="production", updated_at=NOON))  # fmt: skip
    return member


def message(kind: str = "success") -> wire.Checkin:
    return wire.Checkin(id=str(uuid.uuid4()), run_id=str(uuid.uuid4()), job_id=JOB_ID, kind=kind, at=NOON)


def ping(checkin: wire.Checkin) -> wire.CheckinAnswer | CrontopusError:
    with writing() as session:
        return ingest.record(session, [SentCheckin(KEY, checkin)], NOON)[0]


def states() -> dict[str, str]:
    with reading() as session:
        return {one.source_id: one.state for one in session.exec(select(Monitor))}


def test_each_source_moves_its_own_monitor(alice: Member) -> None:
    ping(message("fail"))
    told_one(alice.endpoint_id, message())
    assert states() == {KEY.id: "failing", alice.endpoint_id: "ok"}


def test_a_run_of_a_key_is_shown_under_its_name(alice: Member) -> None:
    told = message()
    ping(told)
    with reading() as session:
        run = runs.get(session, alice.actor, told.run_id).run
        around = stats.around(session, alice.actor, told.run_id, 3)
        filtered = runs.list_page(session, alice.actor, runs.Filter(endpoint=KEY.id)).runs
        totals = runs.by_endpoint(session, alice.actor, NOON)
    assert (run.endpoint_id, run.endpoint_name, run.job_name) == (None, "nightly ping", "backup")
    assert around == filtered == [run]
    assert [(one.id, one.name, one.total) for one in totals] == [(KEY.id, "nightly ping", 1)]


def test_two_sources_may_choose_the_same_check_in_id(alice: Member) -> None:
    mine = message()
    theirs = replace(mine, run_id=str(uuid.uuid4()))
    told_one(alice.endpoint_id, mine)
    answers = [ping(theirs), ping(theirs)]
    assert [one.duplicate for one in answers if isinstance(one, wire.CheckinAnswer)] == [False, True]
    with reading() as session:
        assert sorted(one.source_id for one in session.exec(select(CheckIn))) == sorted([KEY.id, alice.endpoint_id])


def test_a_key_cannot_touch_an_endpoints_run(alice: Member) -> None:
    mine = message("start")
    told_one(alice.endpoint_id, mine)
    assert isinstance(ping(replace(mine, id=str(uuid.uuid4()), kind="fail")), NotFound)
    with reading() as session:
        assert session.exec(select(Run.status)).one() == "running"


def test_a_job_without_hosts_has_the_state_of_its_key(alice: Member) -> None:
    ping(message("fail"))
    with reading() as session:
        job = jobs.get(session, alice.actor, "production", "backup", NOON).job
        (trouble,) = overview.overview(session, alice.actor, NOON).failing
        on_hosts = jobs.instances(session, alice.actor, "production", "backup")
    assert (job.state, job.endpoints) == ("failing", ["alice-host"])
    assert (trouble.what.endpoint_name, trouble.what.endpoint_id, trouble.times) == ("nightly ping", "", 1)
    assert [one.endpoint_id for one in on_hosts] == [alice.endpoint_id]
