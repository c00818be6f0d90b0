"""One file of a repository as a row of the index."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session, col, select

from contract import jobs_in_tree, wire
from contract import manifest as manifests
from contract.jobs_in_tree import MAX_BYTES, Claim
from contract.manifest import Decoded, Problem
from contract.manifest_fields import NAME_PATTERN
from contract.policy import Policy
from crontopus_app.base.bulk import update_rows
from crontopus_app.forge.client import TreeEntry
from crontopus_app.models import JobIndex, Monitor
from crontopus_app.models.base import new_id

DUPLICATE = "duplicate-id"
LINK = "120000"
# More names than a statement takes well: then all of the tenant's rows are looked at.
NAMED_AT_MOST = 500


def is_manifest(entry: TreeEntry) -> bool:
    """Whether a file of the tree is meant as a job: a manifest by its path, and no symbolic link."""
    return entry.mode != LINK and jobs_in_tree.is_manifest(entry.path)


def namespaces(tree: Iterable[TreeEntry]) -> list[str]:
    """The top folders whose names can be a namespace's."""
    folders = {entry.path.split("/")[0] for entry in tree if "/" in entry.path}
    return sorted(folder for folder in folders if re.match(NAME_PATTERN, folder) and len(folder) <= 63)


def read(tenant_id: str, entry: TreeEntry, data: bytes | None, policy: Policy) -> dict[str, Any]:
    """The row's columns for a file's content (None: too large to be looked at), with its namespace's defaults."""
    if data is None or len(data) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1024} KiB: a manifest is smaller"
        decoded, data = Decoded(None, (Problem("too-large", message, entry.path, 1, 1),)), b""
    else:
        decoded = decode(data, entry.path, tenant_id, policy)
    return {"blob_sha": entry.sha, "yaml": data, **facts(decoded)}


def decode(data: bytes, path: str, tenant_id: str, policy: Policy) -> Decoded:
    """The manifest as the hosts read it: with the defaults that the policy has for its namespace."""
    return manifests.decode(data, path, tenant_id, defaults=policy.defaults_for(place(path)[0]))


def facts(decoded: Decoded) -> dict[str, Any]:
    """What a decoded file says; of an invalid one only its errors, so that the rest stays as it was known."""
    made: dict[str, Any] = {
        "valid": decoded.manifest is not None and not decoded.errors,
        "errors": [asdict(problem) for problem in decoded.errors],
        "lints": [asdict(problem) for problem in decoded.lints],
        "manifest": None,
    }
    manifest = decoded.manifest
    if manifest is None:
        return made
    return made | {
        "job_id": manifest.id,
        "manifest": manifests.to_fields(manifest),
        "schedule": list(manifest.schedule),
        "timezone": manifest.timezone,
        "enabled": manifest.enabled,
        "paused": manifest.paused,
    }


@dataclass(frozen=True)
class Stored:
    """What the index has of a file."""

    id: str
    job_id: str
    blob_sha: str


def stored(session: Session, tenant_id: str, paths: Collection[str]) -> dict[str, Stored]:
    """The tenant's rows of these paths; of all paths where these are many."""
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
    """Inserts or updates the files' rows; gives the ids of their jobs, those they had before among them.

    What an invalid file does not say stays as it was, and so does the commit of a file that is the same blob.
    """
    known = stored(session, tenant_id, [entry.path for entry, _ in files])
    made, changed = [], []
    for entry, values in files:
        row, commit = known.get(entry.path), commits.get((entry.path, entry.sha))
        if row is None:
            made.append(_new(tenant_id, entry.path, values, commit))
        else:
            told = commit_facts(commit) if commit or row.blob_sha != entry.sha else {}
            changed.append((row.id, values | told))
    _give_ids(session, tenant_id, [row for row in made if not row["job_id"]])
    table = JobIndex.metadata.tables["job_index"]
    if made:
        session.connection().execute(insert(table), made)
    update_rows(session, table, changed)
    before = {known[entry.path].job_id for entry, _ in files if entry.path in known}
    told = {values["job_id"] for _, values in changed if "job_id" in values}
    return before | told | {row["job_id"] for row in made}


