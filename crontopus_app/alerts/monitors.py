"""Compares monitors with their incidents: the runs decide what is to be open, whatever happened before.

Check-ins, the evaluator and the index set ``Monitor.alert_at`` in the transaction that changed the monitor, so no
change is overlooked, and one process that compares is enough.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, union_all
from sqlalchemy import select as sql_select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from contract.manifest_types import Alerts
from contract.manifest_values import parse_duration
from crontopus_app.alerts import incidents
from crontopus_app.alerts.conditions import AMONG, Assessment, Condition, EndedRun, assess, overdue
from crontopus_app.base.db import reading, writing
from crontopus_app.jobs import policies
from crontopus_app.models import Endpoint, Incident, JobIndex, Monitor, Run
from crontopus_app.monitoring.state import HEALTH, OVERDUE, RESTING

BATCH = 100
# A host's silence explains what was missed until so long before and after it.
AROUND = timedelta(minutes=5)
# The job itself may be fine, or still become so.
SEVERITIES = {"late": "warning", "stuck": "warning", "unstable": "warning"}


def compare_due(now: datetime) -> int:
    """Compares the monitors whose time has come, at most BATCH of them. Returns how many it looked at."""
    with reading() as session:
        if session.exec(select(Monitor.id).where(col(Monitor.alert_at) <= now).limit(1)).first() is None:
            return 0
    with writing() as session:
        query = select(Monitor).where(col(Monitor.alert_at) <= now).order_by(col(Monitor.alert_at)).limit(BATCH)
        due = session.exec(query.with_for_update(skip_locked=True)).all()
        known = _Known(session, due)
        for monitor in due:
            _compare(session, monitor, known, now)
        return len(due)


class _Known:
    """What is known about the monitors of one transaction, read in a few statements."""

    def __init__(self, session: Session, monitors: Sequence[Monitor]) -> None:
        self.session = session
        hosts = {monitor.endpoint_id for monitor in monitors if monitor.endpoint_id}
        self.hosts = dict(session.exec(select(Endpoint.id, Endpoint.name).where(col(Endpoint.id).in_(hosts))).all())
        ids = {monitor.incident_id for monitor in monitors if monitor.incident_id}
        opened = select(Incident).where(col(Incident.id).in_(ids), col(Incident.closed_at).is_(None))
        self.incidents = {incident.id: incident for incident in session.exec(opened)}
        self.manifests = _manifests(session, monitors)
        self.runs = _ended(session, monitors)
        self.silences = _silences(session, hosts)
        tenants = {monitor.tenant_id for monitor in monitors}
        self.policies = {tenant_id: policies.of_tenant(session, tenant_id) for tenant_id in tenants}

    def manifest(self, monitor: Monitor) -> Mapping[str, Any]:
        return self.manifests.get((monitor.tenant_id, monitor.job_id), {})


def _manifests(session: Session, monitors: Sequence[Monitor]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The manifests by tenant and job."""
    columns = JobIndex.tenant_id, JobIndex.job_id, col(JobIndex.manifest)
    query = select(*columns).where(col(JobIndex.job_id).in_({monitor.job_id for monitor in monitors}))
    return {(tenant, job): manifest or {} for tenant, job, manifest in session.exec(query)}


def _ended(session: Session, monitors: Sequence[Monitor]) -> dict[tuple[str, str], list[Run]]:
    """The newest runs of each monitor that have ended, newest first."""
    found: dict[tuple[str, str], list[Run]] = defaultdict(list)
    if not monitors:
        return found
    values: dict[str, Any] = {}
    for number, monitor in enumerate(monitors):
        values |= {
            f"tenant_{number}": monitor.tenant_id,
            f"job_{number}": monitor.job_id,
            f"source_{number}": monitor.source_id,
        }
    for run in session.execute(_ended_query(len(monitors)), values).scalars():
        found[run.job_id, run.source_id].append(run)
    return found


@lru_cache(maxsize=BATCH)
def _ended_query(count: int) -> Any:
    """The query for so many monitors: to build it takes longer than to run it."""
    parts = []
    for number in range(count):
        mine = (
            col(Run.tenant_id) == bindparam(f"tenant_{number}"),
            col(Run.job_id) == bindparam(f"job_{number}"),
            col(Run.source_id) == bindparam(f"source_{number}"),
            col(Run.status).in_(HEALTH),
        )
        newest = sql_select(Run).where(*mine).order_by(col(Run.sort_at).desc(), col(Run.id).desc()).limit(AMONG)
        parts.append(sql_select(newest.subquery()))
    every = aliased(Run, union_all(*parts).subquery())
    return sql_select(every).order_by(every.sort_at.desc(), every.id.desc())  # pyright: ignore[reportAttributeAccessIssue] -- columns


def _silences(session: Session, hosts: Collection[str]) -> dict[str, list[Incident]]:
    """The incidents of these hosts' silences, newest first."""
    subjects = [f"endpoint:{host}" for host in hosts]
    query = select(Incident).where(col(Incident.subject).in_(subjects), Incident.cause == "host silent")
    found: dict[str, list[Incident]] = defaultdict(list)
    for incident in session.exec(query.order_by(col(Incident.since).desc())):
        found[incident.endpoint_id].append(incident)
    return found


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


