"""A job on each of its endpoints: whether it matches Git, its installed lines, and foreign changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from contract import wire
from crontopus_app.base.actor import Actor
from crontopus_app.jobs.lookup import find
from crontopus_app.models import Change, Endpoint, JobIndex, Monitor, Tenant
from crontopus_app.monitoring.instances import instance

IN_FORCE = ("Applied", "Kept")


@dataclass(frozen=True)
class Installed:
    """``lines`` are the job's lines in the host's crontab at the agent's report at ``reported_at``.

    ``current`` means that the host has applied the file in Git. ``drift`` describes changes made outside Crontopus.
    """

    instance: wire.InstanceStatus
    current: bool
    lines: tuple[str, ...]
    drift: tuple[str, ...]
    reported_at: datetime | None


def in_force(session: Session, actor: Actor, namespace: str, name: str) -> tuple[int, int]:
    """The number of endpoints on which the job matches Git, and the number of its endpoints. Reads no crontabs."""
    actor.require("read:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    query = select(Monitor.outcome, Endpoint.head_applied).join(Endpoint, col(Endpoint.id) == col(Monitor.endpoint_id))
    heads = _heads(session, row)
    current = [_is_current(*pair, heads) for pair in session.exec(query.where(*_of(row)))]
    return sum(current), len(current)


def installed(session: Session, actor: Actor, namespace: str, name: str) -> list[Installed]:
    """The job on each of its endpoints, by name. Raises NotFound, and Conflict while its creation is pending."""
    actor.require("read:jobs")
    actor.require("read:agents")
    row = find(session, actor.tenant_id, namespace, name)
    heads = _heads(session, row)
    query = select(Monitor, Endpoint).join(Endpoint, col(Endpoint.id) == col(Monitor.endpoint_id))
    return [_on(*pair, heads) for pair in session.exec(query.where(*_of(row)).order_by(Endpoint.name))]


def _of(row: JobIndex) -> tuple[bool, ...]:
    return Monitor.tenant_id == row.tenant_id, Monitor.job_id == row.job_id, Monitor.state != "retired"


def _heads(session: Session, row: JobIndex) -> set[str]:
    """The commits that contain the current file: its own, the newest, and those of later changes."""
    tenant = session.get(Tenant, row.tenant_id)
    heads = {row.commit_sha, tenant.head if tenant else ""}
    if row.commit_at is not None:
        later = Change.tenant_id == row.tenant_id, Change.state == "done", col(Change.done_at) >= row.commit_at
        heads |= {sha for sha in session.exec(select(Change.commit_sha).where(*later)) if sha}
    return heads - {""}


def _is_current(outcome: str, head: str, heads: set[str]) -> bool:
    return outcome in IN_FORCE and head in heads


def _on(monitor: Monitor, host: Endpoint, heads: set[str]) -> Installed:
    lines = tuple(line["text"] for line in host.crontab if line.get("job_id") == monitor.job_id)
    drift = tuple(
        _describe(change) for change in host.drift if monitor.job_id in f"{change['expected']} {change['found']}"
    )
    current = _is_current(monitor.outcome, host.head_applied, heads)
    return Installed(instance(monitor, host.name), current, lines, drift, host.reported_at)


def _describe(change: dict[str, str]) -> str:
    kind = {"line_changed": "changed", "line_missing": "removed", "line_added": "added"}.get(
        change["kind"], change["kind"]
    )
    author = f" by {change['owner']}" if change.get("owner") else ""
    return f"{kind}{author}: {change['found'] or change['expected']}"
