"""The index: a tenant's jobs as its branch has them, kept in tables so that no page reads Git.

A cache keyed by path and blob sha: only new blobs are fetched and read, and ``reindex`` builds it from nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from contract import wire
from contract.jobs_in_tree import MAX_BYTES
from crontopus_app.base.db import after_commit, reading, writing
from crontopus_app.base.errors import Conflict, CrontopusError
from crontopus_app.base.live import Event, publish
from crontopus_app.forge.client import Forgejo, TreeEntry
from crontopus_app.forge.names import RepositoryName
from crontopus_app.jobs import index_rows, policies, pushes
from crontopus_app.jobs.commit_walk import Place, describe_commits
from crontopus_app.jobs.policies import TenantPolicy
from crontopus_app.models import JobIndex, Tenant
from crontopus_app.monitoring.sync import lock_tenant, sync_monitors

__all__ = ["describe_commits", "index", "lock_tenant", "reindex", "sync_monitors"]

log = logging.getLogger(__name__)

TRIES = 8
EVENTS_AT_MOST = 50


class TooManyFiles(CrontopusError):
    """Reading them takes longer than the caller has."""

    code = "too_many_files"


@dataclass(frozen=True)
class _Known:
    """What the index says before this pass: blob shas by path."""

    repository: str
    branch: str
    head: str
    indexed_head: str
    blobs: Mapping[str, str]
    policy_sha: str
    policy: bytes
    error: str


@dataclass(frozen=True)
class _Found:
    """What the branch says: its files, and the content of those that are new."""

    head: str
    tree: list[TreeEntry]
    new: list[tuple[TreeEntry, bytes | None]]
    policy: TenantPolicy


def index(
    tenant_id: str,
    forge: Forgejo,
    now: datetime,
    *,
    commits: Mapping[tuple[str, str], wire.Commit] | None = None,
    force: bool = False,
    at_most: int | None = None,
) -> str:
    """Makes the index equal to the branch's head, which it returns. Repeating it changes nothing.

    ``commits`` are those by which (path, blob sha) is known to have come; others are looked up by
    ``describe_commits``. A forge that does not answer leaves the index as it is: raises what the client raises.
    Raises TooManyFiles where more than ``at_most`` files would have to be read.
    """
    for _ in range(TRIES):
        known = _known(tenant_id, force)
        try:
            found = _look(forge, known, at_most)
        except TooManyFiles:
            raise
        except CrontopusError as error:
            _note_error(tenant_id, error)
            raise
        if found is None:
            _note_read(tenant_id, known)
            return known.indexed_head
        if _write(tenant_id, known, found, commits or {}, now):
            return found.head
    raise Conflict(f"The repository of {tenant_id} changes faster than it can be read.")


def reindex(tenant_id: str, forge: Forgejo, now: datetime) -> str:
    """Rebuilds the index from Git alone: every file is read again, every commit looked up."""
    head = index(tenant_id, forge, now, force=True)
    while describe_commits(tenant_id, forge):
        log.info("reading the history of %s", tenant_id)
    return head


def _known(tenant_id: str, force: bool) -> _Known:
    with reading() as session:
        tenant = session.get(Tenant, tenant_id)
        if tenant is None or tenant.deleted_at is not None:
            raise CrontopusError(f"There is no tenant {tenant_id!r}.")
        rows = session.exec(select(JobIndex.path, JobIndex.blob_sha).where(JobIndex.tenant_id == tenant_id))
        blobs = {} if force else {path: sha for path, sha in rows}  # noqa: C416 -- dict() cannot be typed over rows
        indexed = "" if force else tenant.indexed_head
        policy_sha = "" if force else tenant.policy_sha
        where = tenant.repository, tenant.branch, tenant.head, indexed
        return _Known(*where, blobs, policy_sha, tenant.policy, tenant.index_error)


def _look(forge: Forgejo, known: _Known, at_most: int | None) -> _Found | None:
    """The branch as it is; None where it is what the index shows already."""
    org, name = RepositoryName.of(known.repository)
    head = forge.head(org, name, known.branch)
    if head is None:
        raise Conflict(f"The repository {known.repository} has no branch {known.branch}: its jobs stay as they were.")
    if head == known.indexed_head:
        return None
    tree = forge.tree(org, name, head)
    policy = policies.look(forge, known.repository, tree, known.policy)
    # Defaults of another policy may change what any file means.
    had = {} if policy.sha != known.policy_sha else known.blobs
    new = [entry for entry in tree if index_rows.is_manifest(entry) and had.get(entry.path) != entry.sha]
    if at_most is not None and len(new) > at_most:
        raise TooManyFiles(f"{len(new)} files of {known.repository} are new.")
    blobs = forge.blobs(org, name, [entry.sha for entry in new if entry.size <= MAX_BYTES])
    return _Found(head, tree, [(entry, blobs.get(entry.sha)) for entry in new], policy)


def _write(
    tenant_id: str,
    known: _Known,
    found: _Found,
    commits: Mapping[tuple[str, str], wire.Commit],
    now: datetime,
) -> bool:
    """Writes the pass in one transaction; False where another pass came first."""
    policy = found.policy.decoded
    rows = [(entry, index_rows.read(tenant_id, entry, data, policy)) for entry, data in found.new]
    manifests = {entry.path for entry in found.tree if index_rows.is_manifest(entry)}
    with writing() as session:
        tenant = lock_tenant(session, tenant_id)
        if tenant is None or tenant.deleted_at or known.indexed_head not in ("", tenant.indexed_head):
            return False
        if not known.indexed_head or Place.read(tenant.history).known == found.head:
            _forget_commits(session, tenant)
        pushed = _pushed(known, rows, manifests, commits)
        before = pushes.files(session, tenant_id, list(pushed))
        gone = _drop(session, tenant_id, manifests)
        touched = {*gone.values(), *index_rows.store(session, tenant_id, rows, commits)}
        pushes.note(session, tenant_id, before, pushed, now)
        paths = [*gone, *(entry.path for entry, _ in rows)]
        touched |= index_rows.mark_duplicates(session, tenant_id, policy, touched, paths)
        if tenant.head == known.head:  # else a newer one was told meanwhile
            tenant.head = found.head
        tenant.indexed_head = found.head
        tenant.indexed_at, tenant.index_error = now, found.policy.error
        tenant.failures, tenant.retry_at = 0, None
        tenant.policy_sha, tenant.policy = found.policy.sha, found.policy.text
        tenant.namespaces = index_rows.namespaces(found.tree)
        session.add(tenant)
        sync_monitors(session, tenant_id, now, jobs=touched if known.indexed_head else None)
        _publish(session, tenant_id, paths)
    return True


def _forget_commits(session: Session, tenant: Tenant) -> None:
    """The commit of every file is looked up anew, from the head."""
    tenant.history = ""
    unknown = index_rows.commit_facts(None)
    session.execute(update(JobIndex).where(col(JobIndex.tenant_id) == tenant.id).values(**unknown))


def _pushed(
    known: _Known,
    rows: Sequence[tuple[TreeEntry, dict[str, Any]]],
    manifests: set[str],
    commits: Mapping[tuple[str, str], wire.Commit],
) -> dict[str, bytes | None]:
    """What others did since the index was last written: each file's content, None where it is gone. Some of many."""
    if not known.indexed_head:
        return {}
    changed = {
        entry.path: facts["yaml"]
        for entry, facts in rows
        if known.blobs.get(entry.path) != entry.sha and (entry.path, entry.sha) not in commits
    }
    gone = dict.fromkeys(path for path in known.blobs if path not in manifests)
    return dict([*changed.items(), *gone.items()][: pushes.AT_MOST])


