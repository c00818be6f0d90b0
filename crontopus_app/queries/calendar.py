"""When a job was due, and what else starts when it is due next, over the hosts it runs on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from sqlalchemy import select as columns
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
class Past:
    """When a job was due in the last 30 days: ``slots``, ascending, since its file is as it is and a host is there.

    ``expected`` is how many 30 days have; ``dense`` says that these are more than ``MOST``, then none are listed.
    """

    slots: tuple[datetime, ...] = ()
    expected: int = 0
    dense: bool = False


@dataclass(frozen=True)
class Crowd:
    """The other jobs (namespace/name) that start with its next slot on ``host``.

    ``quieter`` is a moment of the same hour with fewer of them; ``schedule`` is what would move the job there, empty
    where its expression is not one of a single minute.
    """

    host: str
    at: datetime
    names: tuple[str, ...]
    quieter: datetime | None = None
    schedule: str = ""


def past(session: Session, actor: Actor, namespace: str, name: str, now: datetime) -> Past:
    """When the job was due. Raises NotFound, Conflict while it is still on its way to Git."""
    actor.require("read:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    hosts = _hosts(session, actor, row.job_id)
    if not slots.is_on(row) or not hosts:
        return Past()
    minute = now.replace(second=0, microsecond=0)
    due = slots.between(slots.scheduled(row), map(slots.host_of, hosts), minute - WINDOW, minute)
    found = list(islice(due, MOST + 1))
    if len(found) > MOST:
        return Past((), len(found), dense=True)
    begun = max(row.commit_at or now, min(host.created_at for host in hosts))
    return Past(tuple(at for at in found if at >= begun), len(found))


def crowd(session: Session, actor: Actor, namespace: str, name: str, now: datetime) -> Crowd | None:
    """Of the first ``HOSTS`` hosts the one where most others start with it.

    None where none do, or it is not on, or it runs more than once an hour: it would have neighbours anyway.
    """
    actor.require("read:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    if not slots.is_on(row):
        return None
    found = [_on_host(session, row, host, now) for host in _hosts(session, actor, row.job_id)[:HOSTS]]
    return max(filter(None, found), key=lambda one: len(one.names), default=None)


def _on_host(session: Session, row: JobIndex, host: Endpoint, now: datetime) -> Crowd | None:
    job, place = slots.scheduled(row), slots.host_of(host)
    there, soon = slots.line(job, place), list(islice(slots.between(job, [place], now, now + WINDOW), 2))
    if not there or not soon or (soon[-1] - soon[0] < HOUR and len(soon) > 1):
        return None
    at = soon[0]
    told = neighbours(_others(session, row, host), at, there.zone)
    if not told.keys:
        return None
    if told.quieter is None:
        return Crowd(host.name, at, told.keys)
    minute = told.quieter.astimezone(ZoneInfo(there.zone)).minute
    moved = at_minute(row.schedule[0], minute) if len(row.schedule) == 1 else None
    return Crowd(host.name, at, told.keys, told.quieter, moved or "")


def _hosts(session: Session, actor: Actor, job_id: str) -> Sequence[Endpoint]:
    query = select(Endpoint).join(Monitor, col(Monitor.endpoint_id) == col(Endpoint.id)).order_by(Endpoint.name)
    mine = Monitor.tenant_id == actor.tenant_id, Monitor.job_id == job_id, Monitor.state != "retired"
    return session.exec(query.where(*mine)).all()


def _others(session: Session, row: JobIndex, host: Endpoint) -> list[Planned]:
    """What else runs on a host. Reads names and schedules only: a manifest is big."""
    wanted = JobIndex.job_id, JobIndex.namespace, JobIndex.name, JobIndex.schedule, JobIndex.timezone
    query = columns(*map(col, wanted)).join(Monitor, col(Monitor.job_id) == col(JobIndex.job_id))
    here = col(Monitor.endpoint_id) == host.id, col(Monitor.state) != "retired", col(JobIndex.job_id) != row.job_id
    on = col(JobIndex.tenant_id) == row.tenant_id, col(JobIndex.valid), col(JobIndex.enabled), ~col(JobIndex.paused)
    rows = session.execute(query.where(*here, *on)).all()
    jobs = (
        (f"{namespace}/{name}", ScheduledJob(job_id, tuple(schedule), zone))
        for job_id, namespace, name, schedule, zone in rows
    )
    found = (slots.planned(key, job, slots.host_of(host)) for key, job in jobs)
    return [one for one in found if one]
