"""REST: incidents, and what people do with them."""

from __future__ import annotations

from fastapi import APIRouter

from contract import wire_alerts
from crontopus_app.alerts import board, told
from crontopus_app.api.deps import CurrentActor, Now
from crontopus_app.base.db import reading, writing

router = APIRouter(tags=["incidents"])


@router.get("/incidents")
def list_incidents(
    actor: CurrentActor,
    now: Now,
    state: str = "open",
    job: str = "",
    endpoint: str = "",
    page: int = 1,
    page_size: int = 50,
) -> wire_alerts.IncidentList:
    """Newest first. ``state`` is open, closed or all; ``job`` a name or ``namespace/name``."""
    with reading() as session:
        return board.list_page(
            session, actor, now, state=state, job=job, endpoint=endpoint, page=page, page_size=page_size
        )


@router.get("/incidents/{incident_id}")
def show_incident(incident_id: str, actor: CurrentActor, now: Now) -> wire_alerts.IncidentDetail:
    """An incident with its timeline and the messages about it."""
    with reading() as session:
        return board.show(session, actor, incident_id, now)


@router.post("/incidents/{incident_id}/acknowledge")
def acknowledge_incident(incident_id: str, actor: CurrentActor, now: Now) -> wire_alerts.Incident:
    """Somebody takes care of it: no more reminders and no escalation."""
    with writing() as session:
        return board.acknowledge(session, actor, incident_id, now)


@router.post("/incidents/{incident_id}/snooze")
def snooze_incident(
    incident_id: str, form: wire_alerts.SnoozeRequest, actor: CurrentActor, now: Now
) -> wire_alerts.Incident:
    """No messages for so many minutes; 0 ends the snooze."""
    with writing() as session:
        return board.snooze(session, actor, incident_id, form.minutes, now)


@router.post("/incidents/{incident_id}/comments")
def comment_incident(
    incident_id: str, form: wire_alerts.CommentRequest, actor: CurrentActor, now: Now
) -> wire_alerts.IncidentDetail:
    with writing() as session:
        return board.comment(session, actor, incident_id, form.text, now)


@router.get("/jobs/{namespace}/{name}/alerts")
def get_job_alerts(namespace: str, name: str, actor: CurrentActor, now: Now) -> wire_alerts.JobAlerts:
    """When the job has an incident, who would be told of one now, and its newest incidents."""
    with reading() as session:
        return told.of_job(session, actor, namespace, name, now)
