"""What a manifest would change, and where, before anybody commits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import defer
from sqlmodel import Session, select

from contract import wire
from contract.manifest import Decoded, decode, from_fields, path_of, to_fields
from contract.policy import Policy
from crontopus_app.base.actor import Actor
from crontopus_app.jobs import index_rows, policies
from crontopus_app.jobs.lookup import find_or_none
from crontopus_app.models import Endpoint, JobIndex, Monitor
from crontopus_app.monitoring import slots
from crontopus_app.monitoring.slots import DEBIAN, Clock, Host, policy_of
from crontopus_app.monitoring.sync import matching
from crontopus_app.queries import plan_lines

SLOTS = 5
# Lines are worked out for so many of the hosts that something changes on: each needs its crontab.
MOST_LINES = 50


@dataclass(frozen=True)
class EndpointPlan:
    """What happens to the job on one host.

    ``action`` is create, update, delete or none. ``before`` are its lines in the crontab as the agent read it last,
    ``after`` those that the agent will write; ``note`` says what stands in the way. ``timezone`` (empty until it
    reports) and ``dst_policy`` are the host's own.
    """

    endpoint_id: str
    endpoint_name: str
    action: str
    timezone: str = ""
    dst_policy: str = DEBIAN
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    note: str = ""

    @property
    def host(self) -> Host:
        return Host(self.endpoint_id, Clock(self.timezone, self.dst_policy))


@dataclass(frozen=True)
class Plan:
    """``action`` is create, update, none, or invalid, where ``errors`` say why.

    ``nobody`` says why no host takes the job, where none does; ``unknown`` are names of endpoints that there are not.
    ``job_id`` is the id it has or will have; ``manifest`` its fields as the hosts read them, with the defaults of the
    tenant's policy.
    """

    namespace: str
    name: str
    action: str
    errors: list[wire.Problem]
    lints: list[wire.Problem]
    endpoints: list[EndpointPlan]
    slots_before: list[datetime]
    slots_after: list[datetime]
    nobody: str = ""
    unknown: list[str] = field(default_factory=list)
    job_id: str = ""
    manifest: dict[str, Any] | None = None


def plan(
    session: Session,
    actor: Actor,
    body: Mapping[str, Any] | bytes,
    namespace: str,
    now: datetime,
    most_lines: int = MOST_LINES,
) -> Plan:
    """The plan for a job body or a manifest's bytes; lines are told of ``most_lines`` hosts."""
    actor.require("read:jobs")
    decoded = _decoded(actor, body, namespace, policies.of_tenant(session, actor.tenant_id))
    manifest = decoded.manifest
    if manifest is None or decoded.errors:
        return Plan(namespace, "", "invalid", list(decoded.errors), list(decoded.lints), [], [], [])
    before = find_or_none(session, actor.tenant_id, manifest.namespace, manifest.name)
    after = _row(actor.tenant_id, decoded, before)
    same = before is not None and before.manifest == to_fields(manifest)
    hosts = _hosts(session, actor)
    plans = _endpoints(session, before, after, hosts, same)
    return Plan(
        namespace=manifest.namespace,
        name=manifest.name,
        action="create" if before is None else "none" if same else "update",
        errors=[],
        lints=list(decoded.lints),
        endpoints=_with_lines(session, plans, after, hosts, now, most_lines),
        slots_before=_slots(before, hosts, now),
        slots_after=_slots(after, hosts, now),
        nobody="" if any(one.action != "delete" for one in plans) else plan_lines.nobody(after, hosts),
        unknown=plan_lines.unknown(after, hosts),
        job_id=after.job_id,
        manifest=after.manifest,
    )


