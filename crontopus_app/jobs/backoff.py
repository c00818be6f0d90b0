"""Exponential back-off for a failing repository, so that it does not slow down the others.

The tenant's row stores the time of the next attempt, and the sweep makes it. An outage of the whole Git server does not
count as a failure of a repository: the sweep checks the server's health first.
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
    """The longest wait after this many consecutive failures. The actual wait is a random 50 to 100 % of it."""
    return min(FIRST * 2 ** min(failures - 1, 20), MOST)


def failed(tenant_id: str, now: datetime) -> None:
    """Records a failure of the tenant's repository, and the time of the next attempt."""
    with writing() as session:
        tenant = lock_tenant(session, tenant_id)
        if tenant is not None:
            tenant.failures += 1
            share = random.uniform(0.5, 1)  # noqa: S311 -- not a secret
            tenant.retry_at = now + pause(tenant.failures) * share
            session.add(tenant)


def succeeded(session: Session, tenant_id: str) -> None:
    """Ends the back-off of the tenant's repository."""
    failing = col(Tenant.id) == tenant_id, col(Tenant.failures) > 0
    session.execute(update(Tenant).where(*failing).values(failures=0, retry_at=None))


def is_due(now: datetime) -> Any:
    """An SQL condition: the tenant's repository may be tried now."""
    return col(Tenant.retry_at).is_(None) | (col(Tenant.retry_at) <= now)


def is_failing(tenant_id: str) -> bool:
    """Whether the last attempt failed."""
    with reading() as session:
        tenant = session.get(Tenant, tenant_id)
    return tenant is not None and tenant.failures > 0


def must_wait(tenant: Tenant, now: datetime) -> bool:
    """Whether it is too early for the next attempt."""
    return tenant.retry_at is not None and tenant.retry_at > now
