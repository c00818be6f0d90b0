"""Monitors follow the index: one for every job on every endpoint it runs on.

Those of ping keys are made where a key is first used; here they follow their job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from contract.manifest import AgentTarget, Manifest
from crontopus_app.models import Endpoint, JobIndex, Monitor

# What takes space and says nothing here.
_SLIM = [defer(getattr(JobIndex, name)) for name in ("yaml", "lints", "errors")]
RESUMED = {"success": "ok", "failed": "failing", "timeout": "failing", "lost": "failing"}


@dataclass(frozen=True)
class Wanted:
    """What the monitor of one instance must say."""

    job_name: str
    namespace: str
    resting: bool


def sync_monitors(session: Session, tenant_id: str, now: datetime) -> None:
    """Makes, revives, pauses and retires the tenant's monitors as its indexed jobs and active endpoints ask for.

    A file that is invalid now changes nothing about its job's monitors. Retired ones keep their history.
    """
    session.flush()
    wanted, jobs, kept = _wanted(session, tenant_id)
    rows = session.exec(select(Monitor).where(Monitor.tenant_id == tenant_id).order_by(Monitor.id).with_for_update())
    for row in rows:
        by_key = jobs.get(row.job_id) if row.endpoint_id is None else None
        target = by_key or wanted.pop((row.job_id, row.source_id), None)
        if target is not None:
            _follow(session, row, target, now)
        elif row.state != "retired" and not (row.job_id in kept and _is_active(session, row.endpoint_id)):
            _retire(session, row.id, now)
    for (job_id, endpoint_id), target in wanted.items():
        state = "paused" if target.resting else "waiting"
        made = Monitor(
            tenant_id=tenant_id,
            job_id=job_id,
            source_id=endpoint_id,
            endpoint_id=endpoint_id,
            job_name=target.job_name,
            namespace=target.namespace,
            state=state,
            updated_at=now,
        )
        session.add(made)
    session.flush()


def _wanted(session: Session, tenant_id: str) -> tuple[dict[tuple[str, str], Wanted], dict[str, Wanted], set[str]]:
    """The instances there should be, the same of each valid job by itself, and the jobs whose files are invalid now."""
    active = Endpoint.tenant_id == tenant_id, Endpoint.status == "active"
    hosts = session.exec(select(Endpoint).where(*active)).all()
    jobs = session.exec(select(JobIndex).where(JobIndex.tenant_id == tenant_id).options(*_SLIM)).all()
    wanted, alone = {}, {}
    for job in jobs:
        target = Wanted(job.name, job.namespace, resting=job.paused or not job.enabled)
        wanted |= {(job.job_id, host.id): target for host in matching(job, hosts)}
        if job.valid:
            alone[job.job_id] = target
    return wanted, alone, {job.job_id for job in jobs if not job.valid}


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


def _follow(session: Session, row: Monitor, target: Wanted, now: datetime) -> None:
    state = row.state
    if target.resting:
        state = "paused"
    elif state in {"paused", "retired"}:
        state = RESUMED.get(row.last_run_status or "", "waiting")
    if (row.state, row.job_name, row.namespace) != (state, target.job_name, target.namespace):
        row.state, row.job_name, row.namespace, row.updated_at = state, target.job_name, target.namespace, now
        session.add(row)


def _retire(session: Session, monitor_id: str, now: datetime) -> None:
    mine = col(Monitor.id) == monitor_id
    session.execute(update(Monitor).where(mine).values(state="retired", outcome="", reason="", updated_at=now))


def _is_active(session: Session, endpoint_id: str | None) -> bool:
    """Whether the source is there still; a ping key is for as long as its monitor."""
    if endpoint_id is None:
        return True
    endpoint = session.get(Endpoint, endpoint_id)
    return endpoint is not None and endpoint.status == "active"
