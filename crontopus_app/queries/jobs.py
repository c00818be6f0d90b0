"""Reads jobs from the index: lists, single jobs, instances, namespaces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from sqlmodel import Session, func, select

from contract import wire
from contract.schedule import ScheduleError, words
from crontopus_app.base.actor import Actor
from crontopus_app.jobs.lookup import find, rows_of
from crontopus_app.models import Endpoint, JobIndex, Monitor, Tenant
from crontopus_app.monitoring import slots
from crontopus_app.monitoring.instances import instance
from crontopus_app.monitoring.state import worst
from crontopus_app.queries import job_filter, search_sources
from crontopus_app.queries.job_filter import JobFilter

SYSTEM = frozenset({"discovered", "default"})
_Instance = tuple[Monitor, Endpoint | None]


def list_all(
    session: Session, actor: Actor, *, namespace: str | None = None, text: str | None = None, now: datetime
) -> wire.JobList:
    """The tenant's jobs by namespace and name, including invalid files. ``text`` filters them (``job_filter``)."""
    actor.require("read:jobs")
    tenant = session.get(Tenant, actor.tenant_id)
    rows = rows_of(session, actor.tenant_id, namespace, manifests=bool(text))
    wanted = job_filter.parse(text or "")
    if text:
        rows = [row for row in rows if _fits(row, wanted)]
    shaped = [job for job in _shapes(session, actor.tenant_id, rows, now) if wanted.fits_job(job.state, job.endpoints)]
    return wire.JobList(shaped, len(shaped), "git", tenant.repository if tenant else "")


def count(session: Session, actor: Actor) -> int:
    """The number of manifests in the repository, including invalid ones."""
    actor.require("read:jobs")
    return session.exec(select(func.count()).where(JobIndex.tenant_id == actor.tenant_id)).one()


def counts_by_state(session: Session, actor: Actor) -> dict[str, int]:
    """The number of jobs in each state, as ``list_all`` has them."""
    actor.require("read:jobs")
    query = select(Monitor.job_id, Monitor.state).where(
        Monitor.tenant_id == actor.tenant_id, Monitor.state != "retired"
    )
    states: dict[str, list[str]] = {}
    for job_id, state in session.exec(query.distinct()):
        states.setdefault(job_id, []).append(state)
    columns = select(JobIndex.job_id, JobIndex.valid, JobIndex.enabled, JobIndex.paused)
    rows = session.exec(columns.where(JobIndex.tenant_id == actor.tenant_id)).all()
    return Counter(
        roll_up(states.get(job_id, []), valid=valid, active=enabled and not paused)
        for job_id, valid, enabled, paused in rows
    )


def _fits(row: JobIndex, wanted: JobFilter) -> bool:
    manifest = row.manifest or {}
    text = f"{row.namespace}/{row.name} {row.path} {search_sources.words(manifest)}".lower()
    return wanted.fits_file(row.namespace, manifest.get("labels") or {}, text)


