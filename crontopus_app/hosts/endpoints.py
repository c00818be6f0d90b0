"""Services to list and manage endpoints."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import defer
from sqlmodel import Session, col, func, select

from contract import wire
from crontopus_app.base import audit
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import after_commit
from crontopus_app.base.errors import BadInput, Conflict, NotFound
from crontopus_app.base.live import Event, publish
from crontopus_app.forge.client import Forgejo
from crontopus_app.hosts.enrolment import drop_git_token
from crontopus_app.jobs.index import lock_tenant, sync_monitors
from crontopus_app.models import Endpoint, Monitor, Tenant
from crontopus_app.monitoring.evaluator import SILENT_AFTER
from crontopus_app.monitoring.instances import instance
from crontopus_app.monitoring.slots import Clock, clock_of

NAME_LENGTH = 63
# Larger offsets would exceed the range of the database's integers.
LAST_PAGE = 1_000_000
DRIFT = "drift"
DRIFT_SHOWN = timedelta(days=1)
COMMIT = re.compile(r"[0-9a-f]{40,64}")


def list_page(
    session: Session,
    actor: Actor,
    *,
    page: int = 1,
    page_size: int = 50,
    text: str = "",
    state: str = "",
    now: datetime,
) -> wire.EndpointList:
    """The tenant's endpoints by name, revoked ones last.

    Every word of ``text`` is in name, hostname, labels (``role=db``) or platform; ``state`` is one of ``shape``'s, or
    ``drift``: the crontab was edited outside Crontopus within a day.
    """
    actor.require("read:agents")
    page, page_size = min(max(page, 1), LAST_PAGE), min(max(page_size, 1), 100)
    head = _head(session, actor.tenant_id)
    hosts = _brief(session, actor, drift=state == DRIFT)
    ids = [host.id for host in hosts if _fits(host, text, state, head, now)]
    page_ids = ids[(page - 1) * page_size : page * page_size]
    rows = {row.id: row for row in session.exec(select(Endpoint).where(col(Endpoint.id).in_(page_ids)))}
    counts = _job_counts(session, page_ids)
    shaped = [shape(rows[endpoint_id], head, counts.get(endpoint_id, 0), now) for endpoint_id in page_ids]
    return wire.EndpointList(endpoints=shaped, total=len(ids), page=page, page_size=page_size)


def counts_by_state(session: Session, actor: Actor, now: datetime) -> dict[str, int]:
    """The number of endpoints in each state, and of those with ``drift``."""
    actor.require("read:agents")
    head, hosts = _head(session, actor.tenant_id), _brief(session, actor, drift=True)
    counts = Counter(state_of(row, head, now) for row in hosts)
    return dict(counts | Counter({DRIFT: sum(has_drift(row, now) for row in hosts)}))


def _brief(session: Session, actor: Actor, *, drift: bool = False) -> Sequence[Endpoint]:
    """The tenant's endpoints in list order, without the large columns crontab and, unless asked for, drift."""
    query = select(Endpoint).where(Endpoint.tenant_id == actor.tenant_id)
    large = (Endpoint.crontab,) if drift else (Endpoint.crontab, Endpoint.drift)
    small = query.options(*(defer(column) for column in large))  # pyright: ignore[reportArgumentType] -- columns, not lists
    return session.exec(small.order_by(col(Endpoint.status), col(Endpoint.name))).all()


def _fits(row: Endpoint, text: str, state: str, head: str, now: datetime) -> bool:
    labels = " ".join(f"{key}={value}" for key, value in row.labels.items())
    searched = f"{row.name} {row.hostname} {labels} {row.platform}".lower()
    if not all(word in searched for word in text.lower().split()):
        return False
    return has_drift(row, now) if state == DRIFT else not state or state_of(row, head, now) == state


def get(session: Session, actor: Actor, endpoint_id: str, now: datetime) -> wire.Endpoint:
    actor.require("read:agents")
    row = _own(session, actor, endpoint_id)
    return shape(row, _head(session, actor.tenant_id), _job_counts(session, [row.id]).get(row.id, 0), now)


def _own(session: Session, actor: Actor, endpoint_id: str) -> Endpoint:
    row = session.get(Endpoint, endpoint_id)
    if row is None or row.tenant_id != actor.tenant_id:
        raise NotFound(f"No endpoint {endpoint_id}.")
    return row


def _head(session: Session, tenant_id: str) -> str:
    tenant = session.get(Tenant, tenant_id)
    return tenant.head if tenant else ""


def _job_counts(session: Session, endpoint_ids: list[str]) -> dict[str, int]:
    rows = session.exec(
        select(Monitor.endpoint_id, func.count())
        .where(col(Monitor.endpoint_id).in_(endpoint_ids), Monitor.state != "retired")
        .group_by(Monitor.endpoint_id)
    )
    return {endpoint_id: count for endpoint_id, count in rows if endpoint_id}


def shape(row: Endpoint, head: str, jobs: int, now: datetime) -> wire.Endpoint:
    """The endpoint in the API's format. ``state`` is in sync, behind, waiting, blocked, failed, silent or revoked."""
    return wire.Endpoint(
        id=row.id,
        name=row.name,
        hostname=row.hostname,
        platform=row.platform,
        agent_version=row.agent_version,
        timezone=row.timezone,
        utc_offset=row.utc_offset,
        labels=dict(row.labels),
        capabilities=dict(row.capabilities),
        status=row.status,
        state=state_of(row, head, now),
        last_seen_at=row.last_seen_at,
        head_applied=row.head_applied,
        jobs=jobs,
        created_at=row.created_at,
        message=row.pass_message,
    )


