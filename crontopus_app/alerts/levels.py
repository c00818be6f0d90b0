"""What is wrong with hosts, files, repositories and channels at this moment, compared with the open incidents.

Unlike monitors, these have no history of runs: what the tables say now is what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, func, select

from crontopus_app.alerts import incidents
from crontopus_app.base.db import reading, writing
from crontopus_app.jobs import policies
from crontopus_app.models import Channel, Endpoint, Incident, JobIndex, Monitor, Tenant
from crontopus_app.monitoring.evaluator import SILENT_AFTER
from crontopus_app.monitoring.state import RESTING

# Changes that a host does not apply for so long are a problem.
PATIENCE = timedelta(minutes=10)
STUCK = ("Blocked", "Failed")
CLOSED = {
    "host silent": "The host is in contact again.",
    "not applied": "The host has applied its changes.",
    "invalid manifest": "The file is valid or gone.",
    "repository failed": "The repository can be read again.",
    "channel broken": "The channel works again.",
}


@dataclass(frozen=True)
class Problem:
    """What an incident of a subject is to say."""

    tenant_id: str
    subject: str
    cause: str
    title: str
    what: str
    since: datetime
    severity: str = "error"
    namespace: str = ""
    job_name: str = ""
    job_id: str = ""
    endpoint_id: str = ""
    endpoint_name: str = ""


def compare(now: datetime, *, silence: bool) -> int:
    """Opens, changes and closes incidents. Returns how many are new or closed.

    Without ``silence``, silent hosts are not judged: after an outage of this server, every host looks silent.
    """
    with reading() as session:
        wanted = {(each.tenant_id, each.subject): each for each in _problems(session, now)}
        opened = {(each.tenant_id, each.subject): each for each in _open(session)}
        maintained = {key for key, each in wanted.items() if key not in opened and _in_maintenance(session, each, now)}
    wanted = {key: each for key, each in wanted.items() if key not in maintained}
    if not silence:
        wanted = {key: each for key, each in wanted.items() if each.cause != "host silent" or key in opened}
    over = [key for key in opened if key not in wanted]
    different = [key for key, each in wanted.items() if key not in opened or opened[key].what != each.what]
    if not over and not different:
        return 0
    with writing() as session:
        for key in different:
            _put(session, opened.get(key), wanted[key], now)
        for key in over:
            current = session.get(Incident, opened[key].id, with_for_update=True)
            if current is not None and current.closed_at is None:
                incidents.close(session, current, CLOSED[current.cause], now)
    return len(over) + len(different)


def _in_maintenance(session: Session, problem: Problem, now: datetime) -> bool:
    """Whether somebody works on the host. What is still wrong when it ends becomes an incident then."""
    if not problem.endpoint_id:
        return False
    policy = policies.of_tenant(session, problem.tenant_id)
    return policy.maintained(now, "", "", {}, problem.endpoint_name) is not None


def _put(session: Session, existing: Incident | None, problem: Problem, now: datetime) -> None:
    if existing is None:
        incidents.open_incident(session, Incident(opened_at=now, **vars(problem)), now)
        return
    current = session.get(Incident, existing.id, with_for_update=True)
    if current is not None:
        incidents.change(session, current, now, what=problem.what, title=problem.title)


def _open(session: Session) -> Iterator[Incident]:
    of_runs = col(Incident.subject).startswith("monitor:")
    return iter(session.exec(select(Incident).where(col(Incident.closed_at).is_(None), ~of_runs)).all())


def _problems(session: Session, now: datetime) -> Iterator[Problem]:
    yield from _silent_hosts(session, now)
    yield from _stuck_hosts(session, now)
    yield from _invalid_files(session, now)
    yield from _repositories(session, now)
    yield from _channels(session, now)


def _silent_hosts(session: Session, now: datetime) -> Iterator[Problem]:
    silent = Endpoint.status == "active", col(Endpoint.last_seen_at) < now - SILENT_AFTER
    count = func.count(col(Monitor.id))
    query = (
        select(Endpoint.tenant_id, Endpoint.id, Endpoint.name, Endpoint.last_seen_at, count)  # pyright: ignore[reportCallIssue] -- SQLModel types four columns
        .join(Monitor, col(Monitor.endpoint_id) == Endpoint.id)
        .where(*silent, col(Monitor.state).not_in(RESTING))
        .group_by(Endpoint.tenant_id, Endpoint.id, Endpoint.name, Endpoint.last_seen_at)
    )
    for tenant_id, endpoint_id, name, seen, jobs in session.execute(query):
        expected = "1 job is expected there" if jobs == 1 else f"{jobs} jobs are expected there"
        what = f"silent since {seen:%Y-%m-%d %H:%M} UTC, {expected}"
        host = {"endpoint_id": endpoint_id, "endpoint_name": name}
        yield Problem(
            tenant_id, f"endpoint:{endpoint_id}", "host silent", f"host {name}", what, seen, "critical", **host
        )


def _stuck_hosts(session: Session, now: datetime) -> Iterator[Problem]:
    stuck = (
        Endpoint.status == "active",
        col(Endpoint.pass_status).in_(STUCK),
        col(Endpoint.reported_at) < now - PATIENCE,
    )
    columns = Endpoint.tenant_id, Endpoint.id, Endpoint.name, Endpoint.pass_message
    for tenant_id, endpoint_id, name, message in session.exec(select(*columns).where(*stuck)):
        host = {"endpoint_id": endpoint_id, "endpoint_name": name}
        what = message or "the host does not apply its changes"
        yield Problem(tenant_id, f"changes:{endpoint_id}", "not applied", f"changes on {name}", what, now, **host)


def _invalid_files(session: Session, now: datetime) -> Iterator[Problem]:
    columns = JobIndex.tenant_id, JobIndex.path, JobIndex.namespace, JobIndex.errors
    for tenant_id, path, namespace, errors in session.exec(select(*columns).where(col(JobIndex.valid).is_(False))):
        first = str(errors[0].get("message", "")) if errors and isinstance(errors[0], dict) else ""
        what = (
            f"{first} (the last valid version stays installed)" if first else "the last valid version stays installed"
        )
        yield Problem(
            tenant_id, f"manifest:{path}", "invalid manifest", path, what, now, "warning", namespace=namespace
        )


def _repositories(session: Session, now: datetime) -> Iterator[Problem]:
    broken = (col(Tenant.provisioning) == "failed") | (col(Tenant.index_error) != "")
    columns = Tenant.id, Tenant.repository, Tenant.index_error, Tenant.provisioning_error
    query = select(*columns).where(broken, col(Tenant.deleted_at).is_(None))
    for tenant_id, repository, index_error, provisioning_error in session.exec(query):
        what = index_error or provisioning_error or "it could not be created"
        yield Problem(tenant_id, f"repository:{tenant_id}", "repository failed", f"repository {repository}", what, now)


def _channels(session: Session, now: datetime) -> Iterator[Problem]:
    for channel in session.exec(select(Channel).where(Channel.state == "broken")):
        yield Problem(
            channel.tenant_id,
            f"channel:{channel.id}",
            "channel broken",
            f"channel {channel.name}",
            channel.problem,
            now,
        )
