"""Administration of tasks (waiting, running, failed) and of changes that are not committed. For operators only.

Functions that use Redis open their database transactions before or after the calls of Redis.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.worker import BaseWorker
from sqlmodel import Session, col, func, select

from contract import wire_operator as wire
from crontopus_app.base import audit
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import NotFound, Unavailable
from crontopus_app.base.masking import masked
from crontopus_app.base.queue import QUEUES, redis, ring
from crontopus_app.models import Change, Tenant

FAILED_SHOWN = 50
RETRIED_AT_ONCE = 1000
CHANGES_SHOWN = 50
FAILED_CHANGES = timedelta(days=7)
ARGUMENT, ERROR, TRACEBACK = 80, 300, 20_000
TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


def overview(actor: Actor, now: datetime) -> wire.Tasks:
    """Queues, workers, and the newest failed tasks; only the problem if Redis is unavailable."""
    actor.require_operator()
    try:
        with _redis() as connection:
            queues = _queues(connection)
            failed = [task for queue in queues for task in _failed(connection, queue.name)]
            failed.sort(key=lambda task: task.failed_at or now, reverse=True)
            task_queues = [_queue(queue, now) for queue in queues]
            workers = [_worker(worker, now) for worker in Worker.all(connection=connection)]
    except Unavailable as error:
        return wire.Tasks(problem=error.message)
    return wire.Tasks(queues=task_queues, workers=workers, failed=_with_tenants(failed[:FAILED_SHOWN]))


def retry(actor: Actor, task_id: str, now: datetime) -> None:
    """Puts a failed task back into its queue. Raises NotFound, Unavailable."""
    actor.require_operator()
    with _redis() as connection:
        task = _failed_task(connection, task_id)
        _requeue(connection, task)
    _note(actor, "task.retry", task_id, now, _short(task.description or "", ERROR))


def retry_all(actor: Actor, now: datetime) -> wire.Retried:
    """Puts all failed tasks back into their queues, up to 1,000 per queue. Raises Unavailable."""
    actor.require_operator()
    count = 0
    with _redis() as connection:
        for queue in _queues(connection):
            ids = FailedJobRegistry(queue=queue).get_job_ids(0, RETRIED_AT_ONCE - 1)
            count += sum(_requeue(connection, task) for task in Job.fetch_many(ids, connection=connection) if task)
    _note(actor, "task.retry_all", f"{count} tasks", now)
    return wire.Retried(count)


def discard(actor: Actor, task_id: str, now: datetime) -> None:
    """Deletes a failed task. Raises NotFound, Unavailable."""
    actor.require_operator()
    with _redis() as connection:
        task = _failed_task(connection, task_id)
        registry = FailedJobRegistry(task.origin, connection=connection)
        registry.remove(task, delete_job=True)
    _note(actor, "task.discard", task_id, now, _short(task.description or "", ERROR))


def ring_changes(actor: Actor, tenant_id: str, now: datetime) -> None:
    """Queues the commit of a tenant's pending changes. Raises NotFound, Unavailable."""
    actor.require_operator()
    with reading() as session:
        if session.get(Tenant, tenant_id) is None:
            raise NotFound(f"No tenant {tenant_id!r}.")
    if not ring("commit_changes", tenant_id):
        raise Unavailable("Redis does not respond. The changes are committed by the next sweep.", part="redis")
    _note(actor, "tenant.commit", tenant_id, now)


def _note(actor: Actor, action: str, subject: str, now: datetime, detail: str = "") -> None:
    with writing() as session:
        audit.record(session, actor, action, subject, now, detail)


def oldest_waiting_s(queue: Queue, now: datetime) -> float | None:
    """The waiting time of the oldest task in seconds; None without one. Raises RedisError."""
    ids = queue.get_job_ids(0, 1)
    (first,) = Job.fetch_many(ids, connection=queue.connection) if ids else (None,)
    if first is None or first.enqueued_at is None:
        return None
    return max(0.0, (now - _aware(first.enqueued_at)).total_seconds())


def heartbeat_s(worker: BaseWorker, now: datetime) -> float | None:
    """The age of the worker's last heartbeat in seconds."""
    heartbeat = worker.last_heartbeat
    return max(0.0, (now - _aware(heartbeat)).total_seconds()) if heartbeat else None


@contextmanager
def _redis() -> Iterator[Redis]:
    try:
        yield redis()
    except RedisError as error:
        raise Unavailable("Redis does not respond, so the queues cannot be read. Try again.", part="redis") from error


def _queues(connection: Redis) -> list[Queue]:
    """All queues, those of Crontopus first."""
    names = {queue.name for queue in Queue.all(connection=connection)} - {*QUEUES}
    return [Queue(name, connection=connection) for name in (*QUEUES, *sorted(names))]


def _queue(queue: Queue, now: datetime) -> wire.TaskQueue:
    return wire.TaskQueue(
        name=queue.name,
        waiting=queue.count,
        oldest_s=oldest_waiting_s(queue, now),
        running=StartedJobRegistry(queue=queue).get_job_count(cleanup=False),
        scheduled=ScheduledJobRegistry(queue=queue).get_job_count(cleanup=False),
        failed=FailedJobRegistry(queue=queue).get_job_count(),
    )


