"""Changes: pending edits of a tenant's repository. Their rows are the queue; Redis only starts the worker."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Concatenate, ParamSpec

from sqlmodel import Session, col, func, select

from contract import wire
from crontopus_app.base import queue
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import after_commit, reading, writing
from crontopus_app.base.errors import Conflict, NotFound, PreconditionFailed
from crontopus_app.base.live import Event, publish
from crontopus_app.models import Change, Endpoint, JobIndex, Monitor, Tenant

P = ParamSpec("P")

WAIT_S = 6.0
POLL_S = 0.03
INDEX_GRACE_S = 2.0
DOWN = "waiting: "


@dataclass(frozen=True)
class Submitted:
    """A pending change. A ``conditional`` one is refused if the file differs from the blob that its author read."""

    id: str
    path: str
    content: bytes | None
    conditional: bool


def save(submit: Callable[Concatenate[Session, P], Submitted], *args: P.args, **kwargs: P.kwargs) -> wire.ChangeStatus:
    """Submits a change in its own transaction and waits for its commit: done, or pending after the timeout.

    Raises Conflict or PreconditionFailed if it was refused. Blocks, so call it from a thread.
    """
    with writing() as session:
        submitted = submit(session, *args, **kwargs)
    status = wait(submitted.id)
    if status.state == "failed":
        error = PreconditionFailed if submitted.conditional else Conflict
        raise error(status.error or "The change was refused. Reload the file and try again.", code="change_failed")
    return status


def submit(
    session: Session,
    actor: Actor,
    operation: str,
    path: str,
    message: str,
    now: datetime,
    *,
    content: bytes | None = None,
    base_sha: str | None = None,
) -> Submitted:
    """Adds a pending change, and queues its commit.

    ``operation`` is create, update, delete, or edit. For an edit, ``content`` is JSON with the fields to set, which the
    commit task applies to the file at that time. With ``base_sha``, the change is refused unless the file is that blob.
    """
    pending = Change.tenant_id == actor.tenant_id, Change.state == "pending"
    last = session.exec(select(func.max(Change.sequence)).where(*pending)).one()
    change = Change(
        tenant_id=actor.tenant_id,
        sequence=(last or 0) + 1,
        user_id=actor.user_id,
        author_name=actor.username,
        author_email=actor.email,
        operation=operation,
        path=path,
        content=content,
        base_sha=base_sha,
        message=message,
        created_at=now,
    )
    session.add(change)
    session.flush()
    after_commit(session, queue.ring, "commit_changes", change.tenant_id)
    after_commit(session, publish, Event(change.tenant_id, "change", change.id))
    return _submitted(change)


def submitted(session: Session, change_id: str) -> Submitted:
    """A change that was submitted earlier."""
    return _submitted(session.get_one(Change, change_id))


def _submitted(change: Change) -> Submitted:
    return Submitted(change.id, change.path, change.content, conditional=change.base_sha is not None)


def get(session: Session, actor: Actor, change_id: str) -> wire.ChangeStatus:
    """The status of a change; raises NotFound."""
    actor.require("read:jobs")
    row = session.get(Change, change_id)
    if row is None or row.tenant_id != actor.tenant_id:
        raise NotFound(f"No change {change_id}.")
    return _with_hosts(session, actor.tenant_id, [row])[0]


def recent(session: Session, actor: Actor, count: int) -> list[wire.ChangeStatus]:
    """The tenant's newest ``count`` changes with their status, newest first."""
    actor.require("read:jobs")
    has_author = (col(Change.user_id) != "") | col(Change.commit_sha).is_not(None)
    query = select(Change).where(Change.tenant_id == actor.tenant_id, has_author)
    newest = query.order_by(col(Change.created_at).desc(), col(Change.sequence).desc())
    return _with_hosts(session, actor.tenant_id, session.exec(newest.limit(count)).all())


