"""A job's history: Git's own log, with authors and differences. No transaction waits for the Git server."""

from __future__ import annotations

import re
from dataclasses import dataclass

from contract import wire
from contract.manifest import path_of
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading
from crontopus_app.base.errors import NotFound
from crontopus_app.forge.client import CommitInfo, Forgejo
from crontopus_app.forge.names import RepositoryName
from crontopus_app.jobs.lookup import find_or_none, is_name
from crontopus_app.jobs.trailers import without
from crontopus_app.models import Tenant

SHA = re.compile(r"[0-9a-f]{7,64}\Z")


@dataclass(frozen=True)
class Version:
    """A job's file as it was in a commit."""

    namespace: str
    name: str
    sha: str
    path: str
    content: bytes


@dataclass(frozen=True)
class _Place:
    """Where the job's file is, or was before the job was deleted."""

    org: str
    repository: str
    branch: str
    path: str


def history(actor: Actor, namespace: str, name: str, forge: Forgejo, page: int = 1) -> list[wire.HistoryEntry]:
    """A page of at most 50 commits that touched the job's file, newest first; of a deleted job too. Raises NotFound."""
    at = _place(actor, namespace, name)
    found = forge.commits(at.org, at.repository, ref=at.branch, path=at.path, page=max(page, 1))
    if not found and page <= 1:
        raise NotFound(f"There is no job {namespace}/{name}.")
    return [wire.HistoryEntry(_commit(one)) for one in found]


def history_entry(actor: Actor, namespace: str, name: str, sha: str, forge: Forgejo) -> wire.HistoryEntry:
    """One commit with what it did to the job's file; raises NotFound where it did not touch it."""
    at = _place(actor, namespace, name)
    if not SHA.match(sha):
        raise NotFound("There is no such version.")
    forge.commits(at.org, at.repository, ref=sha)  # an unknown commit is a 404 only where no path is asked for
    found = forge.commits(at.org, at.repository, ref=sha, path=at.path)
    if not found or not found[0].sha.startswith(sha):
        raise NotFound(f"The commit {sha[:12]} did not touch {at.path}.")
    return wire.HistoryEntry(_commit(found[0]), _part(forge.diff(at.org, at.repository, found[0].sha), at.path))


def version(actor: Actor, namespace: str, name: str, sha: str, forge: Forgejo) -> Version:
    """The job's file as it was in a commit; raises NotFound where it was not there."""
    at = _place(actor, namespace, name)
    if not SHA.match(sha):
        raise NotFound("There is no such version.")
    content = forge.file_at(at.org, at.repository, at.path, sha)
    if content is None:
        raise NotFound(f"The commit {sha[:12]} has no {at.path}.")
    return Version(namespace, name, sha, at.path, content)


def _place(actor: Actor, namespace: str, name: str) -> _Place:
    actor.require("read:jobs")
    with reading() as session:
        tenant = session.get(Tenant, actor.tenant_id)
        if tenant is None or not is_name(namespace) or not is_name(name):
            raise NotFound(f"There is no job {namespace}/{name}.")
        row = find_or_none(session, actor.tenant_id, namespace, name)
    org, repository = RepositoryName.of(tenant.repository)
    return _Place(org, repository, tenant.branch, row.path if row else path_of(namespace, name))


def _commit(found: CommitInfo) -> wire.Commit:
    """The commit as people read it, without our trailers."""
    return wire.Commit(found.sha, found.author_name, found.at, without(found.message))


def _part(diff: str, path: str) -> str:
    """The part of a commit's difference that is about one file."""
    parts = re.split(r"(?m)^(?=diff --git )", diff)
    return "".join(part for part in parts if part.split("\n", 1)[0].endswith(f" b/{path}"))
