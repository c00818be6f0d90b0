"""Whether slots are in a maintenance of crontopus.yaml: their runs may be missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from contract.policy import Policy, in_force
from crontopus_app.models import Endpoint, JobIndex, Monitor, Tenant


class Maintained:
    """The maintenance of the monitors' tenants, and the labels that it is decided by."""

    def __init__(self, session: Session, monitors: Sequence[Monitor]) -> None:
        tenants = {monitor.tenant_id for monitor in monitors}
        query = select(Tenant.id, Tenant.policy).where(col(Tenant.id).in_(tenants), Tenant.policy != b"")
        policies = {tenant_id: in_force(text) for tenant_id, text in session.exec(query)}
        self._policies: dict[str, Policy] = {name: policy for name, policy in policies.items() if policy.maintenance}
        self._labels = _labels(session, [monitor for monitor in monitors if monitor.tenant_id in self._policies])

    def covers(self, monitor: Monitor, host: Endpoint | None, slot: datetime) -> bool:
        policy = self._policies.get(monitor.tenant_id)
        if policy is None:
            return False
        labels = self._labels.get((monitor.tenant_id, monitor.job_id), {})
        name = host.name if host is not None else ""
        return policy.maintained(slot, monitor.namespace, monitor.job_name, labels, name) is not None


def _labels(session: Session, monitors: Sequence[Monitor]) -> dict[tuple[str, str], Mapping[str, str]]:
    if not monitors:
        return {}
    query = select(JobIndex.tenant_id, JobIndex.job_id, JobIndex.manifest).where(
        col(JobIndex.tenant_id).in_({monitor.tenant_id for monitor in monitors}),
        col(JobIndex.job_id).in_({monitor.job_id for monitor in monitors}),
    )
    return {(tenant, job): (manifest or {}).get("labels") or {} for tenant, job, manifest in session.exec(query)}
