"""What a report says, from the tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col, func

from crontopus_app.alerts.report_periods import Period
from crontopus_app.models import Change, Endpoint, Incident, JobIndex, Run
from crontopus_app.monitoring.evaluator import SILENT_AFTER

STATUSES = ("success", "failed", "timeout", "lost", "missed", "skipped")
UNWELL = ("failed", "timeout", "lost", "missed")
MOST = 10


@dataclass(frozen=True)
class JobCount:
    """A job with the number of its runs that did not go well, of which ``missed`` did not happen."""

    name: str
    count: int
    missed: int


@dataclass(frozen=True)
class SlowJob:
    name: str
    longest_s: float
    average_s: float


@dataclass(frozen=True)
class OpenIncident:
    title: str
    what: str
    since: datetime
    id: str


@dataclass(frozen=True)
class RecentChange:
    """``what`` is its first line."""

    author: str
    what: str
    at: datetime


@dataclass(frozen=True)
class ReportFacts:
    """Lists have at most MOST entries; their counts are of all. ``jobs`` counts manifests."""

    tenant: str
    period: Period
    jobs: int
    runs: dict[str, int]
    unwell: tuple[JobCount, ...]
    unwell_jobs: int
    slowest: tuple[SlowJob, ...]
    silent: tuple[tuple[str, datetime | None], ...]
    silent_hosts: int
    incidents: tuple[OpenIncident, ...]
    open_incidents: int
    opened_incidents: int
    changes: tuple[RecentChange, ...]
    change_count: int


def facts(session: Session, tenant_id: str, period: Period, now: datetime) -> ReportFacts:
    """Runs and changes of the period; hosts and incidents as they are now."""
    within = col(Run.tenant_id) == tenant_id, col(Run.sort_at) >= period.start, col(Run.sort_at) < period.end
    unwell = _unwell(session, within)
    silent = _silent(session, tenant_id, now - SILENT_AFTER)
    mine = col(Incident.tenant_id) == tenant_id
    opened = mine, col(Incident.opened_at) >= period.start, col(Incident.opened_at) < period.end
    still_open = mine, col(Incident.closed_at).is_(None)
    done = (
        col(Change.tenant_id) == tenant_id,
        col(Change.state) == "done",
        col(Change.done_at) >= period.start,
        col(Change.done_at) < period.end,
    )
    return ReportFacts(
        tenant=tenant_id,
        period=period,
        jobs=_count(session, JobIndex, col(JobIndex.tenant_id) == tenant_id),
        runs=_runs(session, within),
        unwell=tuple(unwell[:MOST]),
        unwell_jobs=len(unwell),
        slowest=_slowest(session, within),
        silent=tuple(silent[:MOST]),
        silent_hosts=len(silent),
        incidents=_incidents(session, still_open),
        open_incidents=_count(session, Incident, *still_open),
        opened_incidents=_count(session, Incident, *opened),
        changes=_changes(session, done),
        change_count=_count(session, Change, *done),
    )


def _count(session: Session, table: type[Any], *conditions: Any) -> int:
    return session.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()


def _runs(session: Session, within: tuple[Any, ...]) -> dict[str, int]:
    counts = select(col(Run.status), func.count()).where(*within).group_by(col(Run.status))
    found = {row[0]: row[1] for row in session.execute(counts)}
    return {status: found[status] for status in STATUSES if found.get(status)}


def _unwell(session: Session, within: tuple[Any, ...]) -> list[JobCount]:
    """Those with the most first."""
    names = col(Run.namespace), col(Run.job_name), col(Run.status)
    query = select(*names, func.count()).where(*within, col(Run.status).in_(UNWELL)).group_by(*names)
    jobs: dict[str, dict[str, int]] = {}
    for namespace, name, status, count in session.execute(query):
        jobs.setdefault(_name(namespace, name), {})[status] = count
    counted = [JobCount(name, sum(by.values()), by.get("missed", 0)) for name, by in jobs.items()]
    return sorted(counted, key=lambda job: (-job.count, job.name))


def _slowest(session: Session, within: tuple[Any, ...]) -> tuple[SlowJob, ...]:
    names, longest = (col(Run.namespace), col(Run.job_name)), func.max(col(Run.duration_s))
    query = select(*names, longest, func.avg(col(Run.duration_s))).where(*within, col(Run.duration_s).is_not(None))
    rows = session.execute(query.group_by(*names).order_by(longest.desc(), *names).limit(MOST))
    return tuple(SlowJob(_name(namespace, name), most, average) for namespace, name, most, average in rows)


def _name(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def _silent(session: Session, tenant_id: str, since: datetime) -> list[tuple[str, datetime | None]]:
    active = col(Endpoint.tenant_id) == tenant_id, col(Endpoint.status) == "active"
    silent = col(Endpoint.last_seen_at).is_(None) | (col(Endpoint.last_seen_at) < since)
    query = select(col(Endpoint.name), col(Endpoint.last_seen_at)).where(*active, silent).order_by(col(Endpoint.name))
    return [(name, seen) for name, seen in session.execute(query)]


def _incidents(session: Session, still_open: tuple[Any, ...]) -> tuple[OpenIncident, ...]:
    """The oldest first."""
    columns = col(Incident.title), col(Incident.what), col(Incident.since), col(Incident.id)
    query = select(*columns).where(*still_open).order_by(col(Incident.since), col(Incident.id)).limit(MOST)
    return tuple(OpenIncident(*row) for row in session.execute(query))


def _changes(session: Session, done: tuple[Any, ...]) -> tuple[RecentChange, ...]:
    """The newest first."""
    columns = col(Change.author_name), col(Change.message), col(Change.done_at)
    rows = session.execute(select(*columns).where(*done).order_by(col(Change.done_at).desc()).limit(MOST))
    return tuple(RecentChange(author, message.partition("\n")[0], at) for author, message, at in rows)


def in_words(seconds: float) -> str:
    """``0.5 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"
