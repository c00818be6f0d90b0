"""Tasks are named by strings: each name that is rung for is a task."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from rq import Queue, SimpleWorker
from sqlalchemy import Engine, update

from contract import wire
from crontopus_app.base import clock, queue
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.forge.client import Forgejo, ForgeNotFound
from crontopus_app.jobs import edits
from crontopus_app.models import Change, GitCredential, Tenant
from crontopus_app.operations import due_work, provisioning, tenant_deletion
from crontopus_app.people import git_credentials
from crontopus_app.queries import jobs
from tests.cast import NOON, PASSWORD, join
from tests.fixtures.forge_server import PASSWORD as FORGE_PASSWORD
from tests.fixtures.forge_server import USER as FORGE_USER
from tests.fixtures.forge_server import configured_at, forge, forge_server, tenant_name
from tests.fixtures.repositories import Repo
from worker import tasks
from worker.sweep import POLL, Sweep

__all__ = ["forge", "forge_server", "tenant_name"]

ROOT = Path(__file__).resolve().parents[2]
FORM = {"name": "backup", "namespace": "production", "schedule": "0 2 * * *", "command": "/opt/backup.sh"}


@pytest.fixture
def anna(sqlite_db: Engine, redis_url: str, forge: Forgejo, tenant_name: str) -> Actor:
    actor = join(tenant_name).actor
    provisioning.provision(actor.tenant_id, forge, clock.now())
    return actor


def work() -> None:
    """Runs what was rung for, as a worker does, until nothing waits."""
    served = [Queue(name, connection=queue.redis()) for name in queue.QUEUES]
    SimpleWorker(served, connection=queue.redis()).work(burst=True, logging_level="ERROR")


def sweep(forge: Forgejo, now: datetime) -> None:
    """One sweep, and what it rings for."""
    Sweep(forge).once(now)
    work()


def rung() -> set[str]:
    texts = [path.read_text() for path in (ROOT / "crontopus_app").rglob("*.py")]
    return {name for text in texts for name in re.findall(r'ring(?:\(|, )"(\w+)"', text)}


def test_every_name_that_is_rung_for_is_a_task() -> None:
    assert {"commit_changes", "index_tenant", "provision_tenant"} <= rung()
    assert all(callable(getattr(tasks, name, None)) for name in rung())


def test_a_ring_names_its_task(anna: Actor) -> None:
    queue.redis().flushall()
    assert queue.ring("commit_changes", anna.tenant_id)
    (job,) = Queue(queue.QUEUE, connection=queue.redis()).jobs
    assert (job.func_name, job.args) == ("worker.tasks.commit_changes", (anna.tenant_id,))


def test_tasks_may_be_repeated(anna: Actor, forge: Forgejo, tenant_name: str) -> None:
    repo = Repo(forge, "crontopus", f"job-manifests-{tenant_name}")
    with writing() as session:
        edits.create(session, anna, FORM, clock.now())
    for _ in range(2):
        for task in (tasks.provision_tenant, tasks.commit_changes, tasks.index_tenant, tasks.reindex_tenant):
            task(anna.tenant_id)
    assert len(repo.commits()) == 2
    with reading() as session:
        assert jobs.list_all(session, anna, now=NOON).count == jobs.count(session, anna) == 1


def test_the_sweep_finds_a_head_that_moved_without_a_word(anna: Actor, forge: Forgejo, tenant_name: str) -> None:
    sweeping = Sweep(forge)
    sweeping.once(clock.now())
    work()
    head = Repo(forge, "crontopus", f"job-manifests-{tenant_name}").commit({"production/x.yaml": b"x: 1\n"})
    sweeping.once(clock.now() + 2 * POLL)
    work()
    with reading() as session:
        tenant = session.get(Tenant, anna.tenant_id)
    assert tenant is not None
    assert tenant.indexed_head == head


class Line(httpx.BaseTransport):
    """The line to the Git server, which can be cut."""

    cut = False

    def __init__(self) -> None:
        self._whole = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.cut:
            raise httpx.ConnectError("cut")
        return self._whole.handle_request(request)

    def close(self) -> None:
        self._whole.close()


def test_a_push_that_nobody_told_of_is_indexed_at_once_after_a_start_and_when_the_forge_is_back(
    anna: Actor, forge: Forgejo, tenant_name: str
) -> None:
    repo, now, line = Repo(forge, "crontopus", f"job-manifests-{tenant_name}"), clock.now(), Line()

    def indexed() -> str:
        with reading() as session:
            return session.get_one(Tenant, anna.tenant_id).indexed_head

    with Forgejo(forge.url, FORGE_USER, FORGE_PASSWORD, transport=line) as ours:
        sweeping = Sweep(ours)
        first = repo.commit({"production/x.yaml": b"x: 1\n"})
        sweeping.once(now)
        work()
        assert indexed() == first
        line.cut = True
        sweeping.once(now)
        second = repo.commit({"production/x.yaml": b"x: 2\n"})
        line.cut = False
        sweeping.once(now)
        work()
        assert indexed() == second


def test_while_the_forge_is_away_the_sweep_says_what_changes_wait_for(anna: Actor) -> None:
    with writing() as session:
        change = edits.create(session, anna, FORM, clock.now())
    with Forgejo("http://127.0.0.1:9", "x", "y") as away:
        Sweep(away).once(clock.now() + POLL)
    with reading() as session:
        row = session.get(Change, change.id)
    assert row is not None
    assert (row.state, row.error) == ("pending", "waiting: the Git server does not respond")


def test_the_sweep_shuts_and_opens_git_as_the_tenant_is_suspended(
    anna: Actor, forge: Forgejo, tenant_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = git_credentials.create(anna, wire.GitCredentialRequest("laptop", "read"), forge, clock.now())
    where = f"{forge.url}/api/v1/repos/crontopus/job-manifests-{tenant_name}"
    for suspended, answer in ((True, 404), (False, 200)):
        with writing() as session:
            session.get_one(Tenant, anna.tenant_id).suspended = suspended
        sweep(forge, clock.now())
        assert httpx.get(where, auth=("x", made.token or "")).status_code == answer
    with writing() as session:
        session.execute(update(GitCredential).values(state="ending"))
    with configured_at("http://127.0.0.1:9"):
        tasks.settle_git_access(anna.tenant_id)
    assert "failed and is repeated" in caplog.text
    sweep(forge, clock.now())
    assert httpx.get(where, auth=("x", made.token or "")).status_code == 401


def test_the_sweep_finishes_what_a_deleted_account_has_left(anna: Actor, forge: Forgejo, tenant_name: str) -> None:
    form = wire.AccountDeletion(anna.username, PASSWORD)
    tenant_deletion.delete_account(anna, form, clock.now())
    queue.redis().flushall()  # its ring is lost
    sweep(forge, clock.now())
    with pytest.raises(ForgeNotFound):
        Repo(forge, "crontopus", f"job-manifests-{tenant_name}").commits()
    with writing() as session:
        tenant = session.get_one(Tenant, anna.tenant_id)
        assert tenant.provisioning == "deleting"
        tenant.deleted_at = clock.now() - tenant_deletion.SETTLE
        session.add(tenant)
    sweep(forge, clock.now())
    with reading() as session:
        assert session.get_one(Tenant, anna.tenant_id).provisioning == "deleted"
        assert due_work.deleting(session) == []
