"""One search over jobs, runs, endpoints and commits: what is meant most likely first, with where it leads."""

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
# Runs of so many jobs and hosts are looked at, so that a search costs the same however many match.
WIDE = 4
DEEP = 2000
RANGE = 200
ID = re.compile(r"[0-9a-f][0-9a-f-]{3,35}")
SHA = re.compile(r"[0-9a-f]{4,64}")


@dataclass(frozen=True)
class Hit:
    """One thing that was found; ``kind`` is job, run, endpoint or commit, ``href`` its address in the console."""

    kind: str
    id: str
    title: str
    detail: str
    href: str
    state: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Group:
    """The hits of one kind, best first. ``more`` says that there are others, ``href`` leads to all of them."""

    kind: str
    hits: list[Hit]
    more: bool
    href: str = ""


@dataclass(frozen=True)
class Found:
    """Groups with hits only, the one with the best hit first; ``count`` is the number of hits shown."""

    text: str
    groups: list[Group]
    count: int


@dataclass(frozen=True)
class _Asked:
    """What was typed: ``whole`` in small letters, its words, and those among them that name a run's outcome."""

    whole: str
    words: tuple[str, ...]
    statuses: tuple[str, ...]
    names: tuple[str, ...]


_Ranked = tuple[int, Group]


def find(session: Session, actor: Actor, text: str, now: datetime, few: int = FEW) -> Found:
    """At most ``few`` hits of each kind that the actor may read, exact ids and names first; every word must be found.

    No character of ``text`` is a wildcard. Raises Forbidden where the actor may read none of the kinds.
    """
    if not (actor.may("read:runs") or actor.may("read:agents")):
        actor.require("read:jobs")
    asked, few = _asked(text), min(max(few, 1), 50)
    if not asked.words:
        return Found("", [], 0)
    facts = search_sources.jobs(session, actor.tenant_id)
    hosts = search_sources.hosts(session, actor.tenant_id)
    ranked: list[_Ranked] = []
    if actor.may("read:jobs"):
        ranked.append(_jobs(facts, asked, few))
        ranked.append(_commits(session, actor, facts, asked, few))
    if actor.may("read:runs"):
        ranked.append(_runs(session, actor, facts, hosts, asked, few))
    if actor.may("read:agents"):
        ranked.append(_endpoints(session, actor, hosts, asked, now, few))
    groups = [group for _, group in sorted(ranked, key=lambda one: one[0]) if group.hits]
    return Found(asked.whole, groups, sum(len(group.hits) for group in groups))


def _asked(text: str) -> _Asked:
    whole = " ".join(text[:LONGEST].replace("\0", " ").lower().split())
    words = tuple(whole.split()[:WORDS])
    statuses = tuple(word for word in words if word in STATUSES)
    return _Asked(whole, words, statuses, tuple(word for word in words if word not in STATUSES))


def rank(asked: Sequence[str], whole: str, names: Sequence[str], rest: str = "", own_id: str = "") -> int | None:
    """0 for a name or the id, 1 where one begins so, 2 for all words in names, 3 elsewhere too; None: not found.

    An id is a name only from its beginning: nobody means the letters within it.
    """
    known = [name.lower() for name in names]
    if whole in (*known, own_id):
        return 0
    if any(name.startswith(whole) for name in known) or (ID.fullmatch(whole) and own_id.startswith(whole)):
        return 1
    named = " ".join(known)
    if all(word in named for word in asked):
        return 2
    everything = f"{named} {rest.lower()}"
    return 3 if all(word in everything for word in asked) else None


def _best(found: list[tuple[int, Any]]) -> tuple[int, list[Any]]:
    """The lowest rank (9 of nothing), and the things by rank; equal ones stay in their order."""
    ordered = sorted(found, key=lambda one: one[0])
    return (ordered[0][0] if ordered else 9), [thing for _, thing in ordered]


def _jobs(facts: Sequence[JobFacts], asked: _Asked, few: int) -> _Ranked:
    found = []
    for job in facts:
        if job.path:
            names = (job.name, f"{job.namespace}/{job.name}")
            place = rank(asked.words, asked.whole, names, f"{job.path} {job.text}", job.job_id)
            if place is not None:
                found.append((place, job))
    best, ordered = _best(found)
    hits = [_job(job) for job in ordered[:few]]
    return best * 10, Group("job", hits, len(ordered) > few, f"/jobs?{urlencode({'q': asked.whole})}")


def _job(job: JobFacts) -> Hit:
    state = "" if job.valid else "invalid"
    detail = job.detail if job.valid else f"{job.path} is not a valid manifest"
    return Hit("job", job.job_id, f"{job.namespace}/{job.name}", detail, _job_page(job), state)


def _job_page(job: JobFacts) -> str:
    return f"/jobs/{quote(job.namespace, safe='')}/{quote(job.name, safe='')}"


def _commits(session: Session, actor: Actor, facts: Sequence[JobFacts], asked: _Asked, few: int) -> _Ranked:
    found = []
    for one in search_sources.commits(session, actor.tenant_id, facts):
        if SHA.fullmatch(asked.whole) and one.sha.startswith(asked.whole):
            found.append((0, one))
        elif all(word in one.text for word in asked.words):
            found.append((3, one))
    best, ordered = _best(found)
    hits = [Hit("commit", one.sha, one.title, one.author, one.href, "", one.at) for one in ordered[:few]]
    return best * 10 + 3, Group("commit", hits, len(ordered) > few, "/repository" if ordered else "")


