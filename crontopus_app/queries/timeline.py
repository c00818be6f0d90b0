"""The timeline of a tenant: its jobs by urgency, with runs of the last and slots of the next twelve hours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import load_only
from sqlmodel import Session, String, cast, col, select, union_all

from crontopus_app.base.actor import Actor
from crontopus_app.models import Endpoint, JobIndex, Monitor, Run
from crontopus_app.monitoring import slots
from crontopus_app.monitoring.slots import Host
from crontopus_app.monitoring.state import badness
from crontopus_app.queries.jobs import roll_up

LANES = 30
HALF = timedelta(hours=12)
# A run per minute for twelve hours; of more runs, the newest are shown.
RUNS = 720
# Number of a job's earlier runs that are checked for an end within the last twelve hours.
BEFORE = 50
PLACES = 100
TIMED = (JobIndex.job_id, JobIndex.schedule, JobIndex.timezone, JobIndex.valid, JobIndex.enabled, JobIndex.paused)
# Searched for in the stored JSON of the flags, because parsing it for every run is slower.
LATE = ('"late_start"', '"late_finish"')


@dataclass(frozen=True)
class TimelineRun:
    """A run; ``seconds`` is its duration, None while it runs."""

    run_id: str
    status: str
    late: bool
    host: str
    begun: datetime
    seconds: float | None


@dataclass(frozen=True)
class Lane:
    """A job: its runs, newest first, and its next slots over all hosts, ascending."""

    job_id: str
    name: str
    namespace: str
    state: str
    marks: tuple[TimelineRun, ...]
    slots: tuple[datetime, ...]


@dataclass(frozen=True)
class Day:
    """At most ``LANES`` of the tenant's ``jobs``, the most urgent first."""

    lanes: tuple[Lane, ...]
    jobs: int


@dataclass(frozen=True)
class _Job:
    job_id: str
    name: str
    namespace: str
    state: str
    file: str


def day(session: Session, actor: Actor, now: datetime) -> Day:
    """The timeline from twelve hours before ``now`` to twelve hours after it."""
    actor.require("read:runs")
    actor.require("read:jobs")
    jobs = _jobs(session, actor.tenant_id)
    chosen = sorted(jobs, key=lambda job: (_need(job.state), job.namespace, job.name))[:LANES]
    ids = list(dict.fromkeys(job.job_id for job in chosen))
    marks = _marks(session, actor.tenant_id, ids, now)
    upcoming = _next_slots(session, actor.tenant_id, chosen, now)
    lanes = [
        Lane(job.job_id, job.name, job.namespace, job.state, tuple(marks[job.job_id]), upcoming.get(job.file, ()))
        for job in chosen
    ]
    return Day(tuple(lanes), len(jobs))


def _need(state: str) -> int:
    """The rank of a state. A running job counts as ok, so that lanes do not move when a run starts or ends."""
    return badness("ok" if state == "running" else state)


def _jobs(session: Session, tenant_id: str) -> list[_Job]:
    monitors = select(Monitor.job_id, Monitor.state).where(Monitor.tenant_id == tenant_id, Monitor.state != "retired")
    states: dict[str, set[str]] = defaultdict(set)
    for job_id, state in session.exec(monitors.distinct()):
        states[job_id].add(state)
    busy = set(session.exec(select(Run.job_id).where(Run.tenant_id == tenant_id, Run.status == "running").distinct()))
    columns = (JobIndex.id, JobIndex.job_id, JobIndex.name, JobIndex.namespace, JobIndex.valid, JobIndex.enabled)
    rows = session.execute(select(*columns, JobIndex.paused).where(JobIndex.tenant_id == tenant_id))  # pyright: ignore -- more columns than select has overloads for
    jobs = []
    for file, job_id, name, namespace, valid, enabled, paused in rows:
        state = roll_up(list(states[job_id]), valid=valid, active=enabled and not paused)
        jobs.append(_Job(job_id, name, namespace, "running" if state == "ok" and job_id in busy else state, file))
    return jobs


def _marks(session: Session, tenant_id: str, job_ids: Sequence[str], now: datetime) -> dict[str, list[TimelineRun]]:
    """The runs of the last twelve hours, and earlier ones that ended within them or still run."""
    by_job: dict[str, list[TimelineRun]] = defaultdict(list)
    if not job_ids:
        return by_job
    edge, parts = now - HALF, []
    for job_id in job_ids:
        of_job = (Run.tenant_id == tenant_id, Run.job_id == job_id)
        earlier = _newest(BEFORE, *of_job, col(Run.sort_at) <= edge)
        parts += [select(_newest(RUNS, *of_job, col(Run.sort_at) > edge))]
        parts += [select(earlier).where(earlier.c.finished_at > edge)]
    old = (Run.tenant_id == tenant_id, Run.status == "running", col(Run.sort_at) <= edge)
    parts.append(select(_newest(RUNS, *old, col(Run.job_id).in_(job_ids))))
    for run_id, job_id, status, flags, host, started, received, slot, _, seconds in session.execute(union_all(*parts)):
        running, at = status == "running", slot if status == "missed" else started or received
        late = any(flag in flags for flag in LATE)
        by_job[job_id].append(TimelineRun(run_id, status, late, host, at, None if running else seconds or 0))
    return by_job


def _newest(most: int, *conditions: Any) -> Any:
    """Wraps a UNION member in a subquery: SQLite forbids ORDER BY inside one."""
    flags = cast(Run.flags, String).label("flags")
    columns = (Run.id, Run.job_id, Run.status, flags, Run.endpoint_name, Run.started_at, Run.received_at)
    query = select(*columns, Run.slot, Run.finished_at, Run.duration_s).where(*conditions)  # pyright: ignore -- more columns than select has overloads for
    return query.order_by(col(Run.sort_at).desc(), col(Run.id).desc()).limit(most).subquery()


def _next_slots(
    session: Session, tenant_id: str, jobs: Sequence[_Job], now: datetime
) -> dict[str, tuple[datetime, ...]]:
    """The next slots by file, with each host's own minute, zone and cron."""
    query = select(JobIndex).where(col(JobIndex.id).in_([job.file for job in jobs]))
    rows = [row for row in session.exec(query.options(load_only(*TIMED))) if slots.is_on(row)]  # pyright: ignore[reportArgumentType] -- columns, not values
    hosts = _hosts(session, tenant_id, [row.job_id for row in rows])
    start = now + timedelta(microseconds=1)
    return {
        row.id: tuple(slots.between(slots.scheduled(row), sorted(hosts[row.job_id])[:PLACES], start, start + HALF))
        for row in rows
    }


def _hosts(session: Session, tenant_id: str, job_ids: Sequence[str]) -> dict[str, list[Host]]:
    query = select(Monitor.job_id, Endpoint.id, Endpoint.timezone, Endpoint.capabilities)
    query = query.join(Endpoint, col(Endpoint.id) == col(Monitor.endpoint_id))
    active = (Monitor.tenant_id == tenant_id, Monitor.state != "retired", col(Monitor.job_id).in_(job_ids))
    by_job: dict[str, list[Host]] = defaultdict(list)
    for job_id, host, zone, capabilities in session.exec(query.where(*active)):
        by_job[job_id].append(Host(host, slots.clock_of(zone, capabilities)))
    return by_job
