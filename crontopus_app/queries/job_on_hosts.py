"""One job on each of its endpoints: whether Git is in force there, what is installed, what other hands changed."""

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
    """``lines`` are those of the host's crontab that belong to the job, as its agent read them at ``reported_at``.

    ``current``: the host has the file as Git has it. ``drift`` is what its agent found changed, in words.
    """

    instance: wire.InstanceStatus
    current: bool
    lines: tuple[str, ...]
    drift: tuple[str, ...]
    reported_at: datetime | None


def in_force(session: Session, actor: Actor, namespace: str, name: str) -> tuple[int, int]:
    """On how many of its endpoints the job is as Git has it, and how many it has. Reads no crontabs."""
    actor.require("read:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    query = select(Monitor.outcome, Endpoint.head_applied).join(Endpoint, col(Endpoint.id) == col(Monitor.endpoint_id))
    heads = _heads(session, row)
    found = [_is_current(*pair, heads) for pair in session.exec(query.where(*_of(row)))]
    return sum(found), len(found)


def installed(session: Session, actor: Actor, namespace: str, name: str) -> list[Installed]:
    """The job on each of its endpoints, by their names. Raises NotFound, Conflict while it is on its way to Git."""
    actor.require("read:jobs")
    actor.require("read:agents")
    row = find(session, actor.tenant_id, namespace, name)
    heads = _heads(session, row)
    query = select(Monitor, Endpoint).join(Endpoint, col(Endpoint.id) == col(Monitor.endpoint_id))
    return [_on(*pair, heads) for pair in session.exec(query.where(*_of(row)).order_by(Endpoint.name))]


def _of(row: JobIndex) -> tuple[bool, ...]:
    return Monitor.tenant_id == row.tenant_id, Monitor.job_id == row.job_id, Monitor.state != "retired"


def _heads(session: Session, row: JobIndex) -> set[str]:
    """The commits that hold the file as it is: its own, the newest, and those of changes since."""
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
    drift = tuple(_said(found) for found in host.drift if monitor.job_id in f"{found['expected']} {found['found']}")
    current = _is_current(monitor.outcome, host.head_applied, heads)
    return Installed(instance(monitor, host.name), current, lines, drift, host.reported_at)


def _said(found: dict[str, str]) -> str:
    kind = {"line_changed": "changed", "line_missing": "removed", "line_added": "added"}.get(
        found["kind"], found["kind"]
    )
    who = f" by {found['owner']}" if found.get("owner") else ""
    return f"{kind}{who}: {found['found'] or found['expected']}"
