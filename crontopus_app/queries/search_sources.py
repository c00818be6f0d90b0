"""The searchable columns of the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from sqlmodel import Session, col, select

from crontopus_app.models import Change, Endpoint, JobIndex, Monitor, Tenant

CHANGES = 500


@dataclass(frozen=True)
class JobFacts:
    """The searchable facts of a job. Without a path, the job was deleted and only its runs remain."""

    job_id: str
    name: str
    namespace: str
    path: str = ""
    valid: bool = True
    detail: str = ""
    text: str = ""
    sha: str = ""
    author: str = ""
    message: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class CommitFacts:
    """A commit in the database; ``text`` is the searched text in lower case."""

    sha: str
    title: str
    author: str
    href: str
    at: datetime | None
    text: str


def jobs(session: Session, tenant_id: str) -> list[JobFacts]:
    """All jobs by namespace and name, then deleted jobs with runs."""
    rows = session.exec(
        select(
            JobIndex.job_id, JobIndex.name, JobIndex.namespace, JobIndex.path, JobIndex.valid, JobIndex.manifest,
            JobIndex.commit_sha, JobIndex.commit_author, JobIndex.commit_message, JobIndex.commit_at,
        )  # pyright: ignore[reportCallIssue] -- select is typed up to four columns
        .where(JobIndex.tenant_id == tenant_id)
        .order_by(JobIndex.namespace, JobIndex.name, JobIndex.path)
    )  # fmt: skip
    current = [
        JobFacts(*row[:5], detail=str((row[5] or {}).get("command", "")), text=words(row[5] or {}), sha=row[6],
                 author=row[7], message=row[8], at=row[9])
        for row in rows
    ]  # fmt: skip
    ids = {job.job_id for job in current}
    deleted = session.exec(
        select(Monitor.job_id, Monitor.job_name, Monitor.namespace)
        .where(Monitor.tenant_id == tenant_id, Monitor.state == "retired")
        .distinct()
    )
    return current + [JobFacts(*row) for row in deleted if row[0] not in ids]


def words(manifest: dict[str, Any]) -> str:
    """Command, arguments, labels and annotations (including the description) as one text."""
    parts = [str(manifest.get("command") or ""), *(str(argument) for argument in manifest.get("args") or [])]
    for name in ("labels", "annotations"):
        parts += [f"{key}={value}" for key, value in (manifest.get(name) or {}).items()]
    return " ".join(parts)


def hosts(session: Session, tenant_id: str) -> list[Any]:
    """The searchable columns of endpoints, revoked ones last."""
    columns = (Endpoint.id, Endpoint.name, Endpoint.hostname)
    query = select(*columns, Endpoint.labels, Endpoint.platform)  # pyright: ignore[reportCallIssue] -- typed up to four
    return list(
        session.exec(query.where(Endpoint.tenant_id == tenant_id).order_by(col(Endpoint.status), col(Endpoint.name)))
    )


def head(session: Session, tenant_id: str) -> str:
    tenant = session.get(Tenant, tenant_id)
    return tenant.head if tenant else ""


def commits(session: Session, tenant_id: str, jobs: Sequence[JobFacts]) -> list[CommitFacts]:
    """The last commits of jobs, and the newest commits made by Crontopus; without duplicates, newest first."""
    by_sha: dict[str, CommitFacts] = {}
    for job in jobs:
        if job.sha:
            page = f"/jobs/{quote(job.namespace, safe='')}/{quote(job.name, safe='')}"
            by_sha.setdefault(job.sha, _commit(job.sha, job.message, job.author, job.at, page))
    newest = (col(Change.created_at).desc(), col(Change.sequence).desc())
    query = select(Change).where(Change.tenant_id == tenant_id, Change.state == "done").order_by(*newest)
    for change in session.exec(query.limit(CHANGES)):
        if change.commit_sha:
            page = f"/jobs/{quote(change.path.rpartition('.')[0])}" if change.path.count("/") == 1 else "/repository"
            commit = _commit(change.commit_sha, change.message, change.author_name, change.done_at, page)
            by_sha.setdefault(change.commit_sha, commit)
    return sorted(by_sha.values(), key=lambda commit: commit.at.timestamp() if commit.at else 0.0, reverse=True)


def _commit(sha: str, message: str, author: str, at: datetime | None, page: str) -> CommitFacts:
    """``page`` is a job's page, whose history shows the commit, or the repository's page."""
    href = page if page == "/repository" else f"{page}?{urlencode({'tab': 'history', 'commit': sha})}"
    line = message.strip().split("\n", 1)[0]
    return CommitFacts(sha, f"{sha[:7]} {line}".strip(), author, href, at, f"{sha} {message} {author}".lower())
