"""Jobs as the index has them: lists, one job, its instances, namespaces."""

from __future__ import annotations

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
from crontopus_app.queries import search_sources

SYSTEM = frozenset({"discovered", "default"})
_Watched = tuple[Monitor, Endpoint | None]


def list_all(
    session: Session, actor: Actor, *, namespace: str | None = None, text: str | None = None, now: datetime
) -> wire.JobList:
    """The tenant's jobs by namespace and name, invalid files too; ``text``: those that a search finds by it."""
    actor.require("read:jobs")
    tenant = session.get(Tenant, actor.tenant_id)
    rows = rows_of(session, actor.tenant_id, namespace, manifests=bool(text))
    if text:
        rows = [row for row in rows if _says(row, text.lower().split())]
    shaped = _shapes(session, actor.tenant_id, rows, now)
    return wire.JobList(shaped, len(shaped), "git", tenant.repository if tenant else "")


def count(session: Session, actor: Actor) -> int:
    """How many files for jobs the repository has, invalid ones too."""
    actor.require("read:jobs")
    return session.exec(select(func.count()).where(JobIndex.tenant_id == actor.tenant_id)).one()


def _says(row: JobIndex, asked: Sequence[str]) -> bool:
    said = f"{row.namespace}/{row.name} {row.path} {search_sources.words(row.manifest or {})}".lower()
    return all(word in said for word in asked)


def get(session: Session, actor: Actor, namespace: str, name: str, now: datetime) -> wire.JobDetail:
    """One job with its file; raises NotFound, Conflict while it is still on its way to Git."""
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
    """The job whose file this is, or None."""
    actor.require("read:jobs")
    row = session.exec(select(JobIndex).where(JobIndex.tenant_id == actor.tenant_id, JobIndex.path == path)).first()
    return _shapes(session, actor.tenant_id, [row], now)[0] if row else None


def _problems(found: Iterable[Mapping[str, object]]) -> list[wire.Problem]:
    return [wire.Problem(**one) for one in found]  # pyright: ignore[reportArgumentType] -- written from Problems


def _shapes(session: Session, tenant_id: str, rows: Sequence[JobIndex], now: datetime) -> list[wire.JobSummary]:
    monitors = _monitors(session, tenant_id, [row.job_id for row in rows])
    return [_shape(row, monitors.get(row.job_id, []), now) for row in rows]


def _monitors(session: Session, tenant_id: str, job_ids: list[str]) -> dict[str, list[_Watched]]:
    """Each job's monitors with their endpoints, by the endpoint's name; those of ping keys first.

    Endpoints are read once each: beside its monitors a row with a whole crontab would be read a thousand times.
    """
    query = select(Monitor).where(Monitor.tenant_id == tenant_id, Monitor.state != "retired")
    if len(job_ids) == 1:
        query = query.where(Monitor.job_id == job_ids[0])
    hosts = {host.id: host for host in session.exec(select(Endpoint).where(Endpoint.tenant_id == tenant_id))}
    pairs = [(one, hosts.get(one.source_id)) for one in session.exec(query)]
    found: dict[str, list[_Watched]] = {}
    for monitor, endpoint in sorted(pairs, key=lambda pair: pair[1].name if pair[1] else ""):
        found.setdefault(monitor.job_id, []).append((monitor, endpoint))
    return found


def _hosts(monitors: Iterable[_Watched]) -> list[Endpoint]:
    return [endpoint for _, endpoint in monitors if endpoint]


def _shape(row: JobIndex, monitors: list[_Watched], now: datetime) -> wire.JobSummary:
    due = _coming(row, monitors, 1, now)
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
    """The worst of a job's states over its endpoints; an invalid file says so, a job that runs nowhere waits."""
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


def next_runs(session: Session, actor: Actor, namespace: str, name: str, count: int, now: datetime) -> list[datetime]:
    """When the job is due next, over all its endpoints; empty for one that is paused, disabled or invalid."""
    actor.require("read:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    monitors = _monitors(session, actor.tenant_id, [row.job_id]).get(row.job_id, [])
    return _coming(row, monitors, min(max(count, 1), 100), now)


def _coming(row: JobIndex, monitors: Iterable[_Watched], count: int, now: datetime) -> list[datetime]:
    if not slots.is_on(row):
        return []
    return slots.next_slots(slots.scheduled(row), map(slots.host_of, _hosts(monitors)), now, count)


def instances(session: Session, actor: Actor, namespace: str, name: str) -> list[wire.InstanceStatus]:
    """The job on each of its endpoints."""
    actor.require("read:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    found = _monitors(session, actor.tenant_id, [row.job_id]).get(row.job_id, [])
    return [instance(monitor, endpoint.name) for monitor, endpoint in found if endpoint]


def namespace_names(session: Session, actor: Actor) -> list[str]:
    """The folders that a job can be put in, those without a job too."""
    actor.require("read:jobs")
    tenant = session.get(Tenant, actor.tenant_id)
    return sorted({*(tenant.namespaces if tenant else []), *SYSTEM})


def namespaces(session: Session, actor: Actor) -> list[wire.Namespace]:
    """The repository's folders with how many jobs each has; the system's two are always there."""
    actor.require("read:jobs")
    tenant = session.get(Tenant, actor.tenant_id)
    counts = dict.fromkeys([*(tenant.namespaces if tenant else []), *SYSTEM], 0)
    for row in rows_of(session, actor.tenant_id, None):
        counts[row.namespace] = counts.get(row.namespace, 0) + 1
    return [wire.Namespace(name, count, name in SYSTEM) for name, count in sorted(counts.items())]