def get(session: Session, actor: Actor, namespace: str, name: str, now: datetime) -> wire.JobDetail:
    """One job with its file. Raises NotFound, and Conflict while its creation is pending."""
    actor.require("read:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    commit = wire.Commit(row.commit_sha, row.commit_author, row.commit_at, row.commit_message)
    errors = _problems(row.errors)
    return wire.JobDetail(
        job=_shapes(session, actor.tenant_id, [row], now)[0],
        manifest=row.manifest,
        yaml=row.yaml.decode("utf-8", "replace"),
        valid=row.valid,
        errors=errors,
        lints=_problems(row.lints),
        sha=row.blob_sha,
        commit=commit if row.commit_sha else None,
    )


def by_path(session: Session, actor: Actor, path: str, now: datetime) -> wire.JobSummary | None:
    """The job with this file, or None."""
    actor.require("read:jobs")
    row = session.exec(select(JobIndex).where(JobIndex.tenant_id == actor.tenant_id, JobIndex.path == path)).first()
    return _shapes(session, actor.tenant_id, [row], now)[0] if row else None


def _problems(stored: Iterable[Mapping[str, object]]) -> list[wire.Problem]:
    return [wire.Problem(**problem) for problem in stored]  # pyright: ignore[reportArgumentType] -- written from Problems


def _shapes(session: Session, tenant_id: str, rows: Sequence[JobIndex], now: datetime) -> list[wire.JobSummary]:
    monitors = _monitors(session, tenant_id, [row.job_id for row in rows])
    return [_shape(row, monitors.get(row.job_id, []), now) for row in rows]


def _monitors(session: Session, tenant_id: str, job_ids: list[str]) -> dict[str, list[_Instance]]:
    """Each job's monitors with their endpoints, by the endpoint's name; those of ping keys first.

    Reads each endpoint once: a join would repeat its large row, with the crontab, for every monitor.
    """
    query = select(Monitor).where(Monitor.tenant_id == tenant_id, Monitor.state != "retired")
    if len(job_ids) == 1:
        query = query.where(Monitor.job_id == job_ids[0])
    hosts = {host.id: host for host in session.exec(select(Endpoint).where(Endpoint.tenant_id == tenant_id))}
    pairs = [(monitor, hosts.get(monitor.source_id)) for monitor in session.exec(query)]
    by_job: dict[str, list[_Instance]] = {}
    for monitor, endpoint in sorted(pairs, key=lambda pair: pair[1].name if pair[1] else ""):
        by_job.setdefault(monitor.job_id, []).append((monitor, endpoint))
    return by_job


def _hosts(monitors: Iterable[_Instance]) -> list[Endpoint]:
    return [endpoint for _, endpoint in monitors if endpoint]


def _shape(row: JobIndex, monitors: list[_Instance], now: datetime) -> wire.JobSummary:
    due = _next_slots(row, monitors, 1, now)
    return wire.JobSummary(
        id=row.job_id,
        name=row.name,
        namespace=row.namespace,
        path=row.path,
        schedule=list(row.schedule),
        timezone=row.timezone,
        enabled=row.enabled,
        paused=row.paused,
        valid=row.valid,
        errors=_problems(row.errors),
        next_run=due[0] if due else None,
        state=roll_up(
            [monitor.state for monitor, _ in monitors], valid=row.valid, active=row.enabled and not row.paused
        ),
        endpoints=[endpoint.name for endpoint in _hosts(monitors)],
        sha=row.blob_sha,
        words=_words(tuple(row.schedule)),
        changed_by=row.commit_author,
        changed_at=row.commit_at,
    )


def roll_up(states: Sequence[str], *, valid: bool, active: bool) -> str:
    """A job's state: invalid for an invalid file; waiting or paused without monitors; otherwise the worst state."""
    if not valid:
        return "invalid"
    if not states:
        return "waiting" if active else "paused"
    return worst(states)


@lru_cache(maxsize=4096)
def _words(schedule: tuple[str, ...]) -> str:
    try:
        return words(list(schedule)) if schedule else ""
    except ScheduleError:
        return ""


def zone_of(session: Session, actor: Actor, job_id: str) -> str:
    """The zone in which a job's times are shown: its own, else that of all its hosts, else UTC."""
    actor.require("read:jobs")
    mine = JobIndex.tenant_id == actor.tenant_id, JobIndex.job_id == job_id
    own = session.exec(select(JobIndex.timezone).where(*mine)).first()
    zones = {host.timezone for host in _hosts(_monitors(session, actor.tenant_id, [job_id]).get(job_id, []))} - {""}
    return own or (zones.pop() if len(zones) == 1 else "UTC")


def next_runs(session: Session, actor: Actor, namespace: str, name: str, count: int, now: datetime) -> list[datetime]:
    """The job's next slots over all its endpoints; empty for a paused, disabled or invalid job."""
    actor.require("read:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    monitors = _monitors(session, actor.tenant_id, [row.job_id]).get(row.job_id, [])
    return _next_slots(row, monitors, min(max(count, 1), 100), now)


def _next_slots(row: JobIndex, monitors: Iterable[_Instance], count: int, now: datetime) -> list[datetime]:
    if not slots.is_on(row):
        return []
    return slots.next_slots(slots.scheduled(row), map(slots.host_of, _hosts(monitors)), now, count)


def instances(session: Session, actor: Actor, namespace: str, name: str) -> list[wire.InstanceStatus]:
    """The job on each of its endpoints."""
    actor.require("read:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    monitors = _monitors(session, actor.tenant_id, [row.job_id]).get(row.job_id, [])
    return [instance(monitor, endpoint.name) for monitor, endpoint in monitors if endpoint]


def namespace_names(session: Session, actor: Actor) -> list[str]:
    """The namespaces, including those without jobs."""
    actor.require("read:jobs")
    tenant = session.get(Tenant, actor.tenant_id)
    return sorted({*(tenant.namespaces if tenant else []), *SYSTEM})


def namespaces(session: Session, actor: Actor) -> list[wire.Namespace]:
    """The namespaces with their numbers of jobs. The two system namespaces are always included."""
    actor.require("read:jobs")
    tenant = session.get(Tenant, actor.tenant_id)
    counts = dict.fromkeys([*(tenant.namespaces if tenant else []), *SYSTEM], 0)
    for row in rows_of(session, actor.tenant_id, None):
        counts[row.namespace] = counts.get(row.namespace, 0) + 1
    return [wire.Namespace(name, count, name in SYSTEM) for name, count in sorted(counts.items())]
