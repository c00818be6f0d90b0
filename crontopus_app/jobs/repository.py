"""The tenant's repository: what its branch is, what the index shows of it, its newest commits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select

from contract import wire
from crontopus_app.base import queue, rates
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading
from crontopus_app.base.errors import NotFound
from crontopus_app.base.probes import ask
from crontopus_app.base.settings import settings
from crontopus_app.forge import addresses
from crontopus_app.forge.client import Forgejo
from crontopus_app.forge.names import RepositoryName
from crontopus_app.jobs import commit_walk
from crontopus_app.jobs.changes import DOWN
from crontopus_app.jobs.policies import PATH
from crontopus_app.jobs.trailers import without
from crontopus_app.models import Change, JobIndex, Tenant

PATIENCE_S = 3.0
LAST_PAGE = 10_000
# Reading everything again costs the Git server a request a file.
REINDEX = rates.Rate("reindex", 6, 60)
LISTED = 200
# What an error says while the whole Git server is away, which is no repository's own trouble.
AWAY = "does not answer"
# As many commits as the Git server gives on a page.
FULL = 50


@dataclass(frozen=True)
class BadFile:
    """A file that is no job, with its first error and where it is; ``errors`` says how many there are."""

    path: str
    namespace: str
    name: str
    message: str
    line: int
    column: int
    errors: int


@dataclass(frozen=True)
class Repository:
    """What is known without asking the Git server.

    ``current``: the index shows the head that is known, and the branch could be read. Of its ``files``, ``described``
    have their last commit known; the rest is looked up in the background. ``policy`` is none, in force, or broken
    (then the last good one is in force). ``web_url`` is empty where the Git server has no pages. ``invalid`` holds at
    most 200 files.
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
    """A page of commits, newest first; ``problem`` says in a sentence why there are none to be had now."""

    commits: list[wire.Commit]
    page: int
    more: bool
    problem: str = ""


def get(session: Session, actor: Actor) -> Repository:
    """Raises NotFound where there is no repository yet."""
    actor.require("read:jobs")
    tenant = tenant_of(session, actor)
    # The index notes one error: the Git server's, or the policy file's, which begins with its name.
    of_policy = tenant.index_error.startswith(PATH)
    problem = next((one.problem for one in troubled(session, tenant.id)), "" if of_policy else tenant.index_error)
    policy = "broken" if of_policy else "in force" if tenant.policy_sha else "none"
    ours = settings()
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
        clone_url=addresses.clone(ours, tenant.repository),
        web_url=addresses.repository_page(ours, tenant.repository),
        folders=_folders(session, tenant),
        invalid=invalid[:LISTED],
        invalid_count=len(invalid),
    )


@dataclass(frozen=True)
class Trouble:
    """A repository that cannot be read, or in which an edit cannot be committed, though the Git server answers."""

    tenant_id: str
    problem: str


def troubled(session: Session, tenant_id: str | None = None) -> list[Trouble]:
    """Repositories in trouble, of all tenants or of one, by tenant."""
    ready = col(Tenant.provisioning) == "ready", *([Tenant.id == tenant_id] if tenant_id else [])
    unread = col(Tenant.index_error) != "", ~col(Tenant.index_error).startswith(PATH)
    rows = session.exec(select(Tenant.id, Tenant.index_error).where(*ready, *unread)).all()
    stuck = col(Change.state) == "pending", col(Change.error).startswith(DOWN)
    waiting = select(Tenant.id, Change.error).join(Change, col(Change.tenant_id) == col(Tenant.id))
    edits = session.exec(waiting.where(*ready, *stuck).order_by(col(Change.created_at).desc())).all()
    found = {tenant: str(error).removeprefix(DOWN) for tenant, error in edits} | dict(rows)
    return [Trouble(tenant, error) for tenant, error in sorted(found.items()) if AWAY not in error]


def tenant_of(session: Session, actor: Actor) -> Tenant:
    """Raises NotFound where there is no repository yet."""
    tenant = session.get(Tenant, actor.tenant_id)
    if tenant is None or tenant.provisioning != "ready":
        raise NotFound("Your repository is not ready yet.")
    return tenant


def _folders(session: Session, tenant: Tenant) -> list[wire.Namespace]:
    """Top folders with the number of their files that are jobs or meant to be."""
    query = select(JobIndex.namespace, func.count()).where(JobIndex.tenant_id == tenant.id)
    counts = Counter(dict.fromkeys(tenant.namespaces, 0))
    for name, count in session.exec(query.group_by(JobIndex.namespace)):
        counts[name] = count
    return [wire.Namespace(name, counts[name], False) for name in sorted(counts)]


def _invalid(session: Session, tenant_id: str) -> list[BadFile]:
    query = select(JobIndex.path, JobIndex.namespace, JobIndex.name, JobIndex.errors)
    query = query.where(JobIndex.tenant_id == tenant_id, col(JobIndex.valid).is_(False)).order_by(JobIndex.path)
    found = []
    for path, namespace, name, errors in session.exec(query):
        first = errors[0] if errors else {"message": "This file is not a valid manifest."}
        place = int(first.get("line") or 0), int(first.get("column") or 0)
        found.append(BadFile(path, namespace, name, str(first["message"]), *place, len(errors)))
    return found


def log(actor: Actor, forge: Forgejo, page: int = 1, patience_s: float = PATIENCE_S) -> Log:
    """The branch's commits as the Git server tells them, waited for ``patience_s`` at most; never raises for it."""
    actor.require("read:jobs")
    with reading() as session:
        tenant, page = tenant_of(session, actor), min(max(page, 1), LAST_PAGE)
    org, name = RepositoryName.of(tenant.repository)
    key = f"commits {org}/{name} {page}"
    answer = ask({key: lambda: forge.commits(org, name, ref=tenant.branch, page=page)}, patience_s)[key]
    if answer.value is None:
        return Log([], page, False, f"The Git server does not tell its commits now: {answer.problem}")
    commits = [wire.Commit(one.sha, one.author_name, one.at, without(one.message)) for one in answer.value]
    return Log(commits, page, len(commits) == FULL)


def read_again(actor: Actor) -> bool:
    """Asks a worker to rebuild the index; False where nobody could be asked. Raises RateLimited, NotFound."""
    actor.require("write:jobs")
    with reading() as session:
        tenant = tenant_of(session, actor)
    rates.spend(REINDEX, tenant.id)
    return queue.ring("reindex_tenant", tenant.id)
