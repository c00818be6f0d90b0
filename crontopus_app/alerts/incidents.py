"""Opens, changes and closes incidents, each with an entry in its timeline."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Session

from crontopus_app.base.db import after_commit
from crontopus_app.base.live import Event, publish
from crontopus_app.models import Incident, IncidentEvent


def open_incident(session: Session, incident: Incident, now: datetime) -> Incident:
    """Stores a new incident. Its messages are decided at once."""
    incident.notify_at = now
    session.add(incident)
    note(session, incident, "opened", now, f"{incident.cause}: {incident.what}")
    _announce(session, "tenant", incident.tenant_id, incident.tenant_id)
    return incident


def change(session: Session, incident: Incident, now: datetime, **values: Any) -> bool:
    """Sets ``values``; a new cause is noted. Returns whether something changed."""
    changed = {name: value for name, value in values.items() if getattr(incident, name) != value}
    if not changed:
        return False
    for name, value in changed.items():
        setattr(incident, name, value)
    session.add(incident)
    if "cause" in changed:
        note(session, incident, "changed", now, f"{incident.cause}: {incident.what}")
    return True


def close(session: Session, incident: Incident, why: str, now: datetime) -> None:
    """Closes the incident. People who were told that it is open are told that it is closed."""
    incident.closed_at = now
    if incident.handling == "waiting":
        incident.handling, incident.handling_reason = "resolved", "It closed before anybody was told."
    incident.notify_at = now if incident.told_at else None
    session.add(incident)
    note(session, incident, "closed", now, why)
    _announce(session, "tenant", incident.tenant_id, incident.tenant_id)


def note(session: Session, incident: Incident, kind: str, now: datetime, text: str = "", actor: str = "") -> None:
    """Adds an entry to the timeline, and refreshes open pages."""
    tenant_id = incident.tenant_id
    session.add(
        IncidentEvent(tenant_id=tenant_id, incident_id=incident.id, at=now, kind=kind, actor=actor, text=text[:2000])
    )
    _announce(session, "incident", tenant_id, incident.id)


def _announce(session: Session, kind: str, tenant_id: str, changed_id: str) -> None:
    """Refreshes open pages after the commit: one event for each tenant and kind, however many objects changed."""
    changed: dict[tuple[str, str], set[str]] = session.info.setdefault("announced", {})
    if not changed:
        after_commit(session, _publish, changed)
    changed.setdefault((tenant_id, kind), set()).add(changed_id)


def _publish(changed: dict[tuple[str, str], set[str]]) -> None:
    events = [Event(tenant, kind, next(iter(ids)) if len(ids) == 1 else "") for (tenant, kind), ids in changed.items()]
    publish(*events)
    changed.clear()
