"""State of a tenant's repository: branch, index, policy, problems, and newest commits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select

from contract import wire
from crontopus_app.base import probes, queue, rates
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading
from crontopus_app.base.errors import NotFound
from crontopus_app.base.settings import settings
from crontopus_app.forge import addresses
from crontopus_app.forge.client import Forgejo
from crontopus_app.forge.names import RepositoryName
from crontopus_app.jobs import commit_walk
from crontopus_app.jobs.changes import DOWN
from crontopus_app.jobs.policies import PATH
from crontopus_app.jobs.trailers import without
from crontopus_app.models import Change, JobIndex, Tenant

TIMEOUT_S = 3.0
LAST_PAGE = 10_000
# Limits re-indexing, which costs the Git server a request per file.
REINDEX = rates.Rate("reindex", 6, 60)
LISTED = 200
# Part of the error while the whole Git server is down, which is not a problem of one repository.
SERVER_DOWN = "does not respond"
# Commits on a full page of the Git server.
PAGE_SIZE = 50


@dataclass(frozen=True)
class BadFile:
    """An invalid manifest with its first error and its position; ``errors`` is the number of errors."""

    path: str
    namespace: str
    name: str
    message: str
    line: int
    column: int
    errors: int


@dataclass(frozen=True)
class Repository:
    """The state in the database; the Git server is not asked.

    ``current`` means that the index shows the latest head. ``described`` of the ``files`` have a known last commit; the
    others are looked up in the background. ``policy`` is none, in force, or broken (then the last valid version
    applies). ``web_url`` is empty if the Git server has no web pages. ``invalid`` contains at most 200 files.
    """

    name: str
    branch: str
    head: str
    indexed_head: str
    indexed_at: datetime | None
    current: bool
    files: int
    described: int
    problem: str
    policy: str
    policy_problem: str
    clone_url: str
    web_url: str
    folders: list[wire.Namespace]
    invalid: list[BadFile]
    invalid_count: int


@dataclass(frozen=True)
class Log:
    """A page of commits, newest first; ``problem`` is a sentence if they cannot be read now."""

    commits: list[wire.Commit]
    page: int
    more: bool
    problem: str = ""


def get(session: Session, actor: Actor) -> Repository:
    """The repository's state; raises NotFound before it is created."""
    actor.require("read:jobs")
    tenant = tenant_of(session, actor)
    # `index_error` is an error of the Git server, or of the policy file; the latter begins with the file's name.
    of_policy = tenant.index_error.startswith(PATH)
    problem = next(
        (trouble.problem for trouble in troubled(session, tenant.id)), "" if of_policy else tenant.index_error
    )
    policy = "broken" if of_policy else "in force" if tenant.policy_sha else "none"
    config = settings()
    invalid = _invalid(session, actor.tenant_id)
    described, files = commit_walk.progress(session, tenant)
    return Repository(
        name=tenant.repository,
        branch=tenant.branch,
        head=tenant.head,
        indexed_head=tenant.indexed_head,
        indexed_at=tenant.indexed_at,
        current=bool(tenant.head) and tenant.head == tenant.indexed_head and not problem,
        files=files,
        described=described,
        problem=problem,
        policy=policy,
        policy_problem=tenant.index_error if of_policy else "",
        clone_url=addresses.clone(config, tenant.repository),
        web_url=addresses.repository_page(config, tenant.repository),
        folders=_folders(session, tenant),
        invalid=invalid[:LISTED],
        invalid_count=len(invalid),
    )


@dataclass(frozen=True)
class Trouble:
    """A repository that cannot be read or committed to, although the Git server responds."""

    tenant_id: str
    problem: str


def troubled(session: Session, tenant_id: str | None = None) -> list[Trouble]:
    """Repositories with a problem, of all tenants or of one, by tenant."""
    ready = col(Tenant.provisioning) == "ready", *([Tenant.id == tenant_id] if tenant_id else [])
    unread = col(Tenant.index_error) != "", ~col(Tenant.index_error).startswith(PATH)
    rows = session.exec(select(Tenant.id, Tenant.index_error).where(*ready, *unread)).all()
    stuck = col(Change.state) == "pending", col(Change.error).startswith(DOWN)
    waiting = select(Tenant.id, Change.error).join(Change, col(Change.tenant_id) == col(Tenant.id))
    edits = session.exec(waiting.where(*ready, *stuck).order_by(col(Change.created_at).desc())).all()
    problems = {tenant: str(error).removeprefix(DOWN) for tenant, error in edits} | dict(rows)
    return [Trouble(tenant, error) for tenant, error in sorted(problems.items()) if SERVER_DOWN not in error]


def tenant_of(session: Session, actor: Actor) -> Tenant:
    """The actor's tenant; raises NotFound before its repository is created."""
    tenant = session.get(Tenant, actor.tenant_id)
    if tenant is None or tenant.provisioning != "ready":
        raise NotFound("Your repository is still being created. Try again in a few seconds.")
    return tenant


def _folders(session: Session, tenant: Tenant) -> list[wire.Namespace]:
    """The namespaces, with the number of manifests in each, including invalid ones."""
    query = select(JobIndex.namespace, func.count()).where(JobIndex.tenant_id == tenant.id)
    counts = Counter(dict.fromkeys(tenant.namespaces, 0))
    for name, count in session.exec(query.group_by(JobIndex.namespace)):
        counts[name] = count
    return [wire.Namespace(name, counts[name], False) for name in sorted(counts)]


def _invalid(session: Session, tenant_id: str) -> list[BadFile]:
    query = select(JobIndex.path, JobIndex.namespace, JobIndex.name, JobIndex.errors)
    query = query.where(JobIndex.tenant_id == tenant_id, col(JobIndex.valid).is_(False)).order_by(JobIndex.path)
    files = []
    for path, namespace, name, errors in session.exec(query):
        first = errors[0] if errors else {"message": "This file is not a valid manifest."}
        position = int(first.get("line") or 0), int(first.get("column") or 0)
        files.append(BadFile(path, namespace, name, str(first["message"]), *position, len(errors)))
    return files


def log(actor: Actor, forge: Forgejo, page: int = 1, timeout_s: float = TIMEOUT_S) -> Log:
    """A page of the branch's commits from the Git server, within ``timeout_s`` seconds. Never raises for its errors."""
    actor.require("read:jobs")
    with reading() as session:
        tenant, page = tenant_of(session, actor), min(max(page, 1), LAST_PAGE)
    org, name = RepositoryName.of(tenant.repository)
    key = f"commits {org}/{name} {page}"
    result = probes.run({key: lambda: forge.commits(org, name, ref=tenant.branch, page=page)}, timeout_s)[key]
    if result.value is None:
        return Log([], page, False, f"The commits cannot be read from the Git server: {result.problem}")
    commits = [wire.Commit(info.sha, info.author_name, info.at, without(info.message)) for info in result.value]
    return Log(commits, page, len(commits) == PAGE_SIZE)


def reindex(actor: Actor) -> bool:
    """Queues a rebuild of the index; False if Redis is unavailable. Raises RateLimited, NotFound."""
    actor.require("write:jobs")
    with reading() as session:
        tenant = tenant_of(session, actor)
    rates.spend(REINDEX, tenant.id)
    return queue.ring("reindex_tenant", tenant.id)
