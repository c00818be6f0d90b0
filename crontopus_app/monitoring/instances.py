"""Converts monitors to the API's instances."""

from __future__ import annotations

from contract import wire
from crontopus_app.models import Monitor


def instance(monitor: Monitor, endpoint_name: str) -> wire.InstanceStatus:
    return wire.InstanceStatus(
        job_id=monitor.job_id,
        job_name=monitor.job_name,
        namespace=monitor.namespace,
        endpoint_id=monitor.endpoint_id or "",
        endpoint_name=endpoint_name,
        state=monitor.state,
        outcome=monitor.outcome,
        reason=monitor.reason,
        commit=monitor.applied_commit,
        last_run_id=monitor.last_run_id,
        last_run_status=monitor.last_run_status,
        last_run_at=monitor.last_run_at,
    )
