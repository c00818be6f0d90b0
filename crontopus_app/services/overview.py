"""What the first page says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from contract import wire
from crontopus_app.models import Endpoint, Monitor, Run, Tenant
from crontopus_app.services import changes, endpoints, runs
from crontopus_app.services.actor import Actor

SHOWN = 12


@dataclass(frozen=True)
class Overview:
    """Counts of instances by state, endpoints, what runs now, the last runs, the last changes."""

    endpoints: int
    endpoints_in_sync: int
    endpoints_silent: int
    states: dict[str, int]
    running: list[wire.Run]
    last: list[wire.Run]
    failing: list[wire.InstanceStatus]
    changes: list[wire.ChangeStatus]


def overview(session: Session, actor: Actor, now: datetime) -> Overview:
    actor.require("read:runs")
    tenant = session.get(Tenant, actor.tenant_id)
    head = tenant.head if tenant else ""
    hosts = session.exec(
        select(Endpoint).where(Endpoint.tenant_id == actor.tenant_id, Endpoint.status == "active")
    ).all()
    host_states = Counter(endpoints.state_of(host, head, now) for host in hosts)
    monitors = session.exec(
        select(Monitor).where(Monitor.tenant_id == actor.tenant_id, Monitor.state != "retired")
    ).all()
    names = {host.id: host.name for host in hosts}
    failing = [one for one in monitors if one.state == "failing"]
    failing.sort(key=lambda one: one.last_run_at or one.updated_at, reverse=True)
    return Overview(
        endpoints=len(hosts),
        endpoints_in_sync=host_states["in sync"],
        endpoints_silent=host_states["silent"],
        states=dict(Counter(monitor.state for monitor in monitors)),
        running=_runs(session, actor, Run.status == "running"),
        last=_runs(session, actor, Run.status != "running"),
        failing=[endpoints.instance(one, names.get(one.endpoint_id, "")) for one in failing[:SHOWN]],
        changes=changes.recent(session, actor, SHOWN),
    )


def _runs(session: Session, actor: Actor, condition: bool) -> list[wire.Run]:
    newest = (col(Run.sort_at).desc(), col(Run.id).desc())
    query = select(Run).where(Run.tenant_id == actor.tenant_id, condition).order_by(*newest).limit(SHOWN)
    return [runs.shape(row) for row in session.exec(query)]
