"""What a manifest would change, and where, before anybody commits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, select

from contract import wire
from contract.manifest import Decoded, decode, from_fields, path_of, to_fields
from crontopus_app.git.index_rows import facts
from crontopus_app.git.monitors import matching
from crontopus_app.models import Endpoint, JobIndex, Monitor
from crontopus_app.services.actor import Actor
from crontopus_app.services.job_rows import find_or_none
from crontopus_app.services.jobs import slots_of

SLOTS = 5


@dataclass(frozen=True)
class EndpointPlan:
    """``action`` is create, update, delete or none."""

    endpoint_id: str
    endpoint_name: str
    action: str


@dataclass(frozen=True)
class Plan:
    """``action`` is create, update, none, or invalid, where ``errors`` say why."""

    namespace: str
    name: str
    action: str
    errors: list[wire.Problem]
    lints: list[wire.Problem]
    endpoints: list[EndpointPlan]
    slots_before: list[datetime]
    slots_after: list[datetime]


def plan(session: Session, actor: Actor, body: Mapping[str, Any] | bytes, namespace: str, now: datetime) -> Plan:
    """The plan for a job body or a manifest's bytes."""
    actor.require("read:jobs")
    decoded = _decoded(actor, body, namespace)
    manifest = decoded.manifest
    if manifest is None or decoded.errors:
        return Plan(namespace, "", "invalid", list(decoded.errors), list(decoded.lints), [], [], [])
    before = find_or_none(session, actor.tenant_id, manifest.namespace, manifest.name)
    columns = {"job_id": manifest.id, **facts(decoded)}
    names = {"path": manifest.path, "name": manifest.name, "namespace": manifest.namespace}
    after = JobIndex(tenant_id=actor.tenant_id, blob_sha="", yaml=b"", **names, **columns)
    if before is not None and not manifest.id_given:
        after.job_id = before.job_id
    same = before is not None and before.manifest == to_fields(manifest)
    hosts = _hosts(session, actor)
    return Plan(
        namespace=manifest.namespace,
        name=manifest.name,
        action="create" if before is None else "none" if same else "update",
        errors=[],
        lints=list(decoded.lints),
        endpoints=_endpoints(session, before, after, hosts, same),
        slots_before=_slots(before, hosts, now),
        slots_after=_slots(after, hosts, now),
    )


def _decoded(actor: Actor, body: Mapping[str, Any] | bytes, namespace: str) -> Decoded:
    if not isinstance(body, bytes):
        return from_fields({"namespace": namespace or None, **body}, tenant=actor.tenant_id)[1]
    loose = decode(body, path_of(namespace or "default", "job"), actor.tenant_id, placed=False)
    if loose.manifest is None:
        return loose
    return decode(body, path_of(namespace or loose.manifest.namespace, loose.manifest.name), actor.tenant_id)


def _hosts(session: Session, actor: Actor) -> list[Endpoint]:
    mine = Endpoint.tenant_id == actor.tenant_id, Endpoint.status == "active"
    return list(session.exec(select(Endpoint).where(*mine).order_by(Endpoint.name)))


def _endpoints(
    session: Session, before: JobIndex | None, after: JobIndex, hosts: list[Endpoint], same: bool
) -> list[EndpointPlan]:
    """Every endpoint that has the job or would have it; one that is disabled is on no host."""
    old = _on(session, before) if before else set()
    new = {host.id for host in matching(after, hosts)} if after.enabled else set()
    both = "none" if same else "update"
    actions = {host.id: both if host.id in old & new else "delete" if host.id in old else "create" for host in hosts}
    return [EndpointPlan(host.id, host.name, actions[host.id]) for host in hosts if host.id in old | new]


def _on(session: Session, row: JobIndex) -> set[str]:
    live = Monitor.tenant_id == row.tenant_id, Monitor.job_id == row.job_id, Monitor.state != "retired"
    return set(session.exec(select(Monitor.endpoint_id).where(*live))) if row.enabled else set()


def _slots(row: JobIndex | None, hosts: list[Endpoint], now: datetime) -> list[datetime]:
    if row is None or not row.valid or row.paused or not row.enabled:
        return []
    return slots_of(row, list(matching(row, hosts)), SLOTS, now)
