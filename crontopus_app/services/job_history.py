"""A job's history: Git's own log, with authors and differences."""

from __future__ import annotations

import re

from sqlmodel import Session

from contract import wire
from contract.manifest import path_of
from crontopus_app.errors import NotFound
from crontopus_app.git.forgejo import CommitInfo, Forgejo
from crontopus_app.git.trailers import without
from crontopus_app.models import Tenant
from crontopus_app.services.actor import Actor
from crontopus_app.services.job_edits import SHA, is_name
from crontopus_app.services.job_rows import find_or_none


def history(
    forge: Forgejo, session: Session, actor: Actor, namespace: str, name: str, page: int = 1
) -> list[wire.HistoryEntry]:
    """A page of at most 50 commits that touched the job's file, newest first; of a deleted job too."""
    org, repository, branch, path = _where(session, actor, namespace, name)
    found = forge.commits(org, repository, ref=branch, path=path, page=max(page, 1))
    if not found and page <= 1:
        raise NotFound(f"There is no job {namespace}/{name}.")
    return [wire.HistoryEntry(_commit(one)) for one in found]


def history_entry(
    forge: Forgejo, session: Session, actor: Actor, namespace: str, name: str, sha: str
) -> wire.HistoryEntry:
    """One commit with what it did to the job's file; raises NotFound where it did not touch it."""
    org, repository, _, path = _where(session, actor, namespace, name)
    if not SHA.match(sha):
        raise NotFound("There is no such version.")
    forge.commits(org, repository, ref=sha)  # an unknown commit is a 404 only where no path is asked for
    found = forge.commits(org, repository, ref=sha, path=path)
    if not found or not found[0].sha.startswith(sha):
        raise NotFound(f"The commit {sha[:12]} did not touch {path}.")
    return wire.HistoryEntry(_commit(found[0]), _part(forge.diff(org, repository, found[0].sha), path))


def version(forge: Forgejo, session: Session, actor: Actor, namespace: str, name: str, sha: str) -> bytes:
    """The job's file as it was in a commit; raises NotFound where it was not there."""
    org, repository, _, path = _where(session, actor, namespace, name)
    data = forge.file_at(org, repository, path, sha) if SHA.match(sha) else None
    if data is None:
        raise NotFound("There is no such version.")
    return data


def _where(session: Session, actor: Actor, namespace: str, name: str) -> tuple[str, str, str, str]:
    actor.require("read:jobs")
    tenant = session.get(Tenant, actor.tenant_id)
    if tenant is None or not is_name(namespace) or not is_name(name):
        raise NotFound(f"There is no job {namespace}/{name}.")
    row = find_or_none(session, actor.tenant_id, namespace, name)
    org, repository = tenant.repository.split("/")
    return org, repository, tenant.branch, row.path if row else path_of(namespace, name)


def _commit(found: CommitInfo) -> wire.Commit:
    """The commit as people read it, without our trailers."""
    return wire.Commit(found.sha, found.author_name, found.at, without(found.message))


def _part(diff: str, path: str) -> str:
    """The part of a commit's difference that is about one file."""
    parts = re.split(r"(?m)^(?=diff --git )", diff)
    return "".join(part for part in parts if part.split("\n", 1)[0].endswith(f" b/{path}"))
