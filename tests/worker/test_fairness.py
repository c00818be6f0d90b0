"""What one tenant's tasks take does not keep another's waiting: queues, slices, and who fails rests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rq import Queue
from sqlalchemy import Engine, update
from sqlmodel import col, select

from crontopus_app.base import clock, queue
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.settings import settings as configured_settings
from crontopus_app.forge.client import Forgejo
from crontopus_app.jobs import changes, commit, edits, repository, webhook
from crontopus_app.jobs.changes import Submitted
from crontopus_app.jobs.index import index
from crontopus_app.models import Change, JobIndex, Tenant
from crontopus_app.operations import due_work, provisioning
from tests.cast import NOON, join
from tests.fixtures.forge_server import (
    ForgeServer,
    Relay,
    configured_at,
    forge,
    forge_server,
    tenant_name,
)
from tests.fixtures.processes import free_port, running, wait_until
from tests.fixtures.repositories import Repo
from tests.worker.test_tasks import work
from tests.worker.test_worker import ARGV, environment, working
from worker import tasks
from worker.sweep import Sweep

__all__ = ["forge", "forge_server", "tenant_name"]

FORM = {"name": "backup", "namespace": "production", "schedule": "0 2 * * *", "command": "/opt/backup.sh"}
MANIFEST = b"apiVersion: v1\nkind: Job\nmetadata:\n  name: %s\nspec:\n  schedule: '0 2 * * *'\n  command: x\n"


@pytest.fixture
def anna(sqlite_db: Engine, redis_url: str, forge: Forgejo, tenant_name: str) -> Actor:
    actor = join(tenant_name).actor
    provisioning.provision(actor.tenant_id, forge, clock.now())
    queue.redis().flushall()
    return actor


@pytest.fixture
def repo(forge: Forgejo, tenant_name: str) -> Repo:
    return Repo(forge, "crontopus", f"job-manifests-{tenant_name}")


def create(actor: Actor, name: str = "backup") -> Submitted:
    with writing() as session:
        return edits.create(session, actor, {**FORM, "name": name}, clock.now())


def state(change: Submitted) -> tuple[str, str]:
    with reading() as session:
        row = session.get_one(Change, change.id)
    return row.state, row.error or ""


def tenant(actor: Actor) -> Tenant:
    with reading() as session:
        return session.get_one(Tenant, actor.tenant_id)


def waiting(name: str) -> list[tuple[str, tuple[Any, ...]]]:
    jobs = Queue(name, connection=queue.redis()).jobs
    return [(str(job.func_name).rpartition(".")[2], tuple(job.args)) for job in jobs]


# Rings


def test_one_ring_of_a_task_and_tenant_waits_at_a_time(redis_url: str) -> None:
    for _ in range(3):
        assert queue.ring("commit_changes", "anna")
    queue.ring("commit_changes", "bob")
    queue.ring("index_tenant", "anna")
    assert waiting(queue.QUEUE) == [("commit_changes", ("anna",)), ("commit_changes", ("bob",))]
    assert waiting(queue.LONG_QUEUE) == [("index_tenant", ("anna",))]


def test_rings_at_one_instant_are_one(redis_url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: queue.ring("commit_changes", "anna"), range(40)))
    assert len(waiting(queue.QUEUE)) == 1


def test_a_task_that_has_begun_may_have_looked_too_early_and_is_rung_for_again(redis_url: str) -> None:
    queue.ring("commit_changes", "anna")
    served = Queue(queue.QUEUE, connection=queue.redis())
    assert Queue.dequeue_any([served], None, queue.redis()) is not None
    queue.ring("commit_changes", "anna")
    assert len(waiting(queue.QUEUE)) == 1


def test_a_ring_that_was_lost_with_its_queue_does_not_silence_the_next(redis_url: str) -> None:
    queue.ring("commit_changes", "anna")
    Queue(queue.QUEUE, connection=queue.redis()).empty()
    queue.ring("commit_changes", "anna")
    assert len(waiting(queue.QUEUE)) == 1


def test_no_limit_of_time_cuts_a_task_in_two(redis_url: str) -> None:
    queue.ring("index_tenant", "anna")
    (job,) = Queue(queue.LONG_QUEUE, connection=queue.redis()).jobs
    assert job.timeout == -1


def test_the_sweep_rings_and_does_nothing_itself(anna: Actor, forge: Forgejo) -> None:
    change = create(anna)
    Sweep(forge).once(clock.now() + timedelta(seconds=5))
    assert waiting(queue.QUEUE) == [("commit_changes", (anna.tenant_id,))]
    assert state(change)[0] == "pending"


def test_without_redis_the_sweep_does_the_work(anna: Actor, forge: Forgejo, monkeypatch: pytest.MonkeyPatch) -> None:
    change = create(anna)
    monkeypatch.setenv("CRONTOPUS_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    configured_settings.cache_clear()
    queue.redis.cache_clear()
    Sweep(forge).once(clock.now() + timedelta(seconds=5))
    assert state(change)[0] == "done"


# Slices


def test_a_worker_for_edits_leaves_alone_what_takes_long(anna: Actor, tmp_path: Path) -> None:
    queue.ring("index_tenant", anna.tenant_id)
    with running([*ARGV, "--edits"], tmp_path / "worker.log", env=environment()):
        wait_until(working, "the worker to come up")
        change = create(anna)
        assert changes.wait(change.id, 20).state == "done"
        assert waiting(queue.LONG_QUEUE) == [("index_tenant", (anna.tenant_id,))]


def test_a_worker_takes_edits_before_what_takes_long(anna: Actor, forge: Forgejo) -> None:
    queue.ring("reindex_tenant", anna.tenant_id)
    change = create(anna)
    work()
    with reading() as session:
        row, read = session.get_one(Change, change.id), session.get_one(Tenant, anna.tenant_id).indexed_at
    assert row.done_at is not None
    assert read is not None
    assert row.done_at < read


def test_many_changes_are_committed_in_slices_between_which_others_come(anna: Actor, forge: Forgejo) -> None:
    made = [create(anna, f"job-{number}") for number in range(3)]
    with writing() as session:
        for number, change in enumerate(made):
            session.get_one(Change, change.id).author_name = f"author {number}"
    assert commit.commit_changes(anna.tenant_id, forge, seconds=0)
    assert [state(change)[0] for change in made] == ["done", "pending", "pending"]
    tasks.commit_changes(anna.tenant_id)
    work()
    assert {state(change)[0] for change in made} == {"done"}


def test_a_commit_of_ours_does_not_read_a_big_push_that_came_before(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    many = commit.INDEXED_AT_ONCE + 1
    repo.commit({f"production/job-{number}.yaml": MANIFEST % b"job-%d" % number for number in range(many)})
    change = create(anna)
    tasks.commit_changes(anna.tenant_id)
    assert state(change)[0] == "done"
    with reading() as session:
        assert session.exec(select(JobIndex)).all() == []
    assert waiting(queue.LONG_QUEUE) == [("index_tenant", (anna.tenant_id,))]
    work()
    with reading() as session:
        assert len(session.exec(select(JobIndex.id)).all()) == many + 1


def test_a_history_is_read_in_slices_that_ring_for_the_next(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/old.yaml": MANIFEST % b"old"})
    for number in range(60):
        repo.commit({f"notes-{number}.txt": b"x"})
    index(anna.tenant_id, forge, clock.now())
    tasks.read_history(anna.tenant_id, seconds=0)
    assert waiting(queue.LONG_QUEUE) == [("read_history", (anna.tenant_id,))]
    work()
    with reading() as session:
        assert all(session.exec(select(JobIndex.commit_sha)))


# A repository that fails


class Frozen:
    """One repository of the forge answers every commit with an error of the server."""

    def __init__(self, name: str) -> None:
        self.name, self.tries, self.frozen = name, 0, True

    def refuses(self, method: str, path: str) -> bool:
        refused = self.frozen and method == "POST" and path.endswith(f"/{self.name}/contents")
        self.tries += refused
        return refused


@pytest.fixture
def frozen(forge_server: ForgeServer, forge: Forgejo, tenant_name: str) -> Any:
    """The forge that the tasks use, with this tenant's repository frozen."""
    frozen = Frozen(f"job-manifests-{tenant_name}")
    with Relay(forge_server.url, frozen.refuses).serving() as url, configured_at(url):
        yield frozen


