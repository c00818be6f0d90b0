"""Commits pending changes: all changes of a repository, in order, each exactly once.

1. A lease lets one process at a time work on a repository.
2. A change that was attempted before is first looked for in the history by its ``Change-Id`` trailer: the process may
   have died, or the response been lost, after the commit was made.
3. The changes of one author become one commit, which names the blobs that it replaces. If the branch has moved, the
   forge refuses it, and the changes are combined again on the new head.
4. While the forge does not respond, changes stay pending; their ``error`` says what they wait for. A failing repository
   is tried again with increasing delays (``backoff``) by the sweep.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, select

from contract import wire
from crontopus_app.base import clock, queue
from crontopus_app.base.db import after_commit, reading, writing
from crontopus_app.base.errors import CrontopusError, NotFound, Unavailable
from crontopus_app.base.leases import Clock, HeldLease, LeaseLost, lease
from crontopus_app.base.live import Event, publish
from crontopus_app.forge.client import Author, CommitInfo, ForgeConflict, Forgejo, ForgeRejected
from crontopus_app.forge.names import RepositoryName
from crontopus_app.jobs import backoff, index_rows, policies
from crontopus_app.jobs.batch import Batch, blob_sha, fold
from crontopus_app.jobs.changes import DOWN
from crontopus_app.jobs.index import TooManyFiles, index
from crontopus_app.jobs.trailers import changes_in
from crontopus_app.models import Change, Tenant

log = logging.getLogger(__name__)

TRIES = 3
SLOW_S = 2.0
REFUSED_AFTER = 16
HISTORY_PAGES = 40
HISTORY_SLACK = timedelta(hours=1)
# Above this number of new files (a large push came in between), a separate task indexes them.
INDEXED_AT_ONCE = 100


@dataclass(frozen=True)
class _Repository:
    tenant_id: str
    org: str
    name: str
    branch: str
    ready: bool
    forge: Forgejo
    now: Clock


def commit_changes(tenant_id: str, forge: Forgejo, now: Clock = clock.now, seconds: float = math.inf) -> bool:
    """Commits the tenant's pending changes for about ``seconds``. Returns whether more can be committed now.

    Does not raise for an unavailable forge or a failing repository; the changes say what they wait for.
    """
    end = time.monotonic() + seconds
    while repository := _with_pending(tenant_id, forge, now):
        with lease(f"commit:{tenant_id}", now) as held:
            if held is None or not _drain(repository, held, end):
                return False
        # A change submitted while the lease was being released was not committed: look again.
        if time.monotonic() >= end:
            return True
    return False


def _with_pending(tenant_id: str, forge: Forgejo, now: Clock) -> _Repository | None:
    """The tenant's repository; None if nothing is pending, or if the repository must wait after a failure."""
    with reading() as session:
        tenant = session.get(Tenant, tenant_id)
        if tenant is None or not _pending(session, tenant_id):
            return None
        org, name = RepositoryName.of(tenant.repository)
        repository = _Repository(tenant_id, org, name, tenant.branch, tenant.provisioning == "ready", forge, now)
    if backoff.must_wait(tenant, now()):
        reason = f"the repository failed {tenant.failures} times in a row; it is tried again within minutes"
        _wait(repository, reason, new=True)
        return None
    return repository


def _pending(session: Session, tenant_id: str) -> Sequence[Change]:
    pending = Change.tenant_id == tenant_id, Change.state == "pending"
    return session.exec(select(Change).where(*pending).order_by(*ORDER)).all()


ORDER = (col(Change.sequence), col(Change.created_at), col(Change.id))


def _drain(repository: _Repository, held: HeldLease, end: float) -> bool:
    """Commits until nothing is pending, or until ``end`` (monotonic); False if the changes must wait."""
    if not repository.ready:
        return _wait(repository, "the repository is still being created")
    failures = 0
    while changes := _read_pending(repository):
        began = time.monotonic()
        try:
            held.renew()
            _round(repository, changes)
            failures = 0
        except LeaseLost:
            return False
        except (Unavailable, ForgeConflict, NotFound) as error:
            failures += 1
            # Repeat at once after a quick failure: the branch had moved, or a response was lost.
            if failures >= TRIES or time.monotonic() - began > SLOW_S:
                return _give_up(repository, error)
        if time.monotonic() >= end:
            break
    return True


def _read_pending(repository: _Repository) -> Sequence[Change]:
    with reading() as session:
        return _pending(session, repository.tenant_id)


def _round(repository: _Repository, changes: Sequence[Change]) -> None:
    """Makes one step: records changes that were committed earlier, or else commits those of the first author."""
    attempted = [change for change in changes if change.attempts]
    commits = _find_committed(repository, attempted) if attempted else {}
    if commits:
        for change in attempted:
            if change.id in commits:
                _finish(repository, [change], commits[change.id].sha)
        _index(repository, {})
        return
    org, name, forge = repository.org, repository.name, repository.forge
    head = forge.head(org, name, repository.branch)
    shas = {entry.path: entry.sha for entry in forge.tree(org, name, head)} if head else {}
    with reading() as session:
        policy = policies.of_tenant(session, repository.tenant_id)
    batch = fold(
        changes,
        shas,
        lambda sha: forge.blobs(org, name, [sha])[sha],
        lambda data, path: index_rows.decode(data, path, repository.tenant_id, policy),
    )
    for change, reason in batch.refused:
        _fail(repository, [change], reason)
    if batch.operations:
        _commit(repository, batch)
    elif batch.changes:
        with writing() as session:
            _store_summaries(session, batch)
        _finish(repository, batch.changes, head or "")


