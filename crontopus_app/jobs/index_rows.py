"""Converts files of a repository to rows of the index, and stores them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session, col, select

from contract import jobs_in_tree, wire
from contract import manifest as manifests
from contract.jobs_in_tree import MAX_BYTES, IdentityClaim
from contract.manifest import Decoded, Problem
from contract.manifest_fields import NAME_PATTERN
from contract.policy import Policy
from crontopus_app.base.bulk import update_rows
from crontopus_app.forge.client import TreeEntry
from crontopus_app.models import JobIndex, Monitor
from crontopus_app.models.base import new_id

DUPLICATE = "duplicate-id"
LINK = "120000"
# For more names than this, a query reads all of the tenant's rows instead.
NAMED_AT_MOST = 500


def is_manifest(entry: TreeEntry) -> bool:
    """Whether a file of the tree is a manifest by its path, and not a symbolic link."""
    return entry.mode != LINK and jobs_in_tree.is_manifest(entry.path)


def namespaces(tree: Iterable[TreeEntry]) -> list[str]:
    """The top folders with valid names of namespaces."""
    folders = {entry.path.split("/")[0] for entry in tree if "/" in entry.path}
    return sorted(folder for folder in folders if re.match(NAME_PATTERN, folder) and len(folder) <= 63)


def read(tenant_id: str, entry: TreeEntry, data: bytes | None, policy: Policy) -> dict[str, Any]:
    """The columns of the row for a file's content (None: too large), with its namespace's defaults applied."""
    if data is None or len(data) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1024} KiB, the limit for a manifest"
        decoded, data = Decoded(None, (Problem("too-large", message, entry.path, 1, 1),)), b""
    else:
        decoded = decode(data, entry.path, tenant_id, policy)
    return {"blob_sha": entry.sha, "yaml": data, **columns_of(decoded)}


def decode(data: bytes, path: str, tenant_id: str, policy: Policy) -> Decoded:
    """Parses a manifest as the hosts do, with the policy's defaults for its namespace."""
    return manifests.decode(data, path, tenant_id, defaults=policy.defaults_for(namespace_and_name(path)[0]))


def columns_of(decoded: Decoded) -> dict[str, Any]:
    """The columns of a parsed file. For an invalid one only its errors, so that the other columns keep their values."""
    columns: dict[str, Any] = {
        "valid": decoded.manifest is not None and not decoded.errors,
        "errors": [asdict(problem) for problem in decoded.errors],
        "lints": [asdict(problem) for problem in decoded.lints],
        "manifest": None,
    }
    manifest = decoded.manifest
    if manifest is None:
        return columns
    return columns | {
        "job_id": manifest.id,
        "manifest": manifests.to_fields(manifest),
        "schedule": list(manifest.schedule),
        "timezone": manifest.timezone,
        "enabled": manifest.enabled,
        "paused": manifest.paused,
    }


@dataclass(frozen=True)
class Stored:
    """The identity of a file in the index."""

    id: str
    job_id: str
    blob_sha: str


def stored(session: Session, tenant_id: str, paths: Collection[str]) -> dict[str, Stored]:
    """The tenant's rows by path, for these paths; for all paths if there are more than NAMED_AT_MOST."""
    query = select(JobIndex.path, JobIndex.id, JobIndex.job_id, JobIndex.blob_sha)
    query = query.where(JobIndex.tenant_id == tenant_id)
    if len(paths) <= NAMED_AT_MOST:
        query = query.where(col(JobIndex.path).in_(paths))
    return {path: Stored(*facts) for path, *facts in session.exec(query)}


def store(
    session: Session,
    tenant_id: str,
    files: Sequence[tuple[TreeEntry, dict[str, Any]]],
    commits: Mapping[tuple[str, str], wire.Commit],
) -> set[str]:
    """Inserts or updates the files' rows. Returns the ids of their jobs, previous and new.

    Columns that an invalid file does not provide keep their values, and so does the commit of an unchanged blob.
    """
    existing = stored(session, tenant_id, [entry.path for entry, _ in files])
    inserts, updates = [], []
    for entry, values in files:
        row, commit = existing.get(entry.path), commits.get((entry.path, entry.sha))
        if row is None:
            inserts.append(_new_row(tenant_id, entry.path, values, commit))
        else:
            commit_values = commit_columns(commit) if commit or row.blob_sha != entry.sha else {}
            updates.append((row.id, values | commit_values))
    _assign_ids(session, tenant_id, [row for row in inserts if not row["job_id"]])
    table = JobIndex.metadata.tables["job_index"]
    if inserts:
        session.connection().execute(insert(table), inserts)
    update_rows(session, table, updates)
    previous = {existing[entry.path].job_id for entry, _ in files if entry.path in existing}
    updated = {values["job_id"] for _, values in updates if "job_id" in values}
    return previous | updated | {row["job_id"] for row in inserts}