def wait(change_id: str, timeout_s: float = WAIT_S) -> wire.ChangeStatus:
    """Waits until the change is committed and indexed, or failed, or until the timeout; returns its status.

    Blocks, so call it from a thread, and outside a transaction.
    """
    end = time.monotonic() + timeout_s
    while True:
        with reading() as session:
            row = session.get(Change, change_id)
            if row is None:
                raise NotFound(f"No change {change_id}.")
            if row.state == "done":
                end = min(end, time.monotonic() + INDEX_GRACE_S)
            ended = row.state == "failed" or (row.state == "done" and _is_indexed(session, row))
            if ended or time.monotonic() > end:
                return shape(row)
        time.sleep(POLL_S)


def status(session: Session, change_id: str) -> wire.ChangeStatus:
    """The change as it is now, without the hosts that applied it."""
    return shape(session.get_one(Change, change_id))


def statuses(change_ids: Sequence[str]) -> list[wire.ChangeStatus]:
    """The changes as they are now, in this order, without the hosts that applied them."""
    with reading() as session:
        return [status(session, change_id) for change_id in change_ids]


def _is_indexed(session: Session, row: Change) -> bool:
    """Whether the index includes the change's commit."""
    tenant = session.get(Tenant, row.tenant_id)
    if tenant is None or row.done_at is None:
        return True
    return tenant.indexed_head == row.commit_sha or (tenant.indexed_at is not None and tenant.indexed_at >= row.done_at)


def shape(row: Change, applied: int = 0, expected: int = 0) -> wire.ChangeStatus:
    return wire.ChangeStatus(
        id=row.id,
        state=row.state,
        operation=row.operation,
        path=row.path,
        commit=row.commit_sha,
        error=row.error,
        author=row.author_name,
        created_at=row.created_at,
        applied=applied,
        expected=expected,
        said=row.summary,
        pushed=not row.user_id,
    )


def _with_hosts(session: Session, tenant_id: str, rows: Sequence[Change]) -> list[wire.ChangeStatus]:
    """The status of changes, with the number of endpoints that applied each. A constant number of queries."""
    hosts = _heads(session, tenant_id, {row.path for row in rows})
    later = _commits_since(session, tenant_id, rows)
    tenant = session.get(Tenant, tenant_id)
    newest = {tenant.head} if tenant else set()
    statuses = []
    for row in rows:
        heads = newest | {sha for sha, at in later if row.done_at and at >= row.done_at}
        applied = sum(1 for head in hosts[row.path] if head in heads) if row.state == "done" else 0
        statuses.append(shape(row, applied, len(hosts[row.path])))
    return statuses


def _heads(session: Session, tenant_id: str, paths: set[str]) -> dict[str, list[str]]:
    """The commits that the endpoints of each file's job have applied, by path."""
    query = (
        select(JobIndex.path, Endpoint.head_applied)
        .join(Monitor, (col(Monitor.job_id) == JobIndex.job_id) & (col(Monitor.tenant_id) == JobIndex.tenant_id))
        .join(Endpoint, col(Endpoint.id) == Monitor.endpoint_id)
        .where(JobIndex.tenant_id == tenant_id, col(JobIndex.path).in_(paths), Monitor.state != "retired")
    )
    heads: dict[str, list[str]] = defaultdict(list)
    for path, head in session.exec(query):
        heads[path].append(head)
    return heads


def _commits_since(session: Session, tenant_id: str, rows: Sequence[Change]) -> list[tuple[str, datetime]]:
    """The commits since the oldest of these changes. An endpoint that applied one has applied all before it."""
    times = [row.done_at for row in rows if row.state == "done" and row.done_at]
    if not times:
        return []
    later = (Change.tenant_id == tenant_id, Change.state == "done", col(Change.done_at) >= min(times))
    query = select(Change.commit_sha, Change.done_at).where(*later)
    return [(sha, at) for sha, at in session.exec(query) if sha and at]
