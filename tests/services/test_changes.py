"""From pending changes to commits, on both databases and a real forge."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from crontopus_app import clock
from crontopus_app.db import reading, writing
from crontopus_app.git.forgejo import Forgejo
from crontopus_app.models import Tenant
from crontopus_app.services import changes, committing, jobs, tenants
from crontopus_app.services.actor import Actor
from tests.cast import join

FORM = {"name": "backup", "namespace": "production", "schedule": "0 2 * * *", "command": "/opt/backup.sh"}


@pytest.fixture
def alice(db: Engine, redis_url: str, forge: Forgejo, tenant_name: str) -> Actor:
    """A user whose repository is made."""
    actor = join(tenant_name).actor
    with writing() as session:
        tenant = session.get(Tenant, actor.tenant_id)
        assert tenant is not None
        tenant.provisioning = "pending"
        session.add(tenant)
    tenants.provision(actor.tenant_id, forge, clock.now())
    return actor


def test_a_created_job_is_committed_in_the_users_name(alice: Actor, forge: Forgejo) -> None:
    with writing() as session:
        change = jobs.create(session, alice, FORM, clock.now())
    committing.commit_changes(alice.tenant_id, forge)
    with reading() as session:
        told = changes.get(session, alice, change.id)
        job = jobs.get(session, alice, "production", "backup", clock.now())
    assert told.state == "done"
    head = forge.commits("crontopus", f"job-manifests-{alice.tenant_id}", ref="main")[0]
    assert (head.sha, head.author_name, head.author_email) == (told.commit, alice.username, alice.email)
    assert f"Change-Id: {change.id}" in head.message
    assert job.commit is not None
    assert job.commit.author == alice.username
    assert job.job.endpoints == [f"{alice.username}-host"]
    assert job.job.next_run is not None
