"""Resource usage of tenants, for a page of them.

One statement whose parts use indexes and have limits, so its time does not grow with the number of runs.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, select
from sqlmodel import Session, col, func

from contract import wire_operator as wire
from crontopus_app.base.errors import CrontopusError
from crontopus_app.forge.client import Forgejo
from crontopus_app.forge.names import RepositoryName
from crontopus_app.models import Endpoint, JobIndex, Run, RunOutput, Tenant, User

log = logging.getLogger(__name__)

WINDOW = timedelta(days=30)
COUNTED = 20_000
# Newest runs whose outputs are measured; the other runs of the window are assumed to have the same average.
SAMPLE = 30


def of(session: Session, tenant_ids: Sequence[str], now: datetime, most: int = COUNTED) -> dict[str, wire.Usage]:
    """Usage by tenant; at most ``most`` runs are counted."""
    query = select(
        col(Tenant.id),
        _count(User).label("users"),
        _count(JobIndex).label("jobs"),
        _count(Endpoint, Endpoint.status == "active").label("endpoints"),
        _runs(now, most).label("runs"),
        _output(session).label("output"),
        _last_checkin().label("last"),
    ).where(col(Tenant.id).in_(tenant_ids))
    usages = {}
    for tenant_id, users, jobs, endpoints, runs, output, last in session.execute(query):
        size = round(float(output or 0) * runs)
        usages[tenant_id] = wire.Usage(users, jobs, endpoints, runs, most, size, last)
    return usages


def _count(model: Any, *conditions: Any) -> Any:
    return select(func.count()).select_from(model).where(model.tenant_id == Tenant.id, *conditions).scalar_subquery()


def _newest(column: Any, count: int) -> Select[Any]:
    """A column of the tenant's newest ``count`` runs."""
    latest = select(column).where(col(Run.tenant_id) == Tenant.id).correlate(Tenant)
    return latest.order_by(col(Run.sort_at).desc(), col(Run.id).desc()).limit(count)


def _runs(now: datetime, most: int) -> Any:
    within = col(Run.tenant_id) == Tenant.id, col(Run.sort_at) >= now - WINDOW
    counted = select(col(Run.id)).where(*within).correlate(Tenant).limit(most).subquery()
    return select(func.count()).select_from(counted).scalar_subquery()


def _output(session: Session) -> Any:
    """The average size of an output in bytes; on SQLite in characters, because it would have to read all text."""
    length_of = func.octet_length if session.get_bind().dialect.name == "postgresql" else func.length
    latest = _newest(Run.id, SAMPLE).subquery()
    size = func.coalesce(length_of(RunOutput.head) + length_of(RunOutput.tail), 0)
    outputs = latest.outerjoin(RunOutput, col(RunOutput.run_id) == latest.c.id)
    return select(func.avg(size)).select_from(outputs).scalar_subquery()


def _last_checkin() -> Any:
    return _newest(Run.received_at, 1).scalar_subquery()


def with_repository(forge: Forgejo, detail: wire.TenantDetail) -> wire.TenantDetail:
    """Adds the repository's size, if the Git server reports it. Sends a request, so call it outside a transaction."""
    org, name = RepositoryName.of(detail.repository)
    try:
        return replace(detail, repository_bytes=forge.repository_bytes(org, name))
    except CrontopusError as error:
        log.debug("The size of %s is unknown: %s", detail.repository, error)
        return detail
