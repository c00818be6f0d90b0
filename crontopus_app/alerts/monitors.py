"""Compares monitors with their incidents: the runs decide what is to be open, whatever happened before.

Check-ins, the evaluator and the index set ``Monitor.alert_at`` in the transaction that changed the monitor, so no
change is overlooked, and one process that compares is enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from contract.manifest_types import Alerts
from contract.manifest_values import parse_duration
from crontopus_app.alerts import incidents
from crontopus_app.alerts.conditions import AMONG, Assessment, Condition, EndedRun, assess
from crontopus_app.base.db import reading, writing
from crontopus_app.models import Endpoint, Incident, JobIndex, Monitor, Run
from crontopus_app.monitoring.state import HEALTH, RESTING

BATCH = 100
# A host's silence explains what was missed until so long before and after it.
AROUND = timedelta(minutes=5)


def compare_due(now: datetime) -> int:
    """Compares the monitors whose time has come, at most BATCH of them. Returns how many it looked at."""
    with reading() as session:
        if session.exec(select(Monitor.id).where(col(Monitor.alert_at) <= now).limit(1)).first() is None:
            return 0
    with writing() as session:
        query = select(Monitor).where(col(Monitor.alert_at) <= now).order_by(col(Monitor.alert_at)).limit(BATCH)
        due = session.exec(query.with_for_update(skip_locked=True)).all()
        jobs = _jobs(session, due)
        for monitor in due:
            _compare(session, monitor, jobs.get((monitor.tenant_id, monitor.job_id), {}), now)
        return len(due)


def _jobs(session: Session, monitors: Sequence[Monitor]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The manifests by tenant and job."""
    columns = JobIndex.tenant_id, JobIndex.job_id, col(JobIndex.manifest)
    query = select(*columns).where(col(JobIndex.job_id).in_({monitor.job_id for monitor in monitors}))
    return {(tenant, job): manifest or {} for tenant, job, manifest in session.exec(query)}


def alerts_of(manifest: Mapping[str, Any]) -> Alerts:
    """The manifest's ``alerts``, from the form that the index stores."""
    given = manifest.get("alerts") or {}
    silent, remind = given.get("noSuccessFor"), given.get("remind")
    return Alerts(
        after=int(given.get("after", Alerts.after)),
        route=given.get("route"),
        remind=None if remind is None else parse_duration(str(remind)),
        recover=int(given.get("recover", Alerts.recover)),
        rate=given.get("rate"),
        no_success_for=None if silent is None else parse_duration(str(silent)),
    )


def _compare(session: Session, monitor: Monitor, manifest: Mapping[str, Any], now: datetime) -> None:
    incident = session.get(Incident, monitor.incident_id) if monitor.incident_id else None
    incident = None if incident is None or incident.closed_at else incident
    found = _assess(session, monitor, alerts_of(manifest), now, incident.cause if incident else "")
    monitor.alert_at = found.look_again
    if found.condition is not None:
        incident = _keep_open(session, monitor, incident, found.condition, now)
    elif incident is not None and found.closes:
        incidents.close(session, incident, _why_closed(monitor), now)
        incident = None
    monitor.incident_id = incident.id if incident else None
    session.add(monitor)


def _assess(session: Session, monitor: Monitor, alerts: Alerts, now: datetime, cause: str) -> Assessment:
    if monitor.state in RESTING:
        return Assessment()
    last_good = None
    if alerts.no_success_for is not None:
        good = _of(monitor, "success").order_by(col(Run.sort_at).desc()).limit(1)
        last_good = next((run.sort_at for run in session.exec(good)), None)
    return assess(_ended(session, monitor, max(AMONG, alerts.after)), alerts, now, cause, last_good)


def _of(monitor: Monitor, *statuses: str) -> Any:
    mine = Run.tenant_id == monitor.tenant_id, Run.job_id == monitor.job_id, Run.source_id == monitor.source_id
    return select(Run).where(*mine, col(Run.status).in_(statuses))


def _ended(session: Session, monitor: Monitor, most: int) -> list[EndedRun]:
    newest = _of(monitor, *HEALTH).order_by(col(Run.sort_at).desc(), col(Run.id).desc()).limit(most)
    return [EndedRun(run.id, run.status, run.sort_at, word(run)) for run in session.exec(newest)]


def word(run: Run) -> str:
    """How a run ended, in a few words."""
    if run.status == "failed":
        if run.signal:
            return f"signal {run.signal}"
        return "failed" if run.exit_code is None else f"exit {run.exit_code}"
    return {"timeout": "ran too long", "lost": "did not report its end", "missed": "did not start"}.get(run.status, "")


def _keep_open(
    session: Session, monitor: Monitor, incident: Incident | None, condition: Condition, now: datetime
) -> Incident:
    run = session.get(Run, condition.run_id) if condition.run_id else None
    values: dict[str, Any] = {"cause": condition.cause, "what": condition.what, "run_id": condition.run_id}
    values["why"] = run.error if run is not None else ""
    if incident is not None:
        incidents.change(session, incident, now, **values)
        return incident
    host = session.get(Endpoint, monitor.endpoint_id) if monitor.endpoint_id else None
    name, job = (host.name if host else ""), f"{monitor.namespace}/{monitor.job_name}"
    parent = _parent(session, monitor, run) if condition.cause in ("missed", "lost") else None
    opened = Incident(
        tenant_id=monitor.tenant_id,
        subject=f"monitor:{monitor.id}",
        title=f"{job} on {name}" if name else job,
        job_id=monitor.job_id,
        job_name=monitor.job_name,
        namespace=monitor.namespace,
        endpoint_id=monitor.endpoint_id or "",
        endpoint_name=name,
        since=condition.since,
        opened_at=now,
        **values,
    )
    if parent is not None:
        opened.parent_id, opened.handling = parent.id, "bundled"
        opened.handling_reason = f"Explained by the incident “{parent.title}”."
    return incidents.open_incident(session, opened, now)


def _parent(session: Session, monitor: Monitor, run: Run | None) -> Incident | None:
    """The incident of the host's silence in which the run was due."""
    if run is None or not monitor.endpoint_id:
        return None
    silence = select(Incident).where(
        Incident.tenant_id == monitor.tenant_id,
        Incident.subject == f"endpoint:{monitor.endpoint_id}",
        Incident.cause == "host silent",
        Incident.since <= run.sort_at + AROUND,
    )
    newest = session.exec(silence.order_by(col(Incident.since).desc()).limit(1)).first()
    covers = newest is not None and (newest.closed_at is None or newest.closed_at >= run.sort_at)
    return newest if covers else None


def _why_closed(monitor: Monitor) -> str:
    words = {"paused": "The job is paused.", "retired": "The job no longer runs here.", "ok": "It ran well again."}
    return words.get(monitor.state, "Its runs no longer call for an incident.")