def _worker(worker: BaseWorker, now: datetime) -> wire.TaskWorker:
    running = [execution.job_id for execution in worker.get_current_executions()]
    tasks = [task for task in Job.fetch_many(running, connection=worker.connection) if task]
    return wire.TaskWorker(
        name=worker.name,
        state=str(worker.get_state()),
        task=_short(", ".join(task.description or task.id for task in tasks), ERROR),
        heartbeat_s=heartbeat_s(worker, now),
        born_at=_aware(worker.birth_date) if worker.birth_date else None,
        done=worker.successful_job_count,
        failed=worker.failed_job_count,
    )


def _failed(connection: Redis, queue: str) -> list[wire.FailedTask]:
    """The queue's failed tasks, newest first."""
    ids = FailedJobRegistry(queue, connection=connection).get_job_ids(0, FAILED_SHOWN - 1, desc=True)
    return [_shape(task) for task in Job.fetch_many(ids, connection=connection) if task]


def _shape(task: Job) -> wire.FailedTask:
    function, arguments = call_of(task.description or "")
    result = task.latest_result()
    traceback = masked((result.exc_string if result else "") or "")
    lines = traceback.strip().splitlines()
    return wire.FailedTask(
        id=task.id,
        queue=task.origin,
        function=function or task.id,
        arguments=[_short(argument, ARGUMENT) for argument in arguments],
        tenant_id=arguments[0] if arguments else "",
        error=_short(lines[-1], ERROR) if lines else "no traceback available",
        traceback=traceback[-TRACEBACK:],
        failed_at=_aware(task.ended_at) if task.ended_at else None,
    )


def call_of(description: str) -> tuple[str, list[str]]:
    """Function and arguments from RQ's description of a task, such as ``worker.tasks.index_tenant('anna')``.

    The task's own arguments are pickled, and are not unpickled only to be shown.
    """
    try:
        call = ast.parse(description, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        call = None
    if not isinstance(call, ast.Call):  # for example, RQ cut the arguments off
        function, _, arguments = description.partition("(")
        return function, [arguments.removesuffix(")")] if arguments else []
    keywords = [f"{keyword.arg}={ast.unparse(keyword.value)}" for keyword in call.keywords]
    return ast.unparse(call.func), [_literal(argument) for argument in call.args] + keywords


def _literal(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)


def _with_tenants(failed: list[wire.FailedTask]) -> list[wire.FailedTask]:
    """Clears the tenant of tasks whose first argument is not a tenant's id."""
    with reading() as session:
        existing = set(session.exec(select(Tenant.id).where(col(Tenant.id).in_({task.tenant_id for task in failed}))))
    return [task if task.tenant_id in existing else replace(task, tenant_id="") for task in failed]


def _failed_task(connection: Redis, task_id: str) -> Job:
    try:
        task = Job.fetch(task_id, connection=connection) if TASK_ID.fullmatch(task_id) else None
    except NoSuchJobError:
        task = None
    if task is None or task not in FailedJobRegistry(task.origin, connection=connection):
        raise NotFound("This failed task no longer exists: it was retried or deleted, or it has expired.")
    return task


def _requeue(connection: Redis, task: Job) -> bool:
    """Requeues a failed task; False if it is no longer failed."""
    try:
        FailedJobRegistry(task.origin, connection=connection).requeue(task)
    except InvalidJobOperation:
        return False
    return True


def _short(text: str, length: int) -> str:
    text = masked(text)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _aware(at: datetime) -> datetime:
    """The time in UTC. RQ stores UTC with or without a zone."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def open_changes(session: Session, actor: Actor, now: datetime) -> list[wire.OpenChange]:
    """Uncommitted changes of all tenants: pending ones, oldest first, then those that failed in the last week."""
    actor.require_operator()
    # An index covers this query; rows, whose content may be long, are read only for the tenants that it finds.
    counted = select(Change.tenant_id, Change.state).where(col(Change.state).in_(("pending", "failed")))
    tenants: dict[str, list[str]] = {"pending": [], "failed": []}
    for tenant_id, state in session.exec(counted.group_by(col(Change.tenant_id), col(Change.state))):
        tenants[state].append(tenant_id)
    pending = col(Change.tenant_id).in_(tenants["pending"]), col(Change.state) == "pending"
    since = col(Change.done_at) >= now - FAILED_CHANGES
    failed = col(Change.tenant_id).in_(tenants["failed"]), col(Change.state) == "failed", since
    oldest = _CHANGE.where(*pending).order_by(col(Change.created_at)).limit(CHANGES_SHOWN)
    latest = _CHANGE.where(*failed).order_by(col(Change.done_at).desc()).limit(CHANGES_SHOWN)
    return [_change(row) for query in (oldest, latest) for row in session.execute(query)]


_CHANGE = sa.select(
    col(Change.id),
    col(Change.tenant_id),
    col(Change.state),
    col(Change.operation),
    col(Change.path),
    col(Change.author_name),
    func.coalesce(col(Change.error), ""),
    col(Change.attempts),
    col(Change.created_at),
)


def _change(row: Any) -> wire.OpenChange:
    change = wire.OpenChange(*row)
    return replace(change, error=masked(change.error))
