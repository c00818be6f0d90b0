"""Plans: what a manifest would change on each host, before it is committed."""

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
# Number of changed hosts with lines in a plan: each requires reading the host's crontab.
MOST_LINES = 50


@dataclass(frozen=True)
class EndpointPlan:
    """The change of a job on one host.

    ``action`` is create, update, delete or none. ``before`` are the job's lines at the agent's last report, ``after``
    those that the agent will write, ``note`` an obstacle. ``timezone`` (empty until the host reports) and
    ``dst_policy`` are the host's.
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
    """``action`` is create, update, none, or invalid (then ``errors`` say why).

    ``nobody`` is the reason if the job runs on no host; ``unknown`` are names of endpoints that do not exist.
    ``job_id`` is the job's id, existing or new; ``manifest`` are its fields with the defaults of the tenant's policy.
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
    """The plan for a job body or a manifest's bytes, with crontab lines for up to ``most_lines`` hosts."""
    actor.require("read:jobs")
    decoded = _decoded(actor, body, namespace, policies.of_tenant(session, actor.tenant_id))
    manifest = decoded.manifest
    if manifest is None or decoded.errors:
        return Plan(namespace, "", "invalid", list(decoded.errors), list(decoded.lints), [], [], [])
    before = find_or_none(session, actor.tenant_id, manifest.namespace, manifest.name)
    after = _row(actor.tenant_id, decoded, before)
    unchanged = before is not None and before.manifest == to_fields(manifest)
    hosts = _hosts(session, actor)
    plans = _endpoints(session, before, after, hosts, unchanged)
    return Plan(
        namespace=manifest.namespace,
        name=manifest.name,
        action="create" if before is None else "none" if unchanged else "update",
        errors=[],
        lints=list(decoded.lints),
        endpoints=_with_lines(session, plans, after, hosts, now, most_lines),
        slots_before=_slots(before, hosts, now),
        slots_after=_slots(after, hosts, now),
        nobody=""
        if any(host_plan.action != "delete" for host_plan in plans)
        else plan_lines.no_host_reason(after, hosts),
        unknown=plan_lines.unknown_names(after, hosts),
        job_id=after.job_id,
        manifest=after.manifest,
    )


def _row(tenant_id: str, decoded: Decoded, before: JobIndex | None) -> JobIndex:
    """The index row that the manifest would have."""
    manifest: Any = decoded.manifest
    names = {"path": manifest.path, "name": manifest.name, "namespace": manifest.namespace}
    columns = {"job_id": manifest.id, **index_rows.columns_of(decoded)}
    row = JobIndex(tenant_id=tenant_id, blob_sha="", yaml=b"", **names, **columns)
    if before is not None and not manifest.id_given:
        row.job_id = before.job_id
    return row


def _decoded(actor: Actor, body: Mapping[str, Any] | bytes, namespace: str, policy: Policy) -> Decoded:
    """Parses the manifest as the index and the agents do, with the policy's defaults for its namespace."""
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
    """The active endpoints, without the large columns."""
    active = Endpoint.tenant_id == actor.tenant_id, Endpoint.status == "active"
    without_large = [defer(getattr(Endpoint, name)) for name in ("crontab", "drift")]
    return list(session.exec(select(Endpoint).where(*active).order_by(Endpoint.name).options(*without_large)))


def _endpoints(
    session: Session, before: JobIndex | None, after: JobIndex, hosts: list[Endpoint], same: bool
) -> list[EndpointPlan]:
    """The plans of all endpoints that have the job or would have it. A disabled job is on no host."""
    old = _on(session, before) if before else set()
    new = {host.id for host in matching(after, hosts)} if after.enabled else set()
    kept = "none" if same else "update"
    actions = {host.id: kept if host.id in old & new else "delete" if host.id in old else "create" for host in hosts}
    return [
        EndpointPlan(host.id, host.name, actions[host.id], host.timezone, policy_of(host.capabilities))
        for host in hosts
        if host.id in old | new
    ]


def _with_lines(
    session: Session, plans: list[EndpointPlan], after: JobIndex, hosts: list[Endpoint], now: datetime, most: int
) -> list[EndpointPlan]:
    """Adds crontab lines to the first ``most`` plans that change something."""
    changing = [host_plan for host_plan in plans if host_plan.action != "none"]
    shown = {host_plan.endpoint_id for host_plan in changing[:most]}
    by_id = {host.id: host for host in hosts if host.id in shown}
    crontabs = plan_lines.crontabs(session, list(by_id.values())) if shown else {}
    return [
        _with_host_lines(host_plan, after, by_id[host_plan.endpoint_id], crontabs[host_plan.endpoint_id], now)
        if host_plan.endpoint_id in shown
        else host_plan
        for host_plan in plans
    ]


def _with_host_lines(
    host_plan: EndpointPlan, after: JobIndex, host: Endpoint, crontab: list[dict[str, str]], now: datetime
) -> EndpointPlan:
    before = plan_lines.current_lines(crontab, after.job_id)
    unseen = "" if before or host_plan.action == "create" else plan_lines.UNSEEN
    if host_plan.action == "delete":
        return replace(host_plan, before=before, note=unseen)
    lines, note = plan_lines.future_lines(after, host, crontab, now)
    return replace(host_plan, before=before, after=lines, note=note or unseen)


def _on(session: Session, row: JobIndex) -> set[str]:
    """The ids of the endpoints that have the job."""
    live = Monitor.tenant_id == row.tenant_id, Monitor.job_id == row.job_id, Monitor.state != "retired"
    return set(session.exec(select(Monitor.source_id).where(*live))) if row.enabled else set()


def _slots(row: JobIndex | None, hosts: list[Endpoint], now: datetime) -> list[datetime]:
    if row is None or not slots.is_on(row):
        return []
    return slots.next_slots(slots.scheduled(row), map(slots.host_of, matching(row, hosts)), now, SLOTS)
