"""What waits, runs and failed: real tasks on a real Redis."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from rq import Queue, SimpleWorker
from rq.job import Job
from sqlalchemy import Engine
from sqlmodel import col, select

from contract import wire_operator as wire
from crontopus_app.base import clock, queue
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import Forbidden, NotFound, Unavailable
from crontopus_app.base.settings import settings
from crontopus_app.models import Audit, Change
from crontopus_app.operations import task_admin
from tests.cast import Member, join
from tests.fixtures import failing
from tests.fixtures.processes import free_port

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def olga(db: Engine, redis_url: str) -> Member:
    return join("olga", operator=True)


def work() -> None:
    """A worker runs what is in the queue, in this process."""
    worker = SimpleWorker([tasks()], connection=queue.redis())
    worker.work(burst=True, logging_level="CRITICAL")


def tasks() -> Queue:
    return Queue(queue.QUEUE, connection=queue.redis())


def fail(*arguments: str) -> str:
    """A task that really fails; gives its id."""
    task = tasks().enqueue("tests.fixtures.failing.fail", *arguments)
    work()
    return task.id


@pytest.fixture(autouse=True)
def _quiet_worker(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", logger="rq.worker")


def look(member: Member) -> wire.Tasks:
    return task_admin.overview(member.actor, clock.now())


@pytest.mark.logs_errors
def test_a_task_that_fails_is_listed_and_retried(olga: Member) -> None:
    task_id = fail("olga")
    (failed,) = look(olga).failed
    assert (failed.id, failed.function, failed.arguments) == (task_id, "tests.fixtures.failing.fail", ["olga"])
    assert (failed.tenant_id, failed.queue) == ("olga", queue.QUEUE)
    assert failed.error == "RuntimeError: it went wrong with olga"
    assert "Traceback (most recent call last)" in failed.traceback
    assert failed.failed_at is not None
    assert abs(clock.now() - failed.failed_at) < timedelta(minutes=5)
    task_admin.retry(olga.actor, task_id, clock.now())
    again = look(olga)
    assert (again.failed, again.queues[0].waiting, again.queues[0].failed) == ([], 1, 0)
    assert again.queues[0].oldest_s is not None
    work()
    assert [one.id for one in look(olga).failed] == [task_id]
    assert trail() == [("task.retry", task_id)]


def trail() -> list[tuple[str, str]]:
    with reading() as session:
        return [(row.action, row.subject) for row in session.exec(select(Audit).order_by(col(Audit.at)))]


@pytest.mark.logs_errors
def test_all_are_retried_and_one_is_discarded(olga: Member) -> None:
    ids = {fail("a"), fail("b"), fail("c")}
    gone = look(olga).failed[0].id
    task_admin.discard(olga.actor, gone, clock.now())
    assert {one.id for one in look(olga).failed} == ids - {gone}
    assert not Job.exists(gone, connection=queue.redis())
    assert task_admin.retry_all(olga.actor, clock.now()) == wire.Retried(2)
    assert set(tasks().get_job_ids()) == ids - {gone}
    assert [action for action, _ in trail()] == ["task.discard", "task.retry_all"]


@pytest.mark.logs_errors
def test_secrets_in_arguments_and_tracebacks_are_masked(olga: Member) -> None:
    fail("postgresql://me:hunter22@db/x", "ctp_abcdefghijklmnop")
    told = str(look(olga))
    assert "hunter22" not in told
    assert "abcdefghijklmnop" not in told
    assert "postgresql://me:••••••@db/x" in told


@pytest.mark.logs_errors
def test_long_arguments_are_shortened(olga: Member) -> None:
    fail("x" * 5000)
    (failed,) = look(olga).failed
    assert failed.function == "tests.fixtures.failing.fail"
    assert max(len(argument) for argument in failed.arguments) <= task_admin.ARGUMENT
    assert len(failed.error) <= task_admin.ERROR
    assert failed.tenant_id == ""


@pytest.mark.logs_errors
def test_the_newest_failure_comes_first(olga: Member) -> None:
    first, second = fail("a"), fail("b")
    # Redis orders by the second in which they expire: make them different.
    queue.redis().zincrby(f"rq:failed:{queue.QUEUE}", -60, first)
    assert [one.id for one in look(olga).failed] == [second, first]


def test_a_waiting_task_has_its_age(olga: Member) -> None:
    tasks().enqueue("tests.fixtures.failing.fail", "olga")
    found, long = task_admin.overview(olga.actor, clock.now() + timedelta(minutes=5)).queues
    assert (long.name, long.waiting) == (queue.LONG_QUEUE, 0)
    assert (found.name, found.waiting, found.failed) == (queue.QUEUE, 1, 0)
    assert found.oldest_s is not None
    assert 299 <= found.oldest_s < 600


def test_a_worker_is_shown_with_its_heartbeat(olga: Member) -> None:
    worker = SimpleWorker([tasks()], name="here", connection=queue.redis())
    worker.register_birth()
    try:
        (found,) = look(olga).workers
    finally:
        worker.register_death()
    assert (found.name, found.task, found.done, found.failed) == ("here", "", 0, 0)
    assert found.heartbeat_s is not None
    assert found.heartbeat_s < 60


def test_a_worker_is_shown_with_its_task(olga: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task itself looks, so that it is certainly running."""
    seen: list[wire.Tasks] = []
    # What the failing task of these tests does on its way.
    monkeypatch.setattr(failing, "meanwhile", lambda: seen.append(look(olga)))
    task = tasks().enqueue("tests.fixtures.failing.look", "olga")
    work()
    (found,) = seen[0].workers
    assert (found.state, found.task) == ("busy", "tests.fixtures.failing.look('olga')")
    assert seen[0].queues[0].running == 1
    # RQ forgets a task that is deleted while it runs.
    task.delete()


