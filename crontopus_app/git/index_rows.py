"""One file of a repository as a row of the index."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlmodel import Session, col, select

from contract import jobs_in_tree, wire
from contract import manifest as manifests
from contract.jobs_in_tree import MAX_BYTES, Claim
from contract.manifest import Decoded, Problem
from contract.manifest_fields import NAME_PATTERN
from contract.policy import Policy
from crontopus_app.git.forgejo import TreeEntry
from crontopus_app.models import JobIndex, Monitor

DUPLICATE = "duplicate-id"
LINK = "120000"


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


def store(
    session: Session, tenant_id: str, entry: TreeEntry, values: dict[str, Any], commit: wire.Commit | None
) -> None:
    """Inserts or updates the file's row; what an invalid file does not say stays as it was, a known commit too."""
    row = session.exec(select(JobIndex).where(JobIndex.tenant_id == tenant_id, JobIndex.path == entry.path)).first()
    if row is None:
        namespace, name = place(entry.path)
        row = JobIndex(tenant_id=tenant_id, path=entry.path, name=name, namespace=namespace, **{"job_id": "", **values})
        row.job_id = row.job_id or _best_id(session, tenant_id, namespace, name)
    else:
        if row.blob_sha != entry.sha:
            values = values | commit_facts(None)
        for name, value in values.items():
            setattr(row, name, value)
    if commit is not None:
        for name, value in commit_facts(commit).items():
            setattr(row, name, value)
    session.add(row)


def place(path: str) -> tuple[str, str]:
    """Namespace and name that a manifest's path stands for."""
    return path.split("/")[0], path.rsplit("/", 1)[-1].rpartition(".")[0]


def _best_id(session: Session, tenant_id: str, namespace: str, name: str) -> str:
    """The id of a job whose file cannot be read: the one its monitors know, else the one it would have without any."""
    query = select(Monitor.job_id).where(Monitor.tenant_id == tenant_id, Monitor.namespace == namespace)
    known = session.exec(query.where(Monitor.job_name == name).order_by(col(Monitor.updated_at).desc())).first()
    return known or manifests.job_id(tenant_id, namespace, name)


def commit_facts(commit: wire.Commit | None) -> dict[str, Any]:
    if commit is None:
        return {"commit_sha": "", "commit_author": "", "commit_message": "", "commit_at": None}
    author, message = commit.author.replace("\x00", ""), commit.message.replace("\x00", "")
    return {"commit_sha": commit.sha, "commit_author": author, "commit_message": message, "commit_at": commit.at}


def mark_duplicates(session: Session, tenant_id: str, policy: Policy) -> None:
    """Files that share an identity become invalid, all of them; those that no longer do become valid again."""
    invalid = select(JobIndex.id, JobIndex.errors).where(
        JobIndex.tenant_id == tenant_id, col(JobIndex.valid).is_(False)
    )
    marked = {row for row, errors in session.exec(invalid) if any(error.get("code") == DUPLICATE for error in errors)}
    columns = select(JobIndex.path, JobIndex.job_id, JobIndex.namespace, JobIndex.name)
    meant = columns.where(JobIndex.tenant_id == tenant_id, col(JobIndex.valid) | col(JobIndex.id).in_(marked))
    shared = jobs_in_tree.clashes(Claim(*row) for row in session.exec(meant))
    if not marked and not shared:
        return
    either = col(JobIndex.id).in_(marked) | col(JobIndex.path).in_(shared)
    mine = select(JobIndex).where(JobIndex.tenant_id == tenant_id, either).order_by(JobIndex.path)
    files = session.exec(mine).all()
    decoded = manifests.mark_duplicates([decode(file.yaml, file.path, tenant_id, policy) for file in files])
    for file, each in zip(files, decoded, strict=True):
        for name, value in facts(each).items():
            setattr(file, name, value)
        session.add(file)
    session.flush()
