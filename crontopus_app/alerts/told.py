"""Who would be told of a job's problems, in words, and its incidents."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, select

from contract import wire_alerts
from contract.manifest_types import Alerts
from contract.manifest_values import format_duration
from contract.routing import Subject, steps, tell
from crontopus_app.alerts import board
from crontopus_app.alerts.monitors import alerts_of
from crontopus_app.base.actor import Actor
from crontopus_app.jobs import policies
from crontopus_app.jobs.lookup import find
from crontopus_app.models import Channel

NEWEST = 20


def of_job(session: Session, actor: Actor, namespace: str, name: str, now: datetime) -> wire_alerts.JobAlerts:
    """What is an incident of the job, who would be told of one now, and its newest incidents. Raises NotFound."""
    actor.require("read:jobs")
    manifest = find(session, actor.tenant_id, namespace, name).manifest or {}
    alerts = alerts_of(manifest)
    subject = Subject(namespace, name, "", "failing", manifest.get("labels") or {}, alerts.route, "error")
    channels = session.exec(select(Channel.name).where(Channel.tenant_id == actor.tenant_id).order_by(Channel.name))
    told = tell(policies.of_tenant(session, actor.tenant_id), subject, channels.all(), now, now)
    newest = board.list_page(session, actor, now, state="all", job=f"{namespace}/{name}", page_size=NEWEST)
    return wire_alerts.JobAlerts(_rules(alerts), told.handling, told.reason, steps(told), newest.incidents)


def _rules(alerts: Alerts) -> list[str]:
    """When an incident opens and closes, in words."""
    bad = "a bad run" if alerts.after == 1 else f"{alerts.after} bad runs in a row"
    good = "a good run" if alerts.recover == 1 else f"{alerts.recover} good runs in a row"
    found = [f"an incident opens after {bad} (failed, timed out, lost or missed) and closes after {good}"]
    if alerts.rate:
        found.append(f"{alerts.rate.replace('/', ' bad runs of the last ')} open one too")
    if alerts.no_success_for:
        found.append(f"so does a time of {format_duration(alerts.no_success_for)} without a success")
    return found
