"""The audit log. Each entry is written in the transaction of the action it records."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from crontopus_app.base.actor import Actor
from crontopus_app.models import Audit


def record(session: Session, actor: Actor, action: str, subject: str, now: datetime, detail: str = "") -> None:
    """Adds an entry: ``actor`` did ``action`` (such as ``endpoint.revoke``) to ``subject``."""
    session.add(
        Audit(tenant_id=actor.tenant_id, actor=actor.username, action=action, subject=subject, detail=detail, at=now)
    )
