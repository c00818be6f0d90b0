"""Keeps monitors in line with the index: one for every job on every endpoint that it runs on.

A job without an agent has one monitor, whose source are the tenant's pings. Its line follows the manifest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, update
from sqlalchemy.orm import defer
from sqlmodel import Session, SQLModel, col, select

from contract.manifest import AgentTarget, Manifest
from crontopus_app.base.bulk import update_rows
from crontopus_app.base.db import after_commit, reading, writing
from crontopus_app.base.live import Event, publish
from crontopus_app.models import Endpoint, JobIndex, Monitor, Tenant
from crontopus_app.models.base import new_id
from crontopus_app.monitoring import installed, slots
from crontopus_app.monitoring.installed import InstalledLine
from crontopus_app.monitoring.limits import Limits, limits
from crontopus_app.monitoring.pings import has_no_agent, new_ping_id, pings_of
from crontopus_app.monitoring.slots import CronLine
from crontopus_app.monitoring.state import RESTING, JobPresent, JobRemoved, MonitorState, after

# Large columns that are not needed here.
_SLIM = [defer(getattr(JobIndex, name)) for name in ("yaml", "lints", "errors")]
_SLIM_HOSTS = [defer(getattr(Endpoint, name)) for name in ("crontab", "drift")]
_COLUMNS = [col(getattr(Monitor, name)) for name in ("id", "job_id", "source_id", "endpoint_id", "state")]
_COLUMNS += [col(getattr(Monitor, name)) for name in ("job_name", "namespace", "health", *vars(Limits()))]
_COLUMNS += [col(Monitor.lines), col(Monitor.settled_until)]
# For more ids than this, a query reads all of the tenant's rows instead.
NAMED_AT_MOST = 500
# Instances that are synced in one transaction: SQLite has one writer at a time, and check-ins wait for it.
AT_ONCE = 2000


@dataclass(frozen=True)
class Target:
    """The expected values of a monitor. ``line``: of a job without an agent, whose line no host reports."""

    job_name: str
    namespace: str
    event: JobPresent
    limits: Limits
    line: CronLine | None = None

    def lines(self, row: Any, state: str, now: datetime) -> list[dict[str, Any]]:
        """The lines of a monitor of pings, from ``now`` on with the manifest's."""
        if state in RESTING:
            return []
        before = () if row is None or row.state in RESTING else installed.load(row.lines)
        kept = before if row is None else installed.unsettled(before, row.settled_until)
        line = self.line and InstalledLine(now, None, self.line.plain, self.line.zone, self.line.policy)
        return installed.dump(installed.reported(kept, line, now))


@dataclass(frozen=True)
class _Expected:
    """The expected instances, the ids of jobs with invalid files, and the active endpoints."""

    instances: dict[tuple[str, str], Target]
    invalid: set[str]
    active: set[str]

    def changes(self, row: Any, now: datetime) -> dict[str, Any] | None:
        """The values to change in a monitor's row; None if it is as expected."""
        target = self.instances.get((row.job_id, row.source_id))
        if target is not None:
            return _followed(row, target, now)
        stays = row.job_id in self.invalid and (row.endpoint_id is None or row.endpoint_id in self.active)
        retired = after(MonitorState(row.state, row.health), JobRemoved()).state
        if stays or row.state == retired:
            return None
        return {"state": retired, "outcome": "", "reason": "", "lines": [], "next_deadline": None, "alert_at": now}


def lock_tenant(session: Session, tenant_id: str) -> Tenant | None:
    """Serialises changes of a tenant's index, endpoints and monitors. Take this lock before locking any of those rows.

    Check-ins do not wait for it: they only lock the tenant's row against deletion.
    """
    return session.get(Tenant, tenant_id, with_for_update={"key_share": True})