def _compare(session: Session, monitor: Monitor, known: _Known, now: datetime) -> None:
    incident = known.incidents.get(monitor.incident_id or "")
    alerts = alerts_of(known.manifest(monitor))
    found = _assess(session, monitor, known, alerts, now, incident.cause if incident else "")
    monitor.alert_at = found.look_again
    begun = found.condition is not None and incident is None
    work = known.policies[monitor.tenant_id].maintained(now, *_place(monitor, known)) if begun else None
    if work is not None:  # what is still wrong when it ends becomes an incident then
        monitor.alert_at = work.ends(now)
    elif found.condition is not None:
        incident = _keep_open(session, monitor, known, incident, found.condition, now)
    elif incident is not None and found.closes:
        incidents.close(session, incident, _why_closed(monitor), now)
        incident = None
    monitor.incident_id = incident.id if incident else None
    session.add(monitor)


def _place(monitor: Monitor, known: _Known) -> tuple[str, str, Mapping[str, str], str]:
    """What the conditions of crontopus.yaml look at."""
    labels = known.manifest(monitor).get("labels") or {}
    return monitor.namespace, monitor.job_name, labels, known.hosts.get(monitor.endpoint_id or "", "")


def _assess(session: Session, monitor: Monitor, known: _Known, alerts: Alerts, now: datetime, cause: str) -> Assessment:
    if monitor.state in RESTING:
        return Assessment()
    runs = known.runs[monitor.job_id, monitor.source_id]
    if alerts.after > AMONG:
        runs = session.exec(_newest(monitor, *HEALTH).limit(alerts.after)).all()
    last_good = None
    if alerts.no_success_for is not None:
        last_good = next((run.sort_at for run in session.exec(_newest(monitor, "success").limit(1))), None)
    ended = [EndedRun(run.id, run.status, run.sort_at, word(run)) for run in runs]
    return assess(ended, alerts, now, cause, last_good, _overdue(session, monitor))


def _overdue(session: Session, monitor: Monitor) -> Condition | None:
    """The condition of the oldest run that still runs, if it is late or stuck."""
    if monitor.state not in OVERDUE:
        return None
    oldest = select(Run).where(*_of(monitor), Run.status == "running").order_by(col(Run.sort_at)).limit(1)
    run = session.exec(oldest).first()
    return run and overdue(monitor.state, run.id, run.started_at or run.sort_at, monitor.finish_by)


def _newest(monitor: Monitor, *statuses: str) -> Any:
    ended = select(Run).where(*_of(monitor), col(Run.status).in_(statuses))
    return ended.order_by(col(Run.sort_at).desc(), col(Run.id).desc())


def _of(monitor: Monitor) -> tuple[Any, ...]:
    return Run.tenant_id == monitor.tenant_id, Run.job_id == monitor.job_id, Run.source_id == monitor.source_id


def word(run: Run) -> str:
    """How a run ended, in a few words."""
    if run.status == "failed":
        if run.signal:
            return f"signal {run.signal}"
        return "failed" if run.exit_code is None else f"exit {run.exit_code}"
    return {"timeout": "ran too long", "lost": "did not report its end", "missed": "did not start"}.get(run.status, "")


def _keep_open(
    session: Session, monitor: Monitor, known: _Known, incident: Incident | None, condition: Condition, now: datetime
) -> Incident:
    run = next((each for each in known.runs[monitor.job_id, monitor.source_id] if each.id == condition.run_id), None)
    values: dict[str, Any] = {"cause": condition.cause, "what": condition.what, "run_id": condition.run_id}
    values |= {"severity": SEVERITIES.get(condition.cause, "error"), "why": run.error if run is not None else ""}
    if incident is not None:
        incidents.change(session, incident, now, **values)
        return incident
    name, job = known.hosts.get(monitor.endpoint_id or "", ""), f"{monitor.namespace}/{monitor.job_name}"
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
    parent = _parent(known, monitor, run) if condition.cause in ("missed", "lost") else None
    if parent is not None:
        opened.parent_id, opened.handling = parent.id, "bundled"
        opened.handling_reason = f"Explained by the incident “{parent.title}”."
    return incidents.open_incident(session, opened, now)


def _parent(known: _Known, monitor: Monitor, run: Run | None) -> Incident | None:
    """The incident of the host's silence in which the run was due."""
    if run is None or not monitor.endpoint_id:
        return None
    begun = (each for each in known.silences[monitor.endpoint_id] if each.since <= run.sort_at + AROUND)
    newest = next(begun, None)
    covers = newest is not None and (newest.closed_at is None or newest.closed_at >= run.sort_at)
    return newest if covers else None


def _why_closed(monitor: Monitor) -> str:
    words = {"paused": "The job is paused.", "retired": "The job no longer runs here.", "ok": "It ran well again."}
    return words.get(monitor.state, "Its runs no longer call for an incident.")
