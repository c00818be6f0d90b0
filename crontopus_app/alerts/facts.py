"""What a message says of its incidents, from the tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from crontopus_app.alerts.notice import NAMED, IncidentFacts, Notice
from crontopus_app.base.settings import settings
from crontopus_app.forge import addresses
from crontopus_app.models import Delivery, Incident, JobIndex, Run, RunOutput

TAIL = 2000


def notice(session: Session, delivery: Delivery, now: datetime) -> Notice:
    """The message of a delivery, as of ``now``."""
    url = addresses.console(settings())
    query = select(Incident).where(col(Incident.id).in_(delivery.incident_ids))
    rows = {row.id: row for row in session.exec(query)}
    found = [rows[each] for each in delivery.incident_ids if each in rows]
    if delivery.event in ("opened", "reminder"):
        found = [row for row in found if row.closed_at is None]
    named = tuple(_facts(session, row, url, alone=len(found) == 1) for row in found[:NAMED])
    return Notice(delivery.id, delivery.event, delivery.tenant_id, now, named, max(len(found), 1), url)


def repeated(session: Session, tenant_id: str, incidents: Sequence[Incident], now: datetime) -> Notice:
    """What is said of open incidents to a receiver that has to be told again and again."""
    url = addresses.console(settings())
    named = tuple(_facts(session, row, url, alone=True) for row in incidents)
    return Notice(f"{tenant_id}-{now:%Y%m%dT%H%M%S}", "reminder", tenant_id, now, named, len(named), url)


def _facts(session: Session, row: Incident, url: str, *, alone: bool) -> IncidentFacts:
    facts = IncidentFacts(
        id=row.id,
        cause=row.cause,
        title=row.title,
        what=row.what,
        since=row.since,
        url=f"{url}/incidents/{row.id}",
        severity=row.severity,
        state="closed" if row.closed_at else "open",
        why=row.why,
        namespace=row.namespace,
        job=row.job_name,
        endpoint=row.endpoint_name,
        closed_at=row.closed_at,
    )
    return _with_job(session, facts, row) if alone and row.job_id else facts


def _with_job(session: Session, facts: IncidentFacts, row: Incident) -> IncidentFacts:
    """With the last output, the last good run, and the commit that changed the job."""
    mine = JobIndex.tenant_id == row.tenant_id, JobIndex.job_id == row.job_id
    job = session.exec(select(JobIndex).where(*mine)).first()
    manifest = (job.manifest if job else None) or {}
    output = session.get(RunOutput, row.run_id)
    given = {name: value for name, value in vars(facts).items() if name != "labels"}
    given |= {"output_tail": (output.tail or output.head)[-TAIL:]} if output else {}
    given |= {"last_good": _last_good(session, row), "runbook": (manifest.get("annotations") or {}).get("runbook", "")}
    if job is not None:
        given |= {"commit": job.commit_sha, "commit_author": job.commit_author, "commit_message": job.commit_message}
    return IncidentFacts(**given, labels=manifest.get("labels") or {})


def _last_good(session: Session, row: Incident) -> datetime | None:
    """The start of the last good run before the problem began."""
    good = Run.tenant_id == row.tenant_id, Run.job_id == row.job_id, Run.status == "success"
    query = select(Run.sort_at).where(*good, col(Run.sort_at) <= row.since)
    if row.endpoint_id:
        query = query.where(Run.source_id == row.endpoint_id)
    return session.exec(query.order_by(col(Run.sort_at).desc()).limit(1)).first()