def _new_row(tenant_id: str, path: str, values: dict[str, Any], commit: wire.Commit | None) -> dict[str, Any]:
    namespace, name = namespace_and_name(path)
    empty = {"job_id": "", "schedule": [], "timezone": None, "enabled": True, "paused": False}
    identity = {"id": new_id(), "tenant_id": tenant_id, "path": path, "name": name, "namespace": namespace}
    return {**identity, **empty, **values, **commit_columns(commit)}


def namespace_and_name(path: str) -> tuple[str, str]:
    """The namespace and name that a manifest's path gives to its job."""
    return path.split("/")[0], path.rsplit("/", 1)[-1].rpartition(".")[0]


def _assign_ids(session: Session, tenant_id: str, rows: Sequence[dict[str, Any]]) -> None:
    """Gives ids to jobs whose files are invalid: the id of their monitors, or else the default id for their name."""
    if not rows:
        return
    columns = select(Monitor.namespace, Monitor.job_name, Monitor.job_id).where(Monitor.tenant_id == tenant_id)
    if len(rows) <= NAMED_AT_MOST:
        columns = columns.where(col(Monitor.job_name).in_({row["name"] for row in rows}))
    newest_last = session.exec(columns.order_by(col(Monitor.updated_at)))
    ids = {(namespace, name): job_id for namespace, name, job_id in newest_last}
    for row in rows:
        key = row["namespace"], row["name"]
        row["job_id"] = ids.get(key) or manifests.job_id(tenant_id, *key)


def commit_columns(commit: wire.Commit | None) -> dict[str, Any]:
    if commit is None:
        return {"commit_sha": "", "commit_author": "", "commit_message": "", "commit_at": None}
    author, message = commit.author.replace("\x00", ""), commit.message.replace("\x00", "")
    return {"commit_sha": commit.sha, "commit_author": author, "commit_message": message, "commit_at": commit.at}


def mark_duplicates(
    session: Session, tenant_id: str, policy: Policy, touched: Collection[str], paths: Iterable[str]
) -> set[str]:
    """Marks all files that share an id or name as invalid, and clears files that no longer do.

    ``touched`` are the jobs whose files at ``paths`` changed; if no duplicate is among them, nothing is done.
    Returns the ids of the jobs whose files were marked or cleared.
    """
    claims, marked = _claims(session, tenant_id)
    shared = jobs_in_tree.clashes(claims)
    changed_names = {namespace_and_name(path) for path in paths}
    clashing = (claim for claim in claims if claim.path in shared)
    changed = any(claim.job_id in touched or (claim.namespace, claim.name) in changed_names for claim in clashing)
    if marked == shared.keys() and not changed:
        return set()
    query = select(JobIndex).where(JobIndex.tenant_id == tenant_id, col(JobIndex.path).in_(marked | shared.keys()))
    files = session.exec(query.order_by(JobIndex.path)).all()
    decoded = manifests.mark_duplicates([decode(file.yaml, file.path, tenant_id, policy) for file in files])
    for file, result in zip(files, decoded, strict=True):
        for name, value in columns_of(result).items():
            setattr(file, name, value)
        session.add(file)
    session.flush()
    return {file.job_id for file in files}


def _claims(session: Session, tenant_id: str) -> tuple[list[IdentityClaim], set[str]]:
    """The claims of files that are valid or marked as duplicates, and the paths of the marked ones."""
    of_tenant = JobIndex.tenant_id == tenant_id
    invalid = session.exec(select(JobIndex.path, JobIndex.errors).where(of_tenant, col(JobIndex.valid).is_(False)))
    marked = {path for path, errors in invalid if any(error.get("code") == DUPLICATE for error in errors)}
    columns = select(JobIndex.path, JobIndex.job_id, JobIndex.namespace, JobIndex.name)
    rows = session.exec(columns.where(of_tenant, col(JobIndex.valid) | col(JobIndex.path).in_(marked)))
    return [IdentityClaim(*row) for row in rows], marked
