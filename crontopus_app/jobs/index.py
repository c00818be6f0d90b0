"""The job index: tables with the manifests of a tenant's branch, so that no page reads Git.

A cache by path and blob sha: only new blobs are fetched and parsed. ``reindex`` rebuilds it from Git.
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
from crontopus_app.jobs.commit_walk import Position, find_commits
from crontopus_app.jobs.policies import TenantPolicy
from crontopus_app.models import JobIndex, Tenant
from crontopus_app.monitoring.sync import AT_ONCE, count_instances, lock_tenant, sync_in_slices, sync_monitors

__all__ = ["find_commits", "index", "lock_tenant", "reindex", "sync_monitors"]

log = logging.getLogger(__name__)

TRIES = 8
EVENTS_AT_MOST = 50


class TooManyFiles(CrontopusError):
    """There are more new files than the caller allows."""

    code = "too_many_files"


@dataclass(frozen=True)
class _Indexed:
    """The state of the index before this pass; ``blobs`` are blob shas by path."""

    repository: str
    branch: str
    head: str
    indexed_head: str
    monitored_head: str
    blobs: Mapping[str, str]
    policy_sha: str
    policy: bytes
    error: str


@dataclass(frozen=True)
class _Branch:
    """The state of the branch: its files, and the content of the new ones."""

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
    """Updates the index to the branch's head, which it returns. Idempotent.

    ``commits`` are known last commits by path and blob sha; ``find_commits`` looks up the others. Raises the client's
    errors, then the index stays as it is. Raises TooManyFiles if more than ``at_most`` files are new.
    """
    for _ in range(TRIES):
        indexed = _load_indexed(tenant_id, force)
        try:
            branch = _read_branch(forge, indexed, at_most)
        except TooManyFiles:
            raise
        except CrontopusError as error:
            _store_error(tenant_id, error)
            raise
        if branch is None:
            _mark_current(tenant_id, indexed)
            if indexed.monitored_head != indexed.indexed_head:
                sync_in_slices(tenant_id, indexed.indexed_head, now)
            return indexed.indexed_head
        if _write(tenant_id, indexed, branch, commits or {}, now):
            sync_in_slices(tenant_id, branch.head, now)
            return branch.head
    raise Conflict(f"The repository of {tenant_id} changes faster than it can be indexed. It is tried again.")


def reindex(tenant_id: str, forge: Forgejo, now: datetime) -> str:
    """Rebuilds the index from Git: reads every file and looks up every commit."""
    head = index(tenant_id, forge, now, force=True)
    while find_commits(tenant_id, forge):
        log.info("Reading the history of %s", tenant_id)
    return head


def _load_indexed(tenant_id: str, force: bool) -> _Indexed:
    with reading() as session:
        tenant = session.get(Tenant, tenant_id)
        if tenant is None or tenant.deleted_at is not None:
            raise CrontopusError(f"No tenant {tenant_id!r}.")
        rows = session.exec(select(JobIndex.path, JobIndex.blob_sha).where(JobIndex.tenant_id == tenant_id))
        blobs = {} if force else {path: sha for path, sha in rows}  # noqa: C416 -- dict() cannot be typed over rows
        indexed_head = "" if force else tenant.indexed_head
        policy_sha = "" if force else tenant.policy_sha
        location = tenant.repository, tenant.branch, tenant.head, indexed_head, tenant.monitored_head
        return _Indexed(*location, blobs, policy_sha, tenant.policy, tenant.index_error)


def _read_branch(forge: Forgejo, indexed: _Indexed, at_most: int | None) -> _Branch | None:
    """The state of the branch; None if the index is up to date."""
    org, name = RepositoryName.of(indexed.repository)
    head = forge.head(org, name, indexed.branch)
    if head is None:
        raise Conflict(
            f"The repository {indexed.repository} has no branch {indexed.branch}. Its jobs stay as they were; "
            "push the branch again."
        )
    if head == indexed.indexed_head:
        return None
    tree = forge.tree(org, name, head)
    policy = policies.read(forge, indexed.repository, tree, indexed.policy)
    # After a change of the policy, its defaults may affect any file: read all.
    blobs_before = {} if policy.sha != indexed.policy_sha else indexed.blobs
    new = [entry for entry in tree if index_rows.is_manifest(entry) and blobs_before.get(entry.path) != entry.sha]
    if at_most is not None and len(new) > at_most:
        raise TooManyFiles(f"{indexed.repository} has {len(new)} new files.")
    blobs = forge.blobs(org, name, [entry.sha for entry in new if entry.size <= MAX_BYTES])
    return _Branch(head, tree, [(entry, blobs.get(entry.sha)) for entry in new], policy)


def _write(
    tenant_id: str,
    indexed: _Indexed,
    branch: _Branch,
    commits: Mapping[tuple[str, str], wire.Commit],
    now: datetime,
) -> bool:
    """Stores the state of the branch in one transaction; False if another pass was faster.

    Very many monitors are left to ``sync_in_slices``: they would keep other writers waiting for too long.
    """
    policy = branch.policy.decoded
    rows = [(entry, index_rows.read(tenant_id, entry, data, policy)) for entry, data in branch.new]
    manifests = {entry.path for entry in branch.tree if index_rows.is_manifest(entry)}
    with writing() as session:
        tenant = lock_tenant(session, tenant_id)
        if tenant is None or tenant.deleted_at or indexed.indexed_head not in ("", tenant.indexed_head):
            return False
        if not indexed.indexed_head or Position.read(tenant.history).known == branch.head:
            _clear_commits(session, tenant)
        pushed = _pushed(indexed, rows, manifests, commits)
        before = pushes.files(session, tenant_id, list(pushed))
        dropped = _drop(session, tenant_id, manifests)
        touched = {*dropped.values(), *index_rows.store(session, tenant_id, rows, commits)}
        pushes.record(session, tenant_id, before, pushed, now)
        paths = [*dropped, *(entry.path for entry, _ in rows)]
        touched |= index_rows.mark_duplicates(session, tenant_id, policy, touched, paths)
        if tenant.head == indexed.head:  # otherwise a webhook reported a newer head meanwhile
            tenant.head = branch.head
        tenant.indexed_head = branch.head
        tenant.indexed_at, tenant.index_error = now, branch.policy.error
        tenant.failures, tenant.retry_at = 0, None
        tenant.policy_sha, tenant.policy = branch.policy.sha, branch.policy.text
        tenant.namespaces = index_rows.namespaces(branch.tree)
        session.add(tenant)
        complete = indexed.indexed_head and indexed.monitored_head == indexed.indexed_head
        jobs = touched if complete else None
        small = count_instances(session, tenant_id, jobs) <= AT_ONCE
        if small:
            sync_monitors(session, tenant_id, now, jobs=jobs)
        # Empty until the slices are done, also where the branch returns to a head that they followed before.
        tenant.monitored_head = branch.head if small else ""
        _publish(session, tenant_id, paths)
    return True


def _clear_commits(session: Session, tenant: Tenant) -> None:
    """Clears the last commits of all files, so that they are looked up again."""
    tenant.history = ""
    empty = index_rows.commit_columns(None)
    session.execute(update(JobIndex).where(col(JobIndex.tenant_id) == tenant.id).values(**empty))


def _pushed(
    indexed: _Indexed,
    rows: Sequence[tuple[TreeEntry, dict[str, Any]]],
    manifests: set[str],
    commits: Mapping[tuple[str, str], wire.Commit],
) -> dict[str, bytes | None]:
    """Content by path of files that were pushed since the last pass (None: deleted), at most ``pushes.AT_MOST``."""
    if not indexed.indexed_head:
        return {}
    changed = {
        entry.path: columns["yaml"]
        for entry, columns in rows
        if indexed.blobs.get(entry.path) != entry.sha and (entry.path, entry.sha) not in commits
    }
    deleted = dict.fromkeys(path for path in indexed.blobs if path not in manifests)
    return dict([*changed.items(), *deleted.items()][: pushes.AT_MOST])


def _drop(session: Session, tenant_id: str, manifests: set[str]) -> dict[str, str]:
    """Deletes the rows of files that no longer exist; returns their jobs' ids by path."""
    rows = session.exec(select(JobIndex.path, JobIndex.job_id).where(JobIndex.tenant_id == tenant_id))
    dropped = {path: job_id for path, job_id in rows if path not in manifests}
    paths = list(dropped)
    for start in range(0, len(paths), 500):
        chunk = col(JobIndex.path).in_(paths[start : start + 500])
        session.execute(delete(JobIndex).where(col(JobIndex.tenant_id) == tenant_id, chunk))
    return dropped


def _publish(session: Session, tenant_id: str, paths: list[str]) -> None:
    jobs = [Event(tenant_id, "job", path) for path in paths[:EVENTS_AT_MOST]]
    after_commit(session, publish, Event(tenant_id, "tenant", tenant_id), *jobs)


def _mark_current(tenant_id: str, indexed: _Indexed) -> None:
    """Records that the index is up to date and the Git server responds."""
    old_error = indexed.error and not indexed.error.startswith(policies.PATH)
    if indexed.head != indexed.indexed_head or old_error:
        with writing() as session:
            unchanged = col(Tenant.id) == tenant_id, col(Tenant.head) == indexed.head
            error = "" if old_error else indexed.error
            session.execute(update(Tenant).where(*unchanged).values(head=indexed.indexed_head, index_error=error))
            after_commit(session, publish, Event(tenant_id, "tenant", tenant_id))


def _store_error(tenant_id: str, error: CrontopusError) -> None:
    with writing() as session:
        session.execute(update(Tenant).where(col(Tenant.id) == tenant_id).values(index_error=error.message))
        after_commit(session, publish, Event(tenant_id, "tenant", tenant_id))