@pytest.mark.parametrize("task_id", [NOBODY, "", "a b", "../x", "x" * 500, "ümlaut", "*"])
def test_a_task_that_did_not_fail_cannot_be_retried(olga: Member, task_id: str) -> None:
    waiting = tasks().enqueue("tests.fixtures.failing.fail", "olga").id
    for service in (task_admin.retry, task_admin.discard):
        for one in (task_id, waiting):
            with pytest.raises(NotFound, match="failed task no longer exists"):
                service(olga.actor, one, clock.now())
    assert tasks().get_job_ids() == [waiting]


def test_only_operators_look_and_act(olga: Member) -> None:
    alice = join("alice").actor
    now = clock.now()
    for call in (
        lambda: task_admin.overview(alice, now),
        lambda: task_admin.retry(alice, NOBODY, now),
        lambda: task_admin.retry_all(alice, now),
        lambda: task_admin.discard(alice, NOBODY, now),
        lambda: task_admin.ring_changes(alice, "olga", now),
    ):
        with pytest.raises(Forbidden, match="Only operators"):
            call()
    with pytest.raises(Forbidden, match="Only operators"), reading() as session:
        task_admin.open_changes(session, alice, now)


def test_redis_away_is_said(olga: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRONTOPUS_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    settings.cache_clear()
    queue.redis.cache_clear()
    told = look(olga)
    assert told == wire.Tasks(problem="Redis does not respond, so the queues cannot be read. Try again.")
    with pytest.raises(Unavailable):
        task_admin.retry_all(olga.actor, clock.now())


@pytest.mark.parametrize(
    ("description", "function", "arguments"),
    [
        ("worker.tasks.index_tenant('anna')", "worker.tasks.index_tenant", ["anna"]),
        ("f('a', 2, key='b')", "f", ["a", "2", "key='b'"]),
        ("f('cut off in the mid...)", "f", ["'cut off in the mid..."]),
        ("no call", "no call", []),
        ("", "", []),
        ("f(__import__('os').system('x'))", "f", ["__import__('os').system('x')"]),
    ],
)
def test_a_description_is_read_and_never_run(description: str, function: str, arguments: list[str]) -> None:
    assert task_admin.call_of(description) == (function, arguments)


def add_change(tenant: str, state: str, *, age: timedelta, error: str | None = None) -> str:
    at = clock.now() - age
    change = Change(
        tenant_id=tenant,
        user_id="someone",
        author_name=tenant,
        author_email="x@example.org",
        operation="create",
        path=f"production/{uuid.uuid4().hex[:8]}.yaml",
        content=b"x" * 1000,
        message="a job",
        state=state,
        error=error,
        created_at=at,
        done_at=at if state != "pending" else None,
    )
    with writing() as session:
        session.add(change)
    return change.id


def test_changes_that_are_no_commits_are_listed_over_all_tenants(olga: Member) -> None:
    join("alice")
    old = add_change("alice", "pending", age=timedelta(hours=2), error="waiting: the Git server does not respond")
    young = add_change("olga", "pending", age=timedelta(minutes=1))
    failed = add_change("alice", "failed", age=timedelta(days=1), error="refused: https://u:secret99@forge/x")
    add_change("alice", "failed", age=timedelta(days=8))
    add_change("alice", "done", age=timedelta(days=1))
    with reading() as session:
        found = task_admin.open_changes(session, olga.actor, clock.now())
    assert [one.id for one in found] == [old, young, failed]
    assert (found[0].tenant_id, found[0].error) == ("alice", "waiting: the Git server does not respond")
    assert "secret99" not in found[2].error