def _endpoints(session: Session, actor: Actor, hosts: Sequence[Any], asked: _Asked, now: datetime, few: int) -> _Ranked:
    found = []
    for host in hosts:
        labels = " ".join(f"{key}={value}" for key, value in host.labels.items())
        place = rank(asked.words, asked.whole, (host.name, host.hostname), f"{labels} {host.platform}", host.id)
        if place is not None:
            found.append((place, host))
    best, ordered = _best(found)
    ids = [host.id for host in ordered[:few]]
    head = search_sources.head(session, actor.tenant_id)
    rows = {row.id: row for row in session.exec(select(Endpoint).where(col(Endpoint.id).in_(ids)))}
    hits = []
    for host_id in ids:
        row = rows[host_id]
        state = endpoints.state_of(row, head, now)
        hits.append(Hit("endpoint", row.id, row.name, row.hostname, f"/endpoints/{row.id}", state, row.last_seen_at))
    return best * 10 + 1, Group("endpoint", hits, len(ordered) > few, f"/endpoints?{urlencode({'q': asked.whole})}")


def _runs(
    session: Session, actor: Actor, facts: Sequence[JobFacts], hosts: Sequence[Any], asked: _Asked, few: int
) -> _Ranked:
    """A run by the beginning of its id; else the newest of what the words name: a job, a host, an outcome."""
    if ID.fullmatch(asked.whole):
        rows = _by_id(session, actor, asked.whole, few + 1)
        if rows:
            return 0, Group("run", [_run(row) for row in rows[:few]], len(rows) > few)
    conditions, query = _named(facts, hosts, asked)
    # Where only an outcome is named its index gives the runs; a job's or a host's have to be looked through.
    rows = _newest(session, actor, conditions, asked.statuses if asked.names else (), few + 1)
    href = f"/runs?{urlencode(query)}" if query else ""
    # Somebody who types a job's name means the job: its runs stand after it.
    return (12 if asked.statuses else 32), Group("run", [_run(row) for row in rows[:few]], len(rows) > few, href)


def _by_id(session: Session, actor: Actor, prefix: str, count: int) -> list[Run]:
    """Runs whose id begins so, newest first. No id has a letter past f, so they are a range of the key."""
    # Not the bare column: an index over the tenant's runs would be walked from end to end.
    mine = col(Run.tenant_id).concat("") == actor.tenant_id
    query = select(Run).where(col(Run.id) >= prefix, col(Run.id) < f"{prefix}g", mine)
    rows = [row for row in session.exec(query.limit(RANGE)) if row.id.startswith(prefix)]
    return sorted(rows, key=lambda row: row.sort_at, reverse=True)[:count]


def _named(facts: Sequence[JobFacts], hosts: Sequence[Any], asked: _Asked) -> tuple[list[Any], dict[str, str]]:
    """Conditions of which each gives runs by an index, and the filter of the Runs page that shows them all."""
    query = {"status": ",".join(asked.statuses)} if asked.statuses else {}
    if not asked.names:
        return [col(Run.status) == status for status in asked.statuses], query
    jobs = _ranked(facts, asked.names, lambda job: (job.name, f"{job.namespace}/{job.name}"))
    machines = _ranked(hosts, asked.names, lambda host: (host.name, host.hostname))
    if jobs:
        query |= {"job": jobs[0].name, "namespace": jobs[0].namespace}
    elif machines:
        query |= {"endpoint": machines[0].name}
    made = [col(Run.job_id) == job.job_id for job in jobs] + [col(Run.source_id) == one.id for one in machines]
    return made, query if made else {}


def _ranked(things: Sequence[Any], words: Sequence[str], names: Callable[[Any], Sequence[str]]) -> list[Any]:
    """The best of what is named by the words."""
    whole = " ".join(words)
    places = [(rank(words, whole, names(thing)), thing) for thing in things]
    return _best([(place, thing) for place, thing in places if place is not None])[1][:WIDE]


def _newest(
    session: Session, actor: Actor, conditions: Sequence[Any], statuses: Sequence[str], count: int
) -> list[Run]:
    """The newest runs of any condition; with outcomes those among the newest ``DEEP`` of each."""
    order = (col(Run.sort_at).desc(), col(Run.id).desc())
    found: dict[str, Run] = {}
    for condition in conditions:
        query = select(Run).where(Run.tenant_id == actor.tenant_id, condition)
        if statuses:
            recent = select(Run.id).where(Run.tenant_id == actor.tenant_id, condition).order_by(*order).limit(DEEP)
            few = select(recent.subquery().c.id)
            query = select(Run).where(col(Run.id).in_(few), col(Run.status).in_(statuses))
        found.update((row.id, row) for row in session.exec(query.order_by(*order).limit(count)))
    return sorted(found.values(), key=lambda row: (row.sort_at, row.id), reverse=True)[:count]


def _run(row: Run) -> Hit:
    title, detail = f"{row.namespace}/{row.job_name}", f"on {row.endpoint_name} · {row.id[:8]}"
    return Hit("run", row.id, title, detail, f"/runs/{row.id}", row.status, row.sort_at)