def test_a_repository_that_fails_is_tried_later_and_later(anna: Actor, forge: Forgejo, frozen: Frozen) -> None:
    change = create(anna)
    for pause in (1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300):
        begun = clock.now()
        tasks.commit_changes(anna.tenant_id)
        work()
        resting = tenant(anna).retry_at
        assert resting is not None
        assert timedelta(seconds=pause / 2) <= resting - begun
        assert resting - clock.now() <= timedelta(seconds=pause)
        wake(anna)
    assert frozen.tries == 11 * commit.TRIES
    assert state(change)[1].startswith("waiting: ")
    frozen.frozen = False
    tasks.commit_changes(anna.tenant_id)
    work()
    assert state(change)[0] == "done"
    assert (tenant(anna).failures, tenant(anna).retry_at) == (0, None)


def wake(actor: Actor) -> None:
    """Its time to be tried again has come."""
    with writing() as session:
        session.execute(update(Tenant).where(col(Tenant.id) == actor.tenant_id).values(retry_at=NOON))


def test_while_it_rests_nothing_asks_for_it_and_new_changes_say_what_they_wait_for(
    anna: Actor, forge: Forgejo, frozen: Frozen
) -> None:
    create(anna)
    tasks.commit_changes(anna.tenant_id)
    with writing() as session:
        session.execute(update(Tenant).values(retry_at=clock.now() + timedelta(minutes=1)))
    tries, second = frozen.tries, create(anna, "another")
    with reading() as session:
        assert due_work.with_changes(session, clock.now() + timedelta(seconds=10)) == []
    tasks.commit_changes(anna.tenant_id)
    work()
    assert frozen.tries == tries
    assert state(second) == (
        "pending",
        "waiting: the repository failed 1 times in a row; it is tried again within minutes",
    )
    with reading() as session:
        assert due_work.with_changes(session, clock.now() + timedelta(minutes=2)) == [anna.tenant_id]