def _find_committed(repository: _Repository, attempted: Sequence[Change]) -> dict[str, CommitInfo]:
    """The commits with a trailer of these changes, by change id. Reads no history older than the changes."""
    change_ids = {change.id for change in attempted}
    oldest = min(change.created_at for change in attempted) - HISTORY_SLACK
    by_change: dict[str, CommitInfo] = {}
    for page in range(1, HISTORY_PAGES + 1):
        commits = repository.forge.commits(repository.org, repository.name, ref=repository.branch, page=page)
        for commit in commits:
            by_change |= {change_id: commit for change_id in changes_in(commit.message) if change_id in change_ids}
        if not commits or by_change.keys() == change_ids or all(commit.at < oldest for commit in commits):
            break
    return by_change


def _commit(repository: _Repository, batch: Batch) -> None:
    first = batch.changes[0]
    _count_attempt(batch)
    author = Author(first.author_name, first.author_email)
    org, name, branch = repository.org, repository.name, repository.branch
    try:
        committed = repository.forge.commit_files(org, name, branch, batch.operations, batch.message, author)
    except ForgeRejected as error:
        _fail(repository, batch.changes, error.message)
        return
    at = repository.now()
    _finish(repository, batch.changes, committed.sha, is_head=True)
    commit = wire.Commit(committed.sha, author.name, at, batch.message)
    written = [operation for operation in batch.operations if operation.operation != "delete"]
    _index(repository, {(operation.path, blob_sha(operation.content)): commit for operation in written})


def _count_attempt(batch: Batch) -> None:
    """Records, before the commit, that it may exist, so that a later attempt looks for it."""
    with writing() as session:
        statement = update(Change).where(col(Change.id).in_([change.id for change in batch.changes]))
        session.execute(statement.values(attempts=Change.attempts + 1))
        _store_summaries(session, batch)


def _store_summaries(session: Session, batch: Batch) -> None:
    for change_id, summary in batch.summaries.items():
        session.execute(update(Change).where(col(Change.id) == change_id).values(summary=summary))


def _finish(repository: _Repository, changes: Sequence[Change], sha: str, *, is_head: bool = False) -> None:
    with writing() as session:
        _settle(session, changes, repository.now(), state="done", commit_sha=sha, error=None)
        if is_head:
            session.execute(update(Tenant).where(col(Tenant.id) == repository.tenant_id).values(head=sha))
            backoff.succeeded(session, repository.tenant_id)
        _publish(session, repository, changes)


def _fail(repository: _Repository, changes: Sequence[Change], reason: str) -> None:
    with writing() as session:
        _settle(session, changes, repository.now(), state="failed", error=reason)
        _publish(session, repository, changes)


def _settle(session: Session, changes: Sequence[Change], now: datetime, **values: object) -> None:
    pending = col(Change.id).in_([change.id for change in changes]), col(Change.state) == "pending"
    session.execute(update(Change).where(*pending).values(done_at=now, **values))


def _publish(session: Session, repository: _Repository, changes: Sequence[Change]) -> None:
    tenant_id = repository.tenant_id
    events = [Event(tenant_id, "change", change.id) for change in changes]
    after_commit(session, publish, *events, Event(tenant_id, "tenant", tenant_id))


def _index(repository: _Repository, commits: dict[tuple[str, str], wire.Commit]) -> None:
    """Updates the index after a commit. Does not raise for errors; the sweep indexes again."""
    try:
        index(repository.tenant_id, repository.forge, repository.now(), commits=commits, at_most=INDEXED_AT_ONCE)
    except TooManyFiles:
        queue.ring("index_tenant", repository.tenant_id)
    except CrontopusError as error:
        log.warning("Indexing %s failed, the next sweep tries again: %s", repository.tenant_id, error)


def _give_up(repository: _Repository, error: CrontopusError) -> bool:
    """Leaves the changes to the sweep, and fails those that were refused REFUSED_AFTER times."""
    if repository.forge.healthy():
        backoff.failed(repository.tenant_id, repository.now())
    if isinstance(error, ForgeConflict):
        exhausted = [change for change in _read_pending(repository) if change.attempts >= REFUSED_AFTER]
        if exhausted:
            _fail(repository, exhausted, f"The Git server refused the commit {REFUSED_AFTER} times: {error.message}")
    return _wait(repository, error.message)


def _wait(repository: _Repository, reason: str, *, new: bool = False) -> bool:
    """Stores the reason for waiting in all pending changes, or only in ``new`` ones without a reason. Returns False."""
    with writing() as session:
        pending = [col(Change.tenant_id) == repository.tenant_id, col(Change.state) == "pending"]
        pending += [col(Change.error).is_(None)] if new else []
        session.execute(update(Change).where(*pending).values(error=DOWN + reason))
        after_commit(session, publish, Event(repository.tenant_id, "tenant", repository.tenant_id))
    return False