def sync_monitors(
    session: Session,
    tenant_id: str,
    now: datetime,
    *,
    jobs: Collection[str] | None = None,
    hosts: Collection[str] | None = None,
) -> None:
    """Creates, resumes, pauses and retires the tenant's monitors according to its jobs and active endpoints.

    ``jobs`` and ``hosts`` limit it to these ids of jobs and endpoints. An invalid file does not change its job's
    monitors. Retired monitors keep their history. Call with the tenant locked.
    """
    session.flush()
    jobs = None if jobs is None or len(jobs) > NAMED_AT_MOST else jobs
    conditions = [Monitor.tenant_id == tenant_id]
    conditions += [] if jobs is None else [col(Monitor.job_id).in_(jobs)]
    conditions += [] if hosts is None else [col(Monitor.source_id).in_(hosts)]
    expected = _expected(session, tenant_id, jobs, hosts)
    rows = session.execute(select(*_COLUMNS).where(*conditions)).all()
    _update(session, expected, [row.id for row in rows if expected.changes(row, now)], now)
    existing = {(row.job_id, row.source_id) for row in rows}
    _create(session, tenant_id, {key: target for key, target in expected.instances.items() if key not in existing}, now)


def count_instances(session: Session, tenant_id: str, jobs: Collection[str] | None) -> int:
    """How many instances ``jobs`` (None: all of the tenant's) can have at most."""
    count = len(jobs) if jobs is not None else _count(session, JobIndex, JobIndex.tenant_id == tenant_id)
    return count * _count_hosts(session, tenant_id)


def sync_in_slices(tenant_id: str, head: str, now: datetime) -> None:
    """Where the monitors do not follow ``head`` yet, syncs all of the tenant's in short transactions, and notes it.

    Ends early, without that note, where the index has moved to another head: the pass that moved it goes on.
    """
    with reading() as session:
        tenant = session.get(Tenant, tenant_id)
        if tenant is None or tenant.monitored_head == head:
            return
    for some in _all_jobs(tenant_id):
        with writing() as session:
            tenant = lock_tenant(session, tenant_id)
            if tenant is None or tenant.indexed_head != head:
                return
            sync_monitors(session, tenant_id, now, jobs=some)
    mine = col(Tenant.id) == tenant_id, col(Tenant.indexed_head) == head
    with writing() as session:
        session.execute(update(Tenant).where(*mine).values(monitored_head=head))
        after_commit(session, publish, Event(tenant_id, "tenant", tenant_id))


