"""From pending changes to commits: all of a repository's changes, in order, each exactly once.

1. One process at a time works on a repository (a lease).
2. A change that was tried before is first looked for in the history, by its ``Change-Id`` trailer: whoever made the
   attempt may have died, or its answer was lost, after the commit was made.
3. The changes of one author become one commit, which names the blobs that it replaces: the forge refuses it where the
   branch is no longer as it was read, and it is folded again on what is there now.
4. A forge that does not answer leaves the changes pending; their ``error`` says what they wait for. A repository that
   fails is tried again later and later (``backoff``): the sweep comes back to it.
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
from crontopus_app.base.leases import Clock, Held, LeaseLost, lease
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
# More new files than a commit of ours has: a push came in between, and its files are read by a task of their own.
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
    """Commits what is pending of the tenant, for about ``seconds``; whether more is left that can be committed now.

    Never raises for a forge that is away or a repository that fails: the changes say what they wait for.
    """
    end = time.monotonic() + seconds
    while repository := _with_pending(tenant_id, forge, now):
        with lease(f"commit:{tenant_id}", now) as held:
            if held is None or not _drain(repository, held, end):
                return False
        # What came in while the lease was given back found it taken: look once more.
        if time.monotonic() >= end:
            return True
    return False


def _with_pending(tenant_id: str, forge: Forgejo, now: Clock) -> _Repository | None:
    """None where nothing is pending, or where the repository failed and rests."""
    with reading() as session:
        tenant = session.get(Tenant, tenant_id)
        if tenant is None or not _pending(session, tenant_id):
            return None
        org, name = RepositoryName.of(tenant.repository)
        repository = _Repository(tenant_id, org, name, tenant.branch, tenant.provisioning == "ready", forge, now)
    if backoff.rests(tenant, now()):
        _wait(repository, f"the repository failed {tenant.failures} times in a row, it is tried again soon", new=True)
        return None
    return repository


def _pending(session: Session, tenant_id: str) -> Sequence[Change]:
    mine = Change.tenant_id == tenant_id, Change.state == "pending"
    return session.exec(select(Change).where(*mine).order_by(*ORDER)).all()


ORDER = (col(Change.sequence), col(Change.created_at), col(Change.id))


def _drain(repository: _Repository, held: Held, end: float) -> bool:
    """Works until nothing is pending or it is ``end``; False where the changes have to wait."""
    if not repository.ready:
        return _wait(repository, "the repository is not ready yet")
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
            # Who failed at once is asked once more: the branch had moved, or an answer was lost. Nobody sleeps here.
            if failures >= TRIES or time.monotonic() - began > SLOW_S:
                return _give_up(repository, error)
        if time.monotonic() >= end:
            break
    return True


def _read_pending(repository: _Repository) -> Sequence[Change]:
    with reading() as session:
        return _pending(session, repository.tenant_id)


def _round(repository: _Repository, changes: Sequence[Change]) -> None:
    """One step forward: what was committed already is noted, else the first author's changes are committed."""
    tried = [change for change in changes if change.attempts]
    landed = _landed(repository, tried) if tried else {}
    if landed:
        for change in tried:
            if change.id in landed:
                _finish(repository, [change], landed[change.id].sha)
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
            _say(session, batch)
        _finish(repository, batch.changes, head or "")


def _landed(repository: _Repository, tried: Sequence[Change]) -> dict[str, CommitInfo]:
    """The commits that carry a trailer of these changes; history older than the changes is not read."""
    wanted = {change.id for change in tried}
    oldest = min(change.created_at for change in tried) - HISTORY_SLACK
    found: dict[str, CommitInfo] = {}
    for page in range(1, HISTORY_PAGES + 1):
        commits = repository.forge.commits(repository.org, repository.name, ref=repository.branch, page=page)
        for commit in commits:
            found |= {one: commit for one in changes_in(commit.message) if one in wanted}
        if not commits or found.keys() == wanted or all(commit.at < oldest for commit in commits):
            break
    return found


def _commit(repository: _Repository, batch: Batch) -> None:
    first = batch.changes[0]
    _note_attempt(batch)
    author = Author(first.author_name, first.author_email)
    org, name, branch = repository.org, repository.name, repository.branch
    try:
        made = repository.forge.commit_files(org, name, branch, batch.operations, batch.message, author)
    except ForgeRejected as error:
        _fail(repository, batch.changes, error.message)
        return
    at = repository.now()
    _finish(repository, batch.changes, made.sha, is_head=True)
    commit = wire.Commit(made.sha, author.name, at, batch.message)
    written = [one for one in batch.operations if one.operation != "delete"]
    _index(repository, {(one.path, blob_sha(one.content)): commit for one in written})


def _note_attempt(batch: Batch) -> None:
    """Before the forge is asked: whoever finds these rows later knows that a commit may exist, and what it says."""
    with writing() as session:
        mine = update(Change).where(col(Change.id).in_([change.id for change in batch.changes]))
        session.execute(mine.values(attempts=Change.attempts + 1))
        _say(session, batch)


def _say(session: Session, batch: Batch) -> None:
    for change_id, said in batch.said.items():
        session.execute(update(Change).where(col(Change.id) == change_id).values(said=said))


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
    mine = update(Change).where(col(Change.id).in_([change.id for change in changes]), col(Change.state) == "pending")
    session.execute(mine.values(done_at=now, **values))


def _publish(session: Session, repository: _Repository, changes: Sequence[Change]) -> None:
    tenant_id = repository.tenant_id
    events = [Event(tenant_id, "change", change.id) for change in changes]
    after_commit(session, publish, *events, Event(tenant_id, "tenant", tenant_id))


def _index(repository: _Repository, commits: dict[tuple[str, str], wire.Commit]) -> None:
    """The commit stands whatever happens here: the sweep sees that the index is behind."""
    try:
        index(repository.tenant_id, repository.forge, repository.now(), commits=commits, at_most=INDEXED_AT_ONCE)
    except TooManyFiles:
        queue.ring("index_tenant", repository.tenant_id)
    except CrontopusError as error:
        log.warning("the index of %s stays behind for now: %s", repository.tenant_id, error)


def _give_up(repository: _Repository, error: CrontopusError) -> bool:
    """After some tries: wait for the sweep, or fail what was refused again and again."""
    if repository.forge.healthy():
        backoff.failed(repository.tenant_id, repository.now())
    if isinstance(error, ForgeConflict):
        hopeless = [change for change in _read_pending(repository) if change.attempts >= REFUSED_AFTER]
        if hopeless:
            _fail(repository, hopeless, f"The Git server refused it {REFUSED_AFTER} times: {error.message}")
    return _wait(repository, error.message)


def _wait(repository: _Repository, reason: str, *, new: bool = False) -> bool:
    """Says on every pending change, or on those that say nothing yet, what it waits for. Always False."""
    with writing() as session:
        mine = [col(Change.tenant_id) == repository.tenant_id, col(Change.state) == "pending"]
        mine += [col(Change.error).is_(None)] if new else []
        session.execute(update(Change).where(*mine).values(error=DOWN + reason))
        after_commit(session, publish, Event(repository.tenant_id, "tenant", repository.tenant_id))
    return False
