"""What people see of incidents and do with them: lists, the timeline, acknowledging, snoozing, comments."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, func, select

from contract import wire_alerts
from crontopus_app.alerts import incidents, notify
from crontopus_app.base import bounds
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import BadInput, NotFound
from crontopus_app.models import Channel, Delivery, Incident, IncidentEvent

PAGE_SIZE = 100
MOST_MINUTES = 7 * 24 * 60
COMMENT = 2000
STATES = ("open", "closed", "all")


def list_page(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    state: str = "open",
    job: str = "",
    endpoint: str = "",
    page: int = 1,
    page_size: int = 50,
) -> wire_alerts.IncidentList:
    """A page of incidents, newest first. ``job`` is a name or ``namespace/name``, ``endpoint`` a name."""
    actor.require("read:alerts")
    if state not in STATES:
        raise bounds.bad("state", f"state must be one of {', '.join(STATES)}, not {state!r}.")
    page, page_size = min(max(page, 1), 1_000_000), min(max(page_size, 1), PAGE_SIZE)
    where = [Incident.tenant_id == actor.tenant_id, *_filter(state, job, endpoint)]
    newest = select(Incident).where(*where).order_by(col(Incident.opened_at).desc(), col(Incident.id).desc())
    rows = session.exec(newest.offset((page - 1) * page_size).limit(page_size)).all()
    total = session.exec(select(func.count()).select_from(Incident).where(*where)).one()
    listed = [shape(row, now) for row in rows]
    return wire_alerts.IncidentList(listed, total, count_open(session, actor.tenant_id), page, page_size)


def _filter(state: str, job: str, endpoint: str) -> list[Any]:
    found: list[Any] = []
    if state != "all":
        closed = col(Incident.closed_at)
        found.append(closed.is_(None) if state == "open" else closed.is_not(None))
    if job:
        namespace, _, name = job.rpartition("/")
        found += [Incident.job_name == name, *([Incident.namespace == namespace] if namespace else [])]
    return found + ([Incident.endpoint_name == endpoint] if endpoint else [])


def count_open(session: Session, tenant_id: str) -> int:
    mine = Incident.tenant_id == tenant_id, col(Incident.closed_at).is_(None)
    return session.exec(select(func.count()).select_from(Incident).where(*mine)).one()


def show(session: Session, actor: Actor, incident_id: str, now: datetime) -> wire_alerts.IncidentDetail:
    actor.require("read:alerts")
    incident = _own(session, actor, incident_id)
    events = select(IncidentEvent).where(IncidentEvent.incident_id == incident.id).order_by(col(IncidentEvent.at))
    timeline = [wire_alerts.IncidentEvent(each.at, each.kind, each.actor, each.text) for each in session.exec(events)]
    return wire_alerts.IncidentDetail(shape(incident, now), timeline, _deliveries(session, incident))


def _own(session: Session, actor: Actor, incident_id: str, *, lock: bool = False) -> Incident:
    incident = session.get(Incident, incident_id, with_for_update=True if lock else None)
    if incident is None or incident.tenant_id != actor.tenant_id:
        raise NotFound(f"No incident {incident_id}.")
    return incident


def _deliveries(session: Session, incident: Incident) -> list[wire_alerts.Delivery]:
    """The newest messages about the incident."""
    since = Delivery.tenant_id == incident.tenant_id, col(Delivery.created_at) >= incident.opened_at
    query = (
        select(Delivery, Channel.name)
        .join(Channel, col(Channel.id) == Delivery.channel_id, isouter=True)
        .where(*since)
        .order_by(col(Delivery.created_at))
        .limit(1000)
    )
    return [delivery(row, name or "") for row, name in session.exec(query) if incident.id in row.incident_ids]


def delivery(row: Delivery, channel: str) -> wire_alerts.Delivery:
    return wire_alerts.Delivery(
        row.id, channel, row.event, row.state, row.attempts, row.created_at, row.sent_at, row.answer
    )


def acknowledge(session: Session, actor: Actor, incident_id: str, now: datetime) -> wire_alerts.Incident:
    """Notes that the actor takes care of it: no more reminders, no escalation. Repeating it changes nothing."""
    actor.require("write:alerts")
    incident = _own(session, actor, incident_id, lock=True)
    _check_open(incident)
    if incident.acknowledged_at is None:
        incident.acknowledged_at, incident.acknowledged_by = now, actor.username
        session.add(incident)
        incidents.note(session, incident, "acknowledged", now, actor=actor.username)
        notify.tell_acknowledged(session, incident, now)
    return shape(incident, now)


def snooze(session: Session, actor: Actor, incident_id: str, minutes: int, now: datetime) -> wire_alerts.Incident:
    """Sends nothing about the open incident for so many minutes; 0 ends the snooze."""
    actor.require("write:alerts")
    if not 0 <= minutes <= MOST_MINUTES:
        raise bounds.bad("minutes", f"minutes must be from 0 to {MOST_MINUTES} (7 days).")
    incident = _own(session, actor, incident_id, lock=True)
    _check_open(incident)
    incident.snoozed_until = now + timedelta(minutes=minutes) if minutes else None
    incident.notify_at = incident.snoozed_until or now
    session.add(incident)
    words = f"until {incident.snoozed_until:%Y-%m-%d %H:%M} UTC" if incident.snoozed_until else "ended"
    incidents.note(session, incident, "snoozed", now, words, actor.username)
    return shape(incident, now)


def comment(session: Session, actor: Actor, incident_id: str, text: str, now: datetime) -> wire_alerts.IncidentDetail:
    """Adds a comment to the timeline."""
    actor.require("write:alerts")
    incident = _own(session, actor, incident_id)
    if not text.strip() or len(text) > COMMENT:
        raise bounds.bad("text", f"Write a comment of 1 to {COMMENT} characters.")
    incidents.note(session, incident, "comment", now, bounds.text(text.strip(), COMMENT), actor.username)
    session.flush()
    return show(session, actor, incident_id, now)


def _check_open(incident: Incident) -> None:
    if incident.closed_at is not None:
        raise BadInput("This incident is closed already.", code="closed")


def shape(row: Incident, now: datetime) -> wire_alerts.Incident:
    state = "acknowledged" if row.acknowledged_at else "open"
    if row.snoozed_until is not None and row.snoozed_until > now:
        state = "snoozed"
    names = {name: getattr(row, name) for name in _SHAPED}
    return wire_alerts.Incident(state="closed" if row.closed_at else state, **names)


_SHAPED = tuple(name for name in wire_alerts.Incident.__dataclass_fields__ if name != "state")
