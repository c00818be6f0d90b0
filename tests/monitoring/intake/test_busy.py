"""A tenant whose rows somebody holds for long: its check-ins wait, those of others do not. On PostgreSQL."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, select
from sqlmodel import col

from contract import wire
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import Busy, Unavailable
from crontopus_app.models import Endpoint, Monitor, Run, Tenant
from crontopus_app.monitoring.intake import checkins, senders
from crontopus_app.monitoring.intake.batch import Intake, Request, Written
from crontopus_app.monitoring.intake.checkins import ReceivedCheckin
from crontopus_app.monitoring.intake.senders import Caller
from tests.cast import JOB_ID, NOON, Member, add_job, join
from tests.fixtures.processes import wait_until

CHARLIES = str(uuid.UUID(int=5))


@pytest.fixture
def alice(on_postgres: Engine) -> Member:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    return member


@pytest.fixture
def charlie(alice: Member) -> Member:
    member = join("charlie")
    add_job("charlie", member.endpoint_id, job_id=CHARLIES)
    return member


@pytest.fixture
def intake(redis_url: str) -> Iterator[Intake]:
    made = Intake()
    yield made
    made.writer.close()


@pytest.fixture
def impatient(redis_url: str) -> Iterator[Intake]:
    """Gives up on a tenant with locked rows after 0.3 s."""
    made = Intake(retry_for_s=0.3)
    yield made
    made.writer.close()


def caller(member: Member) -> Caller:
    with reading() as session:
        return senders.of_endpoint(session.get_one(Endpoint, member.endpoint_id))


def message(job_id: str) -> wire.Checkin:
    return wire.Checkin(id=str(uuid.uuid4()), run_id=str(uuid.uuid4()), job_id=job_id, kind="success", at=NOON)


@contextmanager
def tenant_held(tenant: str) -> Iterator[None]:
    """As by the index and by enrolment."""
    with writing() as session:
        session.get_one(Tenant, tenant, with_for_update=True)
        yield


@contextmanager
def monitors_held(tenant: str) -> Iterator[None]:
    with writing() as session:
        session.execute(select(Monitor).where(col(Monitor.tenant_id) == tenant).with_for_update())
        yield


def runs() -> set[str]:
    with reading() as session:
        return {run.tenant_id for run in session.scalars(select(Run))}


@pytest.mark.parametrize("held", [tenant_held, monitors_held])
def test_others_are_written_beside_a_busy_tenant(alice: Member, charlie: Member, held) -> None:
    told = [ReceivedCheckin(caller(alice), message(JOB_ID)), ReceivedCheckin(caller(charlie), message(CHARLIES))]
    with held("alice"):
        answers = checkins.record(told, NOON)
        assert [type(answer) for answer in answers] == [Busy, wire.CheckinAnswer]
        assert runs() == {"charlie"}
    assert [type(answer) for answer in checkins.record(told[:1], NOON)] == [wire.CheckinAnswer]


@pytest.mark.parametrize("held", [tenant_held, monitors_held])
async def test_another_tenant_is_answered_while_the_lock_is_held(
    alice: Member, charlie: Member, intake: Intake, held
) -> None:
    """And the busy one is, in the order in which it came, when the lock is gone."""
    mine = [Request(caller(alice), [message(JOB_ID)]) for _ in range(2)]
    theirs = Request(caller(charlie), [message(CHARLIES)])
    with held("alice"):
        waiting = [asyncio.create_task(intake.writer.put(each)) for each in mine]
        await asyncio.sleep(0)
        for _ in range(3):
            outcome = await intake.writer.put(Request(theirs.caller, [message(CHARLIES)]))
            assert isinstance(outcome.outcomes[0], wire.CheckinAnswer)
        assert not any(task.done() for task in waiting)
        assert runs() == {"charlie"}
    outcomes = await asyncio.gather(*waiting)
    assert all(isinstance(outcome.outcomes[0], wire.CheckinAnswer) for outcome in outcomes)
    assert runs() == {"alice", "charlie"}


async def test_who_is_busy_for_too_long_is_refused_and_can_spool(alice: Member, impatient: Intake) -> None:
    told = Request(caller(alice), [message(JOB_ID)])
    with tenant_held("alice"), pytest.raises(Unavailable, match="being updated") as refused:
        await impatient.writer.put(told)
    assert refused.value.retry_after > 0
    written = await impatient.writer.put(told)
    assert isinstance(written, Written)
    assert isinstance(written.outcomes[0], wire.CheckinAnswer)
    assert not written.outcomes[0].duplicate


async def test_the_end_answers_who_is_busy(alice: Member, intake: Intake) -> None:
    with tenant_held("alice"):
        waiting = asyncio.create_task(intake.writer.put(Request(caller(alice), [message(JOB_ID)])))
        await asyncio.sleep(0)
        await asyncio.to_thread(wait_until, lambda: intake.writer._retries, "the check-in to be put off")
        await asyncio.to_thread(intake.writer.close)
        with pytest.raises(Unavailable):
            await waiting
    assert runs() == set()
