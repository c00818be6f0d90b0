"""Searches jobs, runs, endpoints and commits, the best matches first, with their console addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from sqlmodel import Session, col, select

from crontopus_app.base.actor import Actor
from crontopus_app.hosts import endpoints
from crontopus_app.models import Endpoint, Run
from crontopus_app.monitoring.runs import STATUSES
from crontopus_app.queries import search_sources
from crontopus_app.queries.search_sources import JobFacts

FEW = 6
LONGEST = 200
WORDS = 8
# Number of jobs and hosts whose runs are searched, to limit the cost of a search.
WIDE = 4
DEEP = 2000
RANGE = 200
ID = re.compile(r"[0-9a-f][0-9a-f-]{3,35}")
SHA = re.compile(r"[0-9a-f]{4,64}")


@dataclass(frozen=True)
class Hit:
    """A search result. ``kind`` is job, run, endpoint or commit; ``href`` its address in the console."""

    kind: str
    id: str
    title: str
    detail: str
    href: str
    state: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Group:
    """The hits of one kind, best first. ``more`` means that there are others; ``href`` shows all of them."""

    kind: str
    hits: list[Hit]
    more: bool
    href: str = ""


@dataclass(frozen=True)
class Found:
    """The groups with hits, the one with the best hit first. ``count`` is the number of hits shown."""

    text: str
    groups: list[Group]
    count: int


@dataclass(frozen=True)
class _Query:
    """The search text in lower case, its words, and those that are run statuses (``statuses``) or not (``names``)."""

    whole: str
    words: tuple[str, ...]
    statuses: tuple[str, ...]
    names: tuple[str, ...]


_Ranked = tuple[int, Group]


def find(session: Session, actor: Actor, text: str, now: datetime, few: int = FEW) -> Found:
    """At most ``few`` hits of each kind that the actor may read, exact ids and names first. All words must match.

    ``text`` has no wildcards. Raises Forbidden if the actor may read none of the kinds.
    """
    if not (actor.may("read:runs") or actor.may("read:agents")):
        actor.require("read:jobs")
    query, few = _parse(text), min(max(few, 1), 50)
    if not query.words:
        return Found("", [], 0)
    facts = search_sources.jobs(session, actor.tenant_id)
    hosts = search_sources.hosts(session, actor.tenant_id)
    ranked: list[_Ranked] = []
    if actor.may("read:jobs"):
        ranked.append(_jobs(facts, query, few))
        ranked.append(_commits(session, actor, facts, query, few))
    if actor.may("read:runs"):
        ranked.append(_runs(session, actor, facts, hosts, query, few))
    if actor.may("read:agents"):
        ranked.append(_endpoints(session, actor, hosts, query, now, few))
    groups = [group for _, group in sorted(ranked, key=lambda pair: pair[0]) if group.hits]
    return Found(query.whole, groups, sum(len(group.hits) for group in groups))


def _parse(text: str) -> _Query:
    whole = " ".join(text[:LONGEST].replace("\0", " ").lower().split())
    words = tuple(whole.split()[:WORDS])
    statuses = tuple(word for word in words if word in STATUSES)
    return _Query(whole, words, statuses, tuple(word for word in words if word not in STATUSES))


def rank(words: Sequence[str], whole: str, names: Sequence[str], text: str = "", own_id: str = "") -> int | None:
    """0 for an exact name or id, 1 for the start of one, 2 if all words are in the names, 3 in the text; else None.

    An id matches only from its start.
    """
    lower = [name.lower() for name in names]
    if whole in (*lower, own_id):
        return 0
    if any(name.startswith(whole) for name in lower) or (ID.fullmatch(whole) and own_id.startswith(whole)):
        return 1
    all_names = " ".join(lower)
    if all(word in all_names for word in words):
        return 2
    everything = f"{all_names} {text.lower()}"
    return 3 if all(word in everything for word in words) else None


def _best(ranked: list[tuple[int, Any]]) -> tuple[int, list[Any]]:
    """The best rank (9 without items), and the items by rank, in their order among equals."""
    ordered = sorted(ranked, key=lambda pair: pair[0])
    return (ordered[0][0] if ordered else 9), [item for _, item in ordered]


def _jobs(facts: Sequence[JobFacts], query: _Query, few: int) -> _Ranked:
    matches = []
    for job in facts:
        if job.path:
            names = (job.name, f"{job.namespace}/{job.name}")
            job_rank = rank(query.words, query.whole, names, f"{job.path} {job.text}", job.job_id)
            if job_rank is not None:
                matches.append((job_rank, job))
    best, ordered = _best(matches)
    hits = [_job(job) for job in ordered[:few]]
    return best * 10, Group("job", hits, len(ordered) > few, f"/jobs?{urlencode({'q': query.whole})}")


def _job(job: JobFacts) -> Hit:
    state = "" if job.valid else "invalid"
    detail = job.detail if job.valid else f"{job.path} is not a valid manifest"
    return Hit("job", job.job_id, f"{job.namespace}/{job.name}", detail, _job_page(job), state)


def _job_page(job: JobFacts) -> str:
    return f"/jobs/{quote(job.namespace, safe='')}/{quote(job.name, safe='')}"


def _commits(session: Session, actor: Actor, facts: Sequence[JobFacts], query: _Query, few: int) -> _Ranked:
    matches = []
    for commit in search_sources.commits(session, actor.tenant_id, facts):
        if SHA.fullmatch(query.whole) and commit.sha.startswith(query.whole):
            matches.append((0, commit))
        elif all(word in commit.text for word in query.words):
            matches.append((3, commit))
    best, ordered = _best(matches)
    hits = [
        Hit("commit", commit.sha, commit.title, commit.author, commit.href, "", commit.at) for commit in ordered[:few]
    ]
    return best * 10 + 3, Group("commit", hits, len(ordered) > few, "/repository" if ordered else "")


def _endpoints(session: Session, actor: Actor, hosts: Sequence[Any], query: _Query, now: datetime, few: int) -> _Ranked:
    matches = []
    for host in hosts:
        labels = " ".join(f"{key}={value}" for key, value in host.labels.items())
        host_rank = rank(query.words, query.whole, (host.name, host.hostname), f"{labels} {host.platform}", host.id)
        if host_rank is not None:
            matches.append((host_rank, host))
    best, ordered = _best(matches)
    ids = [host.id for host in ordered[:few]]
    head = search_sources.head(session, actor.tenant_id)
    rows = {row.id: row for row in session.exec(select(Endpoint).where(col(Endpoint.id).in_(ids)))}
    hits = []
    for host_id in ids:
        row = rows[host_id]
        state = endpoints.state_of(row, head, now)
        hits.append(Hit("endpoint", row.id, row.name, row.hostname, f"/endpoints/{row.id}", state, row.last_seen_at))
    return best * 10 + 1, Group("endpoint", hits, len(ordered) > few, f"/endpoints?{urlencode({'q': query.whole})}")


def _runs(
    session: Session, actor: Actor, facts: Sequence[JobFacts], hosts: Sequence[Any], query: _Query, few: int
) -> _Ranked:
    """Runs by the start of their id, or else the newest runs of the named jobs, hosts or statuses."""
    if ID.fullmatch(query.whole):
        rows = _by_id(session, actor, query.whole, few + 1)
        if rows:
            return 0, Group("run", [_run(row) for row in rows[:few]], len(rows) > few)
    conditions, filters = _conditions(facts, hosts, query)
    # With statuses alone, their index finds the runs; the runs of a job or host must be scanned.
    rows = _newest(session, actor, conditions, query.statuses if query.names else (), few + 1)
    href = f"/runs?{urlencode(filters)}" if filters else ""
    # A job's name means the job, so its runs are ranked after it.
    return (12 if query.statuses else 32), Group("run", [_run(row) for row in rows[:few]], len(rows) > few, href)


def _by_id(session: Session, actor: Actor, prefix: str, count: int) -> list[Run]:
    """Runs whose id starts with the prefix, newest first. Ids are hexadecimal, so they form a range of the key."""
    # The expression prevents the use of the tenant's index, which would be scanned completely.
    of_tenant = col(Run.tenant_id).concat("") == actor.tenant_id
    query = select(Run).where(col(Run.id) >= prefix, col(Run.id) < f"{prefix}g", of_tenant)
    rows = [row for row in session.exec(query.limit(RANGE)) if row.id.startswith(prefix)]
    return sorted(rows, key=lambda row: row.sort_at, reverse=True)[:count]


def _conditions(facts: Sequence[JobFacts], hosts: Sequence[Any], query: _Query) -> tuple[list[Any], dict[str, str]]:
    """SQL conditions, each of which uses an index, and the filters of the Runs page that show the same runs."""
    filters = {"status": ",".join(query.statuses)} if query.statuses else {}
    if not query.names:
        return [col(Run.status) == status for status in query.statuses], filters
    jobs = _ranked(facts, query.names, lambda job: (job.name, f"{job.namespace}/{job.name}"))
    machines = _ranked(hosts, query.names, lambda host: (host.name, host.hostname))
    if jobs:
        filters |= {"job": jobs[0].name, "namespace": jobs[0].namespace}
    elif machines:
        filters |= {"endpoint": machines[0].name}
    conditions = [col(Run.job_id) == job.job_id for job in jobs]
    conditions += [col(Run.source_id) == machine.id for machine in machines]
    return conditions, filters if conditions else {}


def _ranked(items: Sequence[Any], words: Sequence[str], names: Callable[[Any], Sequence[str]]) -> list[Any]:
    """The items whose names match best."""
    whole = " ".join(words)
    ranks = [(rank(words, whole, names(item)), item) for item in items]
    return _best([(item_rank, item) for item_rank, item in ranks if item_rank is not None])[1][:WIDE]


def _newest(
    session: Session, actor: Actor, conditions: Sequence[Any], statuses: Sequence[str], count: int
) -> list[Run]:
    """The newest runs that match any condition; with ``statuses``, among the newest ``DEEP`` of each condition."""
    order = (col(Run.sort_at).desc(), col(Run.id).desc())
    by_id: dict[str, Run] = {}
    for condition in conditions:
        query = select(Run).where(Run.tenant_id == actor.tenant_id, condition)
        if statuses:
            recent = select(Run.id).where(Run.tenant_id == actor.tenant_id, condition).order_by(*order).limit(DEEP)
            ids = select(recent.subquery().c.id)
            query = select(Run).where(col(Run.id).in_(ids), col(Run.status).in_(statuses))
        by_id.update((row.id, row) for row in session.exec(query.order_by(*order).limit(count)))
    return sorted(by_id.values(), key=lambda row: (row.sort_at, row.id), reverse=True)[:count]


def _run(row: Run) -> Hit:
    title, detail = f"{row.namespace}/{row.job_name}", f"on {row.endpoint_name} · {row.id[:8]}"
    return Hit("run", row.id, title, detail, f"/runs/{row.id}", row.status, row.sort_at)
