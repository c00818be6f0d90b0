"""A job's history from Git: commits, authors and diffs. No database transaction waits for the Git server."""

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
    """A job's file in a commit."""

    namespace: str
    name: str
    sha: str
    path: str
    content: bytes


@dataclass(frozen=True)
class _JobFile:
    """The location of the job's file, also of a deleted job."""

    org: str
    repository: str
    branch: str
    path: str


def history(actor: Actor, namespace: str, name: str, forge: Forgejo, page: int = 1) -> list[wire.HistoryEntry]:
    """A page of at most 50 commits of the job's file, newest first; also for a deleted job. Raises NotFound."""
    file = _job_file(actor, namespace, name)
    commits = forge.commits(file.org, file.repository, ref=file.branch, path=file.path, page=max(page, 1))
    if not commits and page <= 1:
        raise NotFound(f"No job {namespace}/{name}.")
    return [wire.HistoryEntry(_commit(commit)) for commit in commits]


def history_entry(actor: Actor, namespace: str, name: str, sha: str, forge: Forgejo) -> wire.HistoryEntry:
    """One commit with its diff of the job's file; raises NotFound if it did not change the file."""
    file = _job_file(actor, namespace, name)
    if not SHA.match(sha):
        raise NotFound(f"{sha[:80]!r} is not a commit: give 7 to 64 hexadecimal digits.")
    forge.commits(file.org, file.repository, ref=sha)  # with a path, an unknown commit would be an empty list
    commits = forge.commits(file.org, file.repository, ref=sha, path=file.path)
    if not commits or not commits[0].sha.startswith(sha):
        raise NotFound(f"The commit {sha[:12]} did not change {file.path}.")
    return wire.HistoryEntry(
        _commit(commits[0]), _file_diff(forge.diff(file.org, file.repository, commits[0].sha), file.path)
    )


def version(actor: Actor, namespace: str, name: str, sha: str, forge: Forgejo) -> Version:
    """The job's file in a commit; raises NotFound if the commit does not have it."""
    file = _job_file(actor, namespace, name)
    if not SHA.match(sha):
        raise NotFound(f"{sha[:80]!r} is not a commit: give 7 to 64 hexadecimal digits.")
    content = forge.file_at(file.org, file.repository, file.path, sha)
    if content is None:
        raise NotFound(f"The commit {sha[:12]} has no {file.path}.")
    return Version(namespace, name, sha, file.path, content)


def _job_file(actor: Actor, namespace: str, name: str) -> _JobFile:
    actor.require("read:jobs")
    with reading() as session:
        tenant = session.get(Tenant, actor.tenant_id)
        if tenant is None or not is_name(namespace) or not is_name(name):
            raise NotFound(f"No job {namespace}/{name}.")
        row = find_or_none(session, actor.tenant_id, namespace, name)
    org, repository = RepositoryName.of(tenant.repository)
    return _JobFile(org, repository, tenant.branch, row.path if row else path_of(namespace, name))


def _commit(info: CommitInfo) -> wire.Commit:
    """The commit, its message without trailers."""
    return wire.Commit(info.sha, info.author_name, info.at, without(info.message))


def _file_diff(diff: str, path: str) -> str:
    """The part of a commit's diff that concerns one file."""
    parts = re.split(r"(?m)^(?=diff --git )", diff)
    return "".join(part for part in parts if part.split("\n", 1)[0].endswith(f" b/{path}"))