def _all_jobs(tenant_id: str) -> list[list[str]]:
    """Ids of the tenant's jobs, and of those of which only monitors are left, in slices."""
    with reading() as session:
        indexed = session.exec(select(JobIndex.job_id).where(JobIndex.tenant_id == tenant_id))
        monitored = session.exec(select(Monitor.job_id).where(Monitor.tenant_id == tenant_id).distinct())
        jobs = sorted({*indexed, *monitored})
        size = min(NAMED_AT_MOST, AT_ONCE // max(1, _count_hosts(session, tenant_id)) or 1)
    return [jobs[start : start + size] for start in range(0, len(jobs), size)]


def _count_hosts(session: Session, tenant_id: str) -> int:
    return _count(session, Endpoint, Endpoint.tenant_id == tenant_id, Endpoint.status == "active")


def _count(session: Session, table: type[SQLModel], *conditions: Any) -> int:
    return session.exec(select(func.count()).select_from(table).where(*conditions)).one()


def _expected(
    session: Session, tenant_id: str, jobs: Collection[str] | None, hosts: Collection[str] | None
) -> _Expected:
    machines = select(Endpoint).where(Endpoint.tenant_id == tenant_id, Endpoint.status == "active")
    files = select(JobIndex).where(JobIndex.tenant_id == tenant_id)
    if hosts is not None:
        machines = machines.where(col(Endpoint.id).in_(hosts))
    if jobs is not None:
        files = files.where(col(JobIndex.job_id).in_(jobs))
    active = session.exec(machines.options(*_SLIM_HOSTS)).all()
    expected = _Expected({}, set(), {host.id for host in active})
    for job in session.exec(files.options(*_SLIM)):
        if not job.valid:
            expected.invalid.add(job.job_id)
            continue
        agentless = has_no_agent(job.manifest)
        target = Target(
            job.name,
            job.namespace,
            JobPresent(resting=job.paused or not job.enabled),
            limits(job.manifest),
            slots.line(slots.scheduled(job), slots.NOWHERE) if agentless else None,
        )
        if agentless and hosts is None:
            expected.instances[job.job_id, pings_of(tenant_id)] = target
        expected.instances.update(dict.fromkeys(((job.job_id, host.id) for host in matching(job, active)), target))
    return expected


def matching(job: JobIndex, hosts: Iterable[Endpoint]) -> Iterator[Endpoint]:
    """The endpoints that a valid job runs on."""
    if not job.valid or job.manifest is None:
        return
    target = job.manifest.get("agent") or {}
    selector = {key: _tuple(value) for key, value in (target.get("selector") or {}).items()}
    names = target.get("endpoints")
    agent = AgentTarget(selector, None if names is None else tuple(names))
    manifest = Manifest(job.job_id, True, job.name, job.namespace, job.path, (), "", agent=agent)
    for host in hosts:
        if manifest.runs_on(host.name, host.hostname, host.labels):
            yield host


def _tuple(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _followed(row: Any, target: Target, now: datetime) -> dict[str, Any] | None:
    state = after(MonitorState(row.state, row.health), target.event).state
    expected = {"job_name": target.job_name, "namespace": target.namespace, **vars(target.limits)}
    deadlines = _deadlines(row.state, state, now)
    if row.endpoint_id is None:
        expected["lines"] = target.lines(row, state, now)
        deadlines["next_deadline"] = None if state in RESTING else now
    if row.state == state and all(getattr(row, name) == value for name, value in expected.items()):
        return None
    return {"state": state, **deadlines, **expected, "alert_at": now}


def _deadlines(before: str, state: str, now: datetime) -> dict[str, Any]:
    """A job that rests has no deadlines. One that is resumed has none before its host reports its line again."""
    if state in RESTING:
        return {"lines": [], "next_deadline": None}
    if before in RESTING:
        return {"lines": [], "settled_until": now, "next_deadline": None}
    return {"next_deadline": now}


def _update(session: Session, expected: _Expected, ids: Sequence[str], now: datetime) -> None:
    """Locks the monitors in the order of ids, as check-ins do, and sets the expected values."""
    table = Monitor.metadata.tables["monitor"]
    for start in range(0, len(ids), NAMED_AT_MOST):
        chunk = col(Monitor.id).in_(sorted(ids)[start : start + NAMED_AT_MOST])
        locked = session.execute(select(*_COLUMNS).where(chunk).order_by(Monitor.id).with_for_update()).all()
        changes = [(row.id, values | {"updated_at": now}) for row in locked if (values := expected.changes(row, now))]
        update_rows(session, table, changes)


def _create(session: Session, tenant_id: str, instances: dict[tuple[str, str], Target], now: datetime) -> None:
    pings = pings_of(tenant_id)
    rows = [
        {
            "id": new_id(),
            "tenant_id": tenant_id,
            "job_id": job_id,
            "source_id": source_id,
            "endpoint_id": None if source_id == pings else source_id,
            "ping_id": new_ping_id() if source_id == pings else None,
            "job_name": target.job_name,
            "namespace": target.namespace,
            "health": MonitorState().health,
            "outcome": "",
            "reason": "",
            "applied_commit": "",
            **_new_deadlines(target, source_id == pings, now),
            **vars(target.limits),
            "alert_at": now,
            "updated_at": now,
        }
        for (job_id, source_id), target in instances.items()
    ]
    if rows:
        session.connection().execute(insert(Monitor.metadata.tables["monitor"]), rows)


def _new_deadlines(target: Target, pings: bool, now: datetime) -> dict[str, Any]:
    state = after(MonitorState(), target.event).state
    lines = target.lines(None, state, now) if pings else []
    return {"state": state, "lines": lines, "next_deadline": now if lines else None}