def _row(tenant_id: str, decoded: Decoded, before: JobIndex | None) -> JobIndex:
    """The index's row as it would be."""
    manifest: Any = decoded.manifest
    names = {"path": manifest.path, "name": manifest.name, "namespace": manifest.namespace}
    columns = {"job_id": manifest.id, **index_rows.columns_of(decoded)}
    row = JobIndex(tenant_id=tenant_id, blob_sha="", yaml=b"", **names, **columns)
    if before is not None and not manifest.id_given:
        row.job_id = before.job_id
    return row


def _decoded(actor: Actor, body: Mapping[str, Any] | bytes, namespace: str, policy: Policy) -> Decoded:
    """As the index and the agents read it: with the policy's defaults of its namespace."""
    if not isinstance(body, bytes):
        body, decoded = from_fields({"namespace": namespace or None, **body}, tenant=actor.tenant_id)
        if decoded.manifest is None:
            return decoded
        namespace = decoded.manifest.namespace
    defaults = policy.defaults_for(namespace or "default")
    loose = decode(body, path_of(namespace or "default", "job"), actor.tenant_id, placed=False, defaults=defaults)
    if loose.manifest is None:
        return loose
    path = path_of(namespace or loose.manifest.namespace, loose.manifest.name)
    return index_rows.decode(body, path, actor.tenant_id, policy)


def _hosts(session: Session, actor: Actor) -> list[Endpoint]:
    """Without what takes space: a crontab may have thousands of lines."""
    mine = Endpoint.tenant_id == actor.tenant_id, Endpoint.status == "active"
    slim = [defer(getattr(Endpoint, name)) for name in ("crontab", "drift")]
    return list(session.exec(select(Endpoint).where(*mine).order_by(Endpoint.name).options(*slim)))


def _endpoints(
    session: Session, before: JobIndex | None, after: JobIndex, hosts: list[Endpoint], same: bool
) -> list[EndpointPlan]:
    """Every endpoint that has the job or would have it; one that is disabled is on no host."""
    old = _on(session, before) if before else set()
    new = {host.id for host in matching(after, hosts)} if after.enabled else set()
    both = "none" if same else "update"
    actions = {host.id: both if host.id in old & new else "delete" if host.id in old else "create" for host in hosts}
    return [
        EndpointPlan(host.id, host.name, actions[host.id], host.timezone, policy_of(host.capabilities))
        for host in hosts
        if host.id in old | new
    ]


def _with_lines(
    session: Session, plans: list[EndpointPlan], after: JobIndex, hosts: list[Endpoint], now: datetime, most: int
) -> list[EndpointPlan]:
    """The same plans, the first of those that change something with their lines."""
    shown = {one.endpoint_id for one in [one for one in plans if one.action != "none"][:most]}
    by_id = {host.id: host for host in hosts if host.id in shown}
    found = plan_lines.crontabs(session, list(by_id.values())) if shown else {}
    return [
        _lined(one, after, by_id[one.endpoint_id], found[one.endpoint_id], now) if one.endpoint_id in shown else one
        for one in plans
    ]


def _lined(
    one: EndpointPlan, after: JobIndex, host: Endpoint, crontab: list[dict[str, str]], now: datetime
) -> EndpointPlan:
    before = plan_lines.present(crontab, after.job_id)
    unseen = "" if before or one.action == "create" else plan_lines.UNSEEN
    if one.action == "delete":
        return replace(one, before=before, note=unseen)
    lines, note = plan_lines.coming(after, host, crontab, now)
    return replace(one, before=before, after=lines, note=note or unseen)


def _on(session: Session, row: JobIndex) -> set[str]:
    live = Monitor.tenant_id == row.tenant_id, Monitor.job_id == row.job_id, Monitor.state != "retired"
    return set(session.exec(select(Monitor.source_id).where(*live))) if row.enabled else set()


def _slots(row: JobIndex | None, hosts: list[Endpoint], now: datetime) -> list[datetime]:
    if row is None or not slots.is_on(row):
        return []
    return slots.next_slots(slots.scheduled(row), map(slots.host_of, matching(row, hosts)), now, SLOTS)
