"""DueSlots slots of a job, and other jobs that start at its next slot, over the job's hosts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col, select

from contract.schedule import Planned, at_minute, neighbours
from crontopus_app.base.actor import Actor
from crontopus_app.jobs.lookup import find
from crontopus_app.models import Endpoint, JobIndex, Monitor
from crontopus_app.monitoring import slots
from crontopus_app.monitoring.slots import ScheduledJob

WINDOW = timedelta(days=30)
HOUR = timedelta(hours=1)
MOST = 60
HOSTS = 3


@dataclass(frozen=True)
class DueSlots:
    """The ``slots`` of a job in the last 30 days, ascending, since its last commit and the enrolment of its first host.

    ``expected`` is the number of slots in 30 days. If it exceeds ``MOST``, ``dense`` is true and ``slots`` empty.
    """

    slots: tuple[datetime, ...] = ()
    expected: int = 0
    dense: bool = False


@dataclass(frozen=True)
class SameStart:
    """The other jobs (namespace/name) that start at the job's next slot on ``host``.

    ``quieter`` is a time of the same hour with fewer starts. ``schedule`` is the expression that moves the job there;
    empty if the job's expression has several minutes.
    """

    host: str
    at: datetime
    names: tuple[str, ...]
    quieter: datetime | None = None
    schedule: str = ""


def due_slots(session: Session, actor: Actor, namespace: str, name: str, now: datetime) -> DueSlots:
    """The job's slots in the last 30 days. Raises NotFound, and Conflict while its creation is pending."""
    actor.require("read:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    hosts = _hosts(session, actor, row.job_id)
    if not slots.is_on(row) or not hosts:
        return DueSlots()
    minute = now.replace(second=0, microsecond=0)
    due = slots.between(slots.scheduled(row), map(slots.host_of, hosts), minute - WINDOW, minute)
    recent = list(islice(due, MOST + 1))
    if len(recent) > MOST:
        return DueSlots((), len(recent), dense=True)
    begun = max(row.commit_at or now, min(host.created_at for host in hosts))
    return DueSlots(tuple(at for at in recent if at >= begun), len(recent))


def same_start(session: Session, actor: Actor, namespace: str, name: str, now: datetime) -> SameStart | None:
    """The host, among the first ``HOSTS``, where most other jobs start at the job's next slot.

    None if there are none, if the job is not scheduled, or if it runs more than once an hour, when other starts are
    unavoidable.
    """
    actor.require("read:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    if not slots.is_on(row):
        return None
    candidates = [_on_host(session, row, host, now) for host in _hosts(session, actor, row.job_id)[:HOSTS]]
    return max(filter(None, candidates), key=lambda candidate: len(candidate.names), default=None)


def _on_host(session: Session, row: JobIndex, host: Endpoint, now: datetime) -> SameStart | None:
    job, slot_host = slots.scheduled(row), slots.host_of(host)
    line, upcoming = slots.line(job, slot_host), list(islice(slots.between(job, [slot_host], now, now + WINDOW), 2))
    if not line or not upcoming or (upcoming[-1] - upcoming[0] < HOUR and len(upcoming) > 1):
        return None
    at = upcoming[0]
    others = neighbours(_other_jobs(session, row, host), at, line.zone)
    if not others.keys:
        return None
    if others.quieter is None:
        return SameStart(host.name, at, others.keys)
    minute = others.quieter.astimezone(ZoneInfo(line.zone)).minute
    moved = at_minute(row.schedule[0], minute) if len(row.schedule) == 1 else None
    return SameStart(host.name, at, others.keys, others.quieter, moved or "")


def _hosts(session: Session, actor: Actor, job_id: str) -> Sequence[Endpoint]:
    query = select(Endpoint).join(Monitor, col(Monitor.endpoint_id) == col(Endpoint.id)).order_by(Endpoint.name)
    of_job = Monitor.tenant_id == actor.tenant_id, Monitor.job_id == job_id, Monitor.state != "retired"
    return session.exec(query.where(*of_job)).all()


def _other_jobs(session: Session, row: JobIndex, host: Endpoint) -> list[Planned]:
    """The other jobs on a host. Only reads names and schedules, because manifests are large."""
    columns = JobIndex.job_id, JobIndex.namespace, JobIndex.name, JobIndex.schedule, JobIndex.timezone
    query = sa.select(*map(col, columns)).join(Monitor, col(Monitor.job_id) == col(JobIndex.job_id))
    on_host = col(Monitor.endpoint_id) == host.id, col(Monitor.state) != "retired", col(JobIndex.job_id) != row.job_id
    is_scheduled = (
        col(JobIndex.tenant_id) == row.tenant_id,
        col(JobIndex.valid),
        col(JobIndex.enabled),
        ~col(JobIndex.paused),
    )
    rows = session.execute(query.where(*on_host, *is_scheduled)).all()
    jobs = (
        (f"{namespace}/{name}", ScheduledJob(job_id, tuple(schedule), zone))
        for job_id, namespace, name, schedule, zone in rows
    )
    planned = (slots.planned(key, job, slots.host_of(host)) for key, job in jobs)
    return [job for job in planned if job]