def _drop(session: Session, tenant_id: str, manifests: set[str]) -> dict[str, str]:
    """Deletes the rows of files that are gone; gives their jobs' ids by path."""
    rows = session.exec(select(JobIndex.path, JobIndex.job_id).where(JobIndex.tenant_id == tenant_id))
    gone = {path: job_id for path, job_id in rows if path not in manifests}
    paths = list(gone)
    for start in range(0, len(paths), 500):
        some = col(JobIndex.path).in_(paths[start : start + 500])
        session.execute(delete(JobIndex).where(col(JobIndex.tenant_id) == tenant_id, some))
    return gone


def _publish(session: Session, tenant_id: str, paths: list[str]) -> None:
    jobs = [Event(tenant_id, "job", path) for path in paths[:EVENTS_AT_MOST]]
    after_commit(session, publish, Event(tenant_id, "tenant", tenant_id), *jobs)


def _note_read(tenant_id: str, known: _Known) -> None:
    """The branch is where the index is, whatever was told of it, and the Git server answers."""
    old_error = known.error and not known.error.startswith(policies.PATH)
    if known.head != known.indexed_head or old_error:
        with writing() as session:
            mine = col(Tenant.id) == tenant_id, col(Tenant.head) == known.head
            error = "" if old_error else known.error
            session.execute(update(Tenant).where(*mine).values(head=known.indexed_head, index_error=error))
            after_commit(session, publish, Event(tenant_id, "tenant", tenant_id))


def _note_error(tenant_id: str, error: CrontopusError) -> None:
    with writing() as session:
        session.execute(update(Tenant).where(col(Tenant.id) == tenant_id).values(index_error=error.message))
        after_commit(session, publish, Event(tenant_id, "tenant", tenant_id))
