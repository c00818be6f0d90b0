"""Finds work that is due although no task was queued for it, or the task was lost."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, select

from crontopus_app.jobs.backoff import is_due
from crontopus_app.jobs.changes import DOWN
from crontopus_app.models import Change, Tenant

LATE = timedelta(seconds=2)


def with_changes(session: Session, now: datetime) -> list[str]:
    """Tenants with a change that should have been committed by now."""
    late = Change.state == "pending", col(Change.created_at) < now - LATE
    ready = col(Tenant.id) == col(Change.tenant_id), Tenant.provisioning == "ready", is_due(now)
    return list(session.exec(select(Change.tenant_id).where(*late, *ready).distinct()))


def unprovisioned(session: Session, now: datetime) -> list[str]:
    """Tenants whose repository should have been created by now."""
    late = Tenant.provisioning == "pending", col(Tenant.created_at) < now - LATE
    return list(session.exec(select(Tenant.id).where(*late)))


def ready(session: Session) -> list[str]:
    """Tenants whose repository exists, and whose branch may have moved."""
    return list(session.exec(select(Tenant.id).where(Tenant.provisioning == "ready")))


def behind(session: Session, now: datetime) -> list[str]:
    """Tenants whose latest head is not indexed, whose monitors trail the index, or whose history is half read."""
    unread = (col(Tenant.head) != col(Tenant.indexed_head)) | col(Tenant.history).contains('"start"')
    unfinished = unread | (col(Tenant.monitored_head) != col(Tenant.indexed_head))
    return list(session.exec(select(Tenant.id).where(Tenant.provisioning == "ready", unfinished, is_due(now))))


def deleting(session: Session) -> list[str]:
    """Tenants whose account was deleted, and whose data are not completely removed."""
    return list(session.exec(select(Tenant.id).where(Tenant.provisioning == "deleting")))


def mark_waiting(session: Session, now: datetime) -> None:
    """Stores in pending changes without a reason that they wait for the Git server."""
    late = col(Change.state) == "pending", col(Change.created_at) < now - LATE, col(Change.error).is_(None)
    session.execute(update(Change).where(*late).values(error=f"{DOWN}the Git server does not respond"))
