"""When a repository that fails is tried again: later each time, so one that stays broken costs the others nothing.

The time stands in the tenant's row, and the sweep comes back to it. A whole Git server that is away is no repository's
fault: the sweep asks for its health first.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col

from crontopus_app.base.db import reading, writing
from crontopus_app.models import Tenant
from crontopus_app.monitoring.sync import lock_tenant

FIRST, MOST = timedelta(seconds=1), timedelta(minutes=5)


def pause(failures: int) -> timedelta:
    """How long to wait after so many failures in a row, before chance takes up to half of it away."""
    return min(FIRST * 2 ** min(failures - 1, 20), MOST)


def failed(tenant_id: str, now: datetime) -> None:
    """Notes a failure of the tenant's repository."""
    with writing() as session:
        tenant = lock_tenant(session, tenant_id)
        if tenant is not None:
            tenant.failures += 1
            share = random.uniform(0.5, 1)  # noqa: S311 -- no secret
            tenant.retry_at = now + pause(tenant.failures) * share
            session.add(tenant)


def succeeded(session: Session, tenant_id: str) -> None:
    """The repository works: nothing waits any more."""
    mine = col(Tenant.id) == tenant_id, col(Tenant.failures) > 0
    session.execute(update(Tenant).where(*mine).values(failures=0, retry_at=None))


def is_due(now: datetime) -> Any:
    """Whether a tenant's repository may be tried now, as a condition of SQL."""
    return col(Tenant.retry_at).is_(None) | (col(Tenant.retry_at) <= now)


def is_failing(tenant_id: str) -> bool:
    """Whether the last try failed."""
    with reading() as session:
        tenant = session.get(Tenant, tenant_id)
    return tenant is not None and tenant.failures > 0


def rests(tenant: Tenant, now: datetime) -> bool:
    """Whether it is too early to try the repository again."""
    return tenant.retry_at is not None and tenant.retry_at > now
