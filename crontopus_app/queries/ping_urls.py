"""The ping URL of a job without an agent."""

from __future__ import annotations

from sqlmodel import Session, select

from contract import wire
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import NotFound
from crontopus_app.base.settings import settings
from crontopus_app.jobs import lookup
from crontopus_app.models import Monitor
from crontopus_app.monitoring.pings import pings_of


def ping_url(session: Session, actor: Actor, namespace: str, name: str) -> wire.PingUrl:
    """The address that reports runs of the job; for people who may write jobs. Raises NotFound for a job with hosts."""
    actor.require("write:jobs")
    job = lookup.find(session, actor.tenant_id, namespace, name)
    mine = Monitor.job_id == job.job_id, Monitor.source_id == pings_of(actor.tenant_id), Monitor.state != "retired"
    ping_id = session.exec(select(Monitor.ping_id).where(*mine)).first()
    if ping_id is None:
        raise NotFound(
            f"{namespace}/{name} has no ping URL, because it runs on hosts with an agent. For a job without one, write "
            "agent: {endpoints: []} in its manifest."
        )
    return wire.PingUrl(f"{settings().public_url}/ping/{ping_id}")


def url_or_none(session: Session, actor: Actor, namespace: str, name: str) -> str:
    """As ``ping_url``; empty if there is none, or the actor may not see it."""
    try:
        return ping_url(session, actor, namespace, name).url if actor.may("write:jobs") else ""
    except NotFound:
        return ""