def test_what_failed_is_tried_again_where_no_edit_waits_behind_it(anna: Actor, forge: Forgejo, frozen: Frozen) -> None:
    create(anna)
    tasks.commit_changes(anna.tenant_id)
    tries = frozen.tries
    wake(anna)
    tasks.commit_changes(anna.tenant_id)
    assert frozen.tries == tries
    assert waiting(queue.LONG_QUEUE) == [("retry_changes", (anna.tenant_id,))]


def test_a_good_push_repairs_it(anna: Actor, forge: Forgejo, frozen: Frozen, repo: Repo) -> None:
    create(anna)
    tasks.commit_changes(anna.tenant_id)
    assert tenant(anna).failures == 1
    repo.commit({"production/pushed.yaml": MANIFEST % b"pushed"})
    tasks.index_tenant(anna.tenant_id)
    assert tenant(anna).failures == 0


def test_a_git_server_that_is_away_is_no_repositorys_fault(anna: Actor, forge: Forgejo) -> None:
    create(anna)
    with configured_at("http://127.0.0.1:9"):
        tasks.commit_changes(anna.tenant_id)
        tasks.index_tenant(anna.tenant_id)
    assert (tenant(anna).failures, tenant(anna).retry_at) == (0, None)


# What the page says


def told(actor: Actor) -> repository.Repository:
    with reading() as session:
        return repository.get(session, actor)


def test_from_the_push_on_the_page_knows_that_the_index_is_behind(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    tasks.index_tenant(anna.tenant_id)
    assert told(anna).current
    head = repo.commit({"production/a.yaml": MANIFEST % b"a"})
    webhook.note_head(anna.tenant_id, head)
    assert not told(anna).current
    tasks.index_tenant(anna.tenant_id)
    assert told(anna).current


@pytest.mark.parametrize("after", ["0" * 40, "", "no sha"])
def test_what_is_no_commit_is_no_head(anna: Actor, after: str) -> None:
    before = tenant(anna).head
    webhook.note_head(anna.tenant_id, after)
    assert tenant(anna).head == before


def test_a_head_that_was_told_out_of_order_is_corrected(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    first = repo.commit({"production/a.yaml": MANIFEST % b"a"})
    second = repo.commit({"production/b.yaml": MANIFEST % b"b"})
    index(anna.tenant_id, forge, clock.now())
    webhook.note_head(anna.tenant_id, first)
    index(anna.tenant_id, forge, clock.now())
    assert (tenant(anna).head, tenant(anna).indexed_head) == (second, second)


def test_a_git_server_that_answers_again_is_no_problem_any_more(anna: Actor, forge: Forgejo) -> None:
    tasks.index_tenant(anna.tenant_id)
    with writing() as session:
        session.execute(update(Tenant).where(col(Tenant.id) == anna.tenant_id).values(index_error="it was away"))
    assert not told(anna).current
    tasks.index_tenant(anna.tenant_id)
    assert told(anna).current
