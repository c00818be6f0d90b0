"""What needs somebody's attention besides failing jobs: hosts, files, incidents, and everything that is not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, func, select

from contract import wire_alerts
from crontopus_app.alerts import board
from crontopus_app.base.actor import Actor
from crontopus_app.hosts import endpoints
from crontopus_app.models import Change, Endpoint, Incident, JobIndex, Monitor, Tenant

# A commit is on its hosts within seconds: a host that is behind for longer needs attention.
APPLY_GRACE = timedelta(minutes=2)
NAMED = 3
KINDS = ("silent", "blocked", "failed", "waiting", "behind", "drift")
OPEN_INCIDENTS = 100


@dataclass(frozen=True)
class HostProblem:
    """Hosts with the same problem: a state of ``endpoints.state_of``, or ``drift``.

    ``names`` are at most ``NAMED``; ``since`` is when the first of silent ones was last seen; ``first_id`` is one's id.
    """

    kind: str
    count: int
    names: tuple[str, ...]
    since: datetime | None
    first_id: str


@dataclass(frozen=True)
class Attention:
    """``jobs_without_host`` counts enabled jobs that run nowhere, ``waiting`` instances without a run.

    ``incidents`` are the open ones with their subjects, newest first.
    """

    hosts: tuple[HostProblem, ...]
    invalid_files: int
    jobs_without_host: int
    waiting: int
    repository_problem: str
    incidents: tuple[tuple[str, wire_alerts.Incident], ...]


def attention(session: Session, actor: Actor, hosts: Sequence[Endpoint], now: datetime) -> Attention:
    """``hosts`` are the tenant's active endpoints."""
    tenant = session.get(Tenant, actor.tenant_id)
    repository = {"pending": "is being created", "failed": "could not be created"}
    return Attention(
        hosts=_hosts(session, tenant, hosts, now),
        invalid_files=_count(session, JobIndex.tenant_id == actor.tenant_id, col(JobIndex.valid).is_(False)),
        jobs_without_host=_jobs_without_host(session, actor.tenant_id),
        waiting=_count(session, Monitor.tenant_id == actor.tenant_id, Monitor.state == "waiting"),
        repository_problem=repository.get(tenant.provisioning, "") if tenant else "",
        incidents=_incidents(session, actor, now),
    )


def _hosts(
    session: Session, tenant: Tenant | None, hosts: Sequence[Endpoint], now: datetime
) -> tuple[HostProblem, ...]:
    by_kind: dict[str, list[Endpoint]] = {}
    for host in hosts:
        by_kind.setdefault(endpoints.state_of(host, tenant.head if tenant else "", now), []).append(host)
    if not _committed_before(session, tenant, now - APPLY_GRACE):
        by_kind.pop("behind", None)
    by_kind["drift"] = [host for host in hosts if endpoints.has_drift(host, now)]
    return tuple(_problem(kind, by_kind[kind]) for kind in KINDS if by_kind.get(kind))


def _problem(kind: str, hosts: Sequence[Endpoint]) -> HostProblem:
    names = tuple(sorted(host.name for host in hosts)[:NAMED])
    seen = min((host.last_seen_at for host in hosts if host.last_seen_at), default=None)
    return HostProblem(kind, len(hosts), names, seen if kind == "silent" else None, hosts[0].id)


def _committed_before(session: Session, tenant: Tenant | None, moment: datetime) -> bool:
    """Whether the newest commit is older than ``moment``."""
    if tenant is None:
        return True
    newest = select(func.max(Change.done_at)).where(Change.tenant_id == tenant.id, Change.state == "done")
    at = session.exec(newest).one()
    return at is None or at <= moment


def _jobs_without_host(session: Session, tenant_id: str) -> int:
    monitored = select(Monitor.job_id).where(Monitor.tenant_id == tenant_id, Monitor.state != "retired")
    return _count(
        session,
        JobIndex.tenant_id == tenant_id,
        col(JobIndex.valid).is_(True),
        col(JobIndex.enabled).is_(True),
        col(JobIndex.paused).is_(False),
        col(JobIndex.job_id).not_in(monitored),
    )


def _count(session: Session, *conditions: object) -> int:
    return session.exec(select(func.count()).where(*conditions)).one()  # pyright: ignore[reportArgumentType] -- columns


def _incidents(session: Session, actor: Actor, now: datetime) -> tuple[tuple[str, wire_alerts.Incident], ...]:
    """Subject and shape of the open incidents."""
    mine = Incident.tenant_id == actor.tenant_id, col(Incident.closed_at).is_(None)
    newest = select(Incident).where(*mine).order_by(col(Incident.opened_at).desc(), col(Incident.id).desc())
    return tuple((row.subject, board.shape(row, now)) for row in session.exec(newest.limit(OPEN_INCIDENTS)))