def _new(tenant_id: str, path: str, values: dict[str, Any], commit: wire.Commit | None) -> dict[str, Any]:
    namespace, name = place(path)
    empty = {"job_id": "", "schedule": [], "timezone": None, "enabled": True, "paused": False}
    where = {"id": new_id(), "tenant_id": tenant_id, "path": path, "name": name, "namespace": namespace}
    return {**where, **empty, **values, **commit_facts(commit)}


def place(path: str) -> tuple[str, str]:
    """Namespace and name that a manifest's path stands for."""
    return path.split("/")[0], path.rsplit("/", 1)[-1].rpartition(".")[0]


def _give_ids(session: Session, tenant_id: str, rows: Sequence[dict[str, Any]]) -> None:
    """Jobs whose files cannot be read get the ids that their monitors know, else those they would have without any."""
    if not rows:
        return
    columns = select(Monitor.namespace, Monitor.job_name, Monitor.job_id).where(Monitor.tenant_id == tenant_id)
    if len(rows) <= NAMED_AT_MOST:
        columns = columns.where(col(Monitor.job_name).in_({row["name"] for row in rows}))
    newest_last = session.exec(columns.order_by(col(Monitor.updated_at)))
    known = {(namespace, name): job_id for namespace, name, job_id in newest_last}
    for row in rows:
        key = row["namespace"], row["name"]
        row["job_id"] = known.get(key) or manifests.job_id(tenant_id, *key)


def commit_facts(commit: wire.Commit | None) -> dict[str, Any]:
    if commit is None:
        return {"commit_sha": "", "commit_author": "", "commit_message": "", "commit_at": None}
    author, message = commit.author.replace("\x00", ""), commit.message.replace("\x00", "")
    return {"commit_sha": commit.sha, "commit_author": author, "commit_message": message, "commit_at": commit.at}


def mark_duplicates(
    session: Session, tenant_id: str, policy: Policy, touched: Collection[str], paths: Iterable[str]
) -> set[str]:
    """Files that share an identity become invalid, all of them; those that no longer do become valid again.

    ``touched`` are the jobs whose files at ``paths`` changed: where no duplicate is among them, nothing is to be done.
    Gives the ids of the jobs whose files were marked or cleared.
    """
    claims, marked = _claims(session, tenant_id)
    shared = jobs_in_tree.clashes(claims)
    near = {place(path) for path in paths}
    clashing = (claim for claim in claims if claim.path in shared)
    changed = any(claim.job_id in touched or (claim.namespace, claim.name) in near for claim in clashing)
    if marked == shared.keys() and not changed:
        return set()
    mine = select(JobIndex).where(JobIndex.tenant_id == tenant_id, col(JobIndex.path).in_(marked | shared.keys()))
    files = session.exec(mine.order_by(JobIndex.path)).all()
    decoded = manifests.mark_duplicates([decode(file.yaml, file.path, tenant_id, policy) for file in files])
    for file, each in zip(files, decoded, strict=True):
        for name, value in facts(each).items():
            setattr(file, name, value)
        session.add(file)
    session.flush()
    return {file.job_id for file in files}


def _claims(session: Session, tenant_id: str) -> tuple[list[Claim], set[str]]:
    """What the files claim that are valid or were marked, and the paths of those that were marked."""
    mine = JobIndex.tenant_id == tenant_id
    invalid = session.exec(select(JobIndex.path, JobIndex.errors).where(mine, col(JobIndex.valid).is_(False)))
    marked = {path for path, errors in invalid if any(error.get("code") == DUPLICATE for error in errors)}
    columns = select(JobIndex.path, JobIndex.job_id, JobIndex.namespace, JobIndex.name)
    rows = session.exec(columns.where(mine, col(JobIndex.valid) | col(JobIndex.path).in_(marked)))
    return [Claim(*row) for row in rows], marked
