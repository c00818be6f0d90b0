"""Alice's tenant with a job, a run with output and an endpoint; charlie's tenant with an endpoint only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from crontopus_app.base import clock
from crontopus_app.base.db import writing
from crontopus_app.models import Endpoint, Run, RunOutput
from crontopus_app.ui.live import watchers
from tests.cast import JOB_ID, Member, add_job, join
from tests.ui.states import cookie_of

RUN_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
SECRET = "only-alice-may-read-this"


@pytest.fixture
def alice(sqlite_db: object, redis_url: str) -> Member:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    add_run(member)
    with writing() as session:
        host = session.get(Endpoint, member.endpoint_id)
        assert host is not None
        host.crontab = [
            {"text": "MAILTO=ops", "standing": "environment"},
            {"text": "0 2 * * * run-job x", "standing": "managed", "job_id": JOB_ID},
            {"text": "5 5 * * * /usr/bin/other", "standing": "foreign"},
        ]
        session.add(host)
    return member


def add_run(member: Member, run_id: str = RUN_ID, status: str = "failed") -> None:
    """A run with output that began a minute ago."""
    at = clock.now() - timedelta(minutes=1)
    with writing() as session:
        session.add(
            Run(
                id=run_id,
                tenant_id=member.actor.tenant_id,
                job_id=JOB_ID,
                job_name="backup",
                namespace="production",
                source_id=member.endpoint_id,
                endpoint_id=member.endpoint_id,
                endpoint_name="alice-host",
                status=status,
                slot=at - timedelta(seconds=0.4),
                started_at=at,
                received_at=at,
                sort_at=at,
                duration_s=8.2,
                exit_code=2,
                commit="4f1c2ab" + "0" * 33,
            )
        )
        session.flush()
        session.add(RunOutput(run_id=run_id, head=f"\x1b[31m{SECRET}\x1b[0m\n", tail="the end\n", lost_bytes=2048))


@pytest.fixture
def cookie(alice: Member) -> str:
    return cookie_of(alice)


@pytest.fixture
def charlies(alice: Member) -> str:
    """Charlie's cookie."""
    return cookie_of(join("charlie"))


@pytest.fixture(autouse=True)
def _nobody_watches() -> Iterator[None]:
    yield
    for token, _ in watchers.all():
        watchers.forget(token)