def state_of(row: Endpoint, head: str, now: datetime) -> str:
    if row.status == "revoked":
        return "revoked"
    if row.last_seen_at is None or row.last_seen_at < now - SILENT_AFTER:
        return "silent"
    if row.pass_status in {"Waiting", "Blocked", "Failed"}:
        return row.pass_status.lower()
    if not row.reported_at:
        return "waiting"
    return "in sync" if row.head_applied == head else "behind"


def has_drift(row: Endpoint, now: datetime) -> bool:
    """Whether the crontab of an active host was edited outside Crontopus within ``DRIFT_SHOWN``."""
    times = (datetime.fromisoformat(str(edit["seen_at"])) for edit in row.drift if edit.get("seen_at"))
    return row.status == "active" and any(at > now - DRIFT_SHOWN for at in times)


def instances(session: Session, actor: Actor, endpoint_id: str) -> list[wire.InstanceStatus]:
    """The instances on one endpoint."""
    actor.require("read:agents")
    endpoint = _own(session, actor, endpoint_id)
    monitors = session.exec(
        select(Monitor)
        .where(Monitor.endpoint_id == endpoint.id, Monitor.state != "retired")
        .order_by(col(Monitor.namespace), col(Monitor.job_name))
    )
    return [instance(monitor, endpoint.name) for monitor in monitors]


def clocks_of(session: Session, actor: Actor, job_id: str | None = None) -> tuple[Clock, ...]:
    """The distinct clocks of a job's hosts; without a job, those of all hosts."""
    actor.require("read:jobs")
    columns = select(Endpoint.timezone, Endpoint.capabilities)
    query = columns.where(Endpoint.tenant_id == actor.tenant_id, Endpoint.status == "active")
    if job_id is not None:
        of_job = (Monitor.job_id == job_id, Monitor.state != "retired")
        query = query.join(Monitor, col(Monitor.endpoint_id) == col(Endpoint.id)).where(*of_job)
    rows = session.exec(query)
    return tuple(sorted({clock_of(zone, capabilities) for zone, capabilities in rows}))


def crontab(session: Session, actor: Actor, endpoint_id: str) -> list[wire.CrontabLine]:
    """The host's crontab at its agent's last report."""
    actor.require("read:agents")
    return [wire.CrontabLine(**line) for line in _own(session, actor, endpoint_id).crontab]


def drift(session: Session, actor: Actor, endpoint_id: str) -> list[dict[str, object]]:
    """Edits in the managed block that Crontopus did not make, newest first."""
    actor.require("read:agents")
    return list(_own(session, actor, endpoint_id).drift)


def rename(session: Session, actor: Actor, endpoint_id: str, name: str, now: datetime) -> wire.Endpoint:
    """Renames an endpoint. Raises BadInput, Conflict, NotFound."""
    actor.require("write:agents")
    # As in enrolment, so that two endpoints cannot take one name concurrently.
    lock_tenant(session, actor.tenant_id)
    row, name = _own(session, actor, endpoint_id), name.strip()
    if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable():
        raise BadInput(f"name must be 1 to {NAME_LENGTH} printable characters.")
    same_name = select(Endpoint.id).where(Endpoint.tenant_id == actor.tenant_id, Endpoint.name == name)
    if session.exec(same_name.where(Endpoint.id != row.id)).first():
        raise Conflict(f"Another endpoint is named {name!r}. Choose another name.")
    row.name = name
    session.add(row)
    session.flush()
    sync_monitors(session, actor.tenant_id, now, hosts=[row.id])
    audit.record(session, actor, "endpoint.rename", row.name, now)
    _publish(session, row)
    return get(session, actor, endpoint_id, now)


def revoke(session: Session, actor: Actor, endpoint_id: str, forge: Forgejo, now: datetime) -> None:
    """Revokes the endpoint's token and (after the commit) its Git token, and retires its instances."""
    actor.require("write:agents")
    lock_tenant(session, actor.tenant_id)
    row = _own(session, actor, endpoint_id)
    row.status, git_token, row.git_token_name = "revoked", row.git_token_name, ""
    session.add(row)
    session.flush()
    sync_monitors(session, actor.tenant_id, now, hosts=[row.id])
    audit.record(session, actor, "endpoint.revoke", row.name, now)
    _publish(session, row)
    after_commit(session, publish, Event(row.tenant_id, "tenant", row.tenant_id))
    if git_token:
        after_commit(session, drop_git_token, forge, row.tenant_id, git_token)


def _publish(session: Session, row: Endpoint) -> None:
    after_commit(session, publish, Event(row.tenant_id, "endpoint", row.id))


def wake(session: Session, actor: Actor, endpoint_id: str, now: datetime) -> None:
    """Requests a pass of the endpoint's agent now."""
    actor.require("write:agents")
    row = _own(session, actor, endpoint_id)
    row.wake_at = now
    session.add(row)
    _publish(session, row)


def confirm_prune(session: Session, actor: Actor, endpoint_id: str, head: str, now: datetime) -> None:
    """Allows the endpoint's agent to delete the jobs that ``head`` removes. Raises BadInput, NotFound."""
    actor.require("write:agents")
    row = _own(session, actor, endpoint_id)
    if not COMMIT.fullmatch(head):
        raise BadInput("head must be a full commit hash (40 or 64 hexadecimal digits).")
    row.prune_confirmed, row.wake_at = head, now
    session.add(row)
    audit.record(session, actor, "endpoint.confirm_prune", row.name, now, head)
    _publish(session, row)
