"""Reads what is known about a slot of a job, and answers why it did not run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col, or_, select

from contract import wire
from crontopus_app.base import bounds
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import BadInput, NotFound
from crontopus_app.jobs.lookup import find
from crontopus_app.jobs.policies import of_tenant
from crontopus_app.models import Change, Endpoint, JobIndex, Monitor, Run
from crontopus_app.monitoring import installed, slots
from crontopus_app.monitoring.deadlines import EARLY, LOOK_BACK, MOST_GRACE, slot_of_run
from crontopus_app.monitoring.evaluator import host_facts
from crontopus_app.monitoring.why import explain
from crontopus_app.monitoring.why_facts import JOB_FILE_DAMAGED, Facts, JobFacts, SlotRun, Switch

HOLES = ("missed", "lost")
SWITCHES = frozenset({"paused", "resumed", "disabled", "enabled"})
# Changes of a manifest, and runs beside a slot, that are read.
CHANGES, BESIDE, NEAR = 500, 5, 200


def why(
    session: Session,
    actor: Actor,
    namespace: str,
    name: str,
    now: datetime,
    *,
    endpoint: str | None = None,
    at: datetime | None = None,
) -> wire.Why:
    """Why the job did not run on the endpoint (a name or id) in the slot ``at``; by default its latest hole.

    A hole is a missed or lost run. An ``at`` without a zone is meant in the job's. Raises NotFound, BadInput.
    """
    actor.require("read:jobs")
    actor.require("read:runs")
    job = find(session, actor.tenant_id, namespace, name)
    monitors = _monitors(session, actor, job.job_id, endpoint)
    if not monitors:
        raise NotFound(f"{namespace}/{name} does not run on {endpoint}." if endpoint else _nowhere(namespace, name))
    if at is None:
        return why_of_run(session, actor, _latest_hole(session, monitors, f"{namespace}/{name}").id, now)
    if len(monitors) > 1:
        raise BadInput(f"{namespace}/{name} runs on {len(monitors)} endpoints. Name one with endpoint=.")
    monitor = monitors[0]
    host = session.get(Endpoint, monitor.endpoint_id) if monitor.endpoint_id else None
    slot = _slot(at, _zone(job, host))
    return _answer(session, monitor, host, job, slot, _run_of(session, monitor, slot), now)


def why_of_run(session: Session, actor: Actor, run_id: str, now: datetime) -> wire.Why:
    """As ``why``, for the slot of a run; without a slot, for its start. Raises NotFound."""
    actor.require("read:jobs")
    actor.require("read:runs")
    run = session.get(Run, run_id)
    if run is None or run.tenant_id != actor.tenant_id:
        raise NotFound(f"No run {run_id}.")
    of_run = Monitor.job_id == run.job_id, Monitor.source_id == run.source_id
    monitor = session.exec(select(Monitor).where(Monitor.tenant_id == actor.tenant_id, *of_run)).first()
    if monitor is None:
        raise NotFound(f"The job of the run {run_id} is not monitored any more.")
    host = session.get(Endpoint, run.endpoint_id) if run.endpoint_id else None
    by_id = JobIndex.tenant_id == actor.tenant_id, JobIndex.job_id == run.job_id
    job = session.exec(select(JobIndex).where(*by_id).order_by(JobIndex.path)).first()
    return _answer(session, monitor, host, job, run.slot or run.sort_at, run, now)


def _nowhere(namespace: str, name: str) -> str:
    return f"{namespace}/{name} does not run on any endpoint, and no ping of it has come."


def _monitors(session: Session, actor: Actor, job_id: str, endpoint: str | None) -> Sequence[Monitor]:
    """The job's monitors on the endpoint of this name or id; without one, all that are not retired, if there are."""
    query = select(Monitor).where(Monitor.tenant_id == actor.tenant_id, Monitor.job_id == job_id)
    if endpoint:
        named = select(Endpoint.id).where(Endpoint.tenant_id == actor.tenant_id, Endpoint.name == endpoint)
        query = query.where(or_(col(Monitor.source_id) == endpoint, col(Monitor.source_id).in_(named)))
    found = session.exec(query.order_by(col(Monitor.updated_at).desc())).all()
    present = [monitor for monitor in found if monitor.state != "retired"]
    return (present or found)[:1] if endpoint else present or found


def _latest_hole(session: Session, monitors: Sequence[Monitor], title: str) -> Run:
    sources = {monitor.source_id for monitor in monitors}
    of_job = Run.tenant_id == monitors[0].tenant_id, Run.job_id == monitors[0].job_id, col(Run.source_id).in_(sources)
    query = select(Run).where(*of_job, col(Run.status).in_(HOLES)).order_by(col(Run.sort_at).desc())
    run = session.exec(query.limit(1)).first()
    if run is None:
        raise NotFound(f"No run of {title} is missed or lost. Give the time of a slot, such as at=2026-01-31T02:00.")
    return run


def _zone(job: JobIndex | None, host: Endpoint | None) -> str:
    """The job's time zone, or else its host's; UTC if this server does not know it."""
    zone = (job.timezone if job else None) or (host.timezone if host else "") or "UTC"
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return "UTC"
    return zone


def _slot(at: datetime, zone: str) -> datetime:
    """The minute of ``at`` in UTC; a time without a zone is in ``zone``. Raises BadInput."""
    if not 2000 <= at.year < 2100:
        raise bounds.bad("at", "at must be a time from the year 2000 to 2099.")
    aware = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
    return aware.astimezone(UTC).replace(second=0, microsecond=0)


def _run_of(session: Session, monitor: Monitor, at: datetime) -> Run | None:
    """The run of the slot: the one that names it, or one that started early or late for it."""
    lines, grace = installed.load(monitor.lines), _grace(monitor)
    until = at + min(grace or MOST_GRACE, LOOK_BACK)
    near = col(Run.slot) >= at - EARLY, col(Run.slot) <= until
    query = select(Run).where(*_of(monitor), *near).order_by(col(Run.slot), col(Run.sort_at)).limit(NEAR)
    runs = session.exec(query).all()
    exact = [run for run in runs if run.slot == at]
    if exact:
        return min(exact, key=lambda run: (run.status == "skipped", run.sort_at))
    started = (run for run in runs if run.slot is not None and run.status != "missed")
    return next((run for run in started if run.slot and slot_of_run(lines, grace, run.slot) == at), None)


def _of(monitor: Monitor) -> tuple[Any, ...]:
    return Run.job_id == monitor.job_id, Run.source_id == monitor.source_id


def _grace(monitor: Monitor) -> timedelta | None:
    return None if monitor.grace_s is None else timedelta(seconds=monitor.grace_s)


def _answer(
    session: Session,
    monitor: Monitor,
    host: Endpoint | None,
    job: JobIndex | None,
    at: datetime,
    run: Run | None,
    now: datetime,
) -> wire.Why:
    policy, labels = of_tenant(session, monitor.tenant_id), (job.manifest or {}).get("labels", {}) if job else {}
    work = policy.maintained(at, monitor.namespace, monitor.job_name, labels, host.name if host else "")
    facts = Facts(
        at=at,
        now=now,
        host=host_facts(host, now) if host else None,
        run=_slot_run(run) if run else None,
        lines=installed.load(monitor.lines),
        grace=_grace(monitor),
        settled_until=monitor.settled_until,
        job_id=monitor.job_id,
        job=_job_facts(session, job, host) if job else None,
        damaged=_damaged(session, monitor, at),
        beside=_beside(session, monitor, at, run),
        outcome=monitor.outcome,
        reason=monitor.reason,
        commit=monitor.applied_commit,
        frozen=policy.frozen(at),
        maintenance=str(work) if work else "",
        retired_at=monitor.updated_at if monitor.state == "retired" else None,
        zone=_zone(job, host),
        policy=slots.policy_of(host.capabilities) if host else slots.DEBIAN,
    )
    cause = explain(facts)
    return wire.Why(
        verdict=cause.verdict,
        sentence=cause.sentence,
        evidence=cause.evidence,
        next=cause.next,
        at=at,
        endpoint_id=monitor.endpoint_id,
        endpoint_name=host.name if host else "",
        run_id=run.id if run else None,
    )


def _slot_run(run: Run) -> SlotRun:
    return SlotRun(run.status, run.id, run.started_at, run.finished_at, run.received_at, run.error, run.flags)


def _job_facts(session: Session, job: JobIndex, host: Endpoint | None) -> JobFacts:
    checkin = (job.manifest or {}).get("checkin") or {}
    scheduled = replace(slots.scheduled(job), timezone=_zone(job, host))
    line = slots.line(scheduled, slots.host_of(host) if host else slots.NOWHERE) if job.valid else None
    return JobFacts(
        schedule=line.plain if line else (),
        valid=job.valid,
        paused=job.paused,
        enabled=job.enabled,
        monitored=checkin.get("enabled", True) is not False,
        commit=job.commit_sha,
        author=job.commit_author,
        commit_at=job.commit_at,
        switches=_switches(session, job),
    )


def _switches(session: Session, job: JobIndex) -> list[Switch]:
    """The commits that paused, resumed, disabled or enabled the job, as far as its changes tell."""
    columns = [col(getattr(Change, name)) for name in ("done_at", "summary", "author_name", "commit_sha")]
    done = col(Change.tenant_id) == job.tenant_id, col(Change.path) == job.path, col(Change.state) == "done"
    rows = session.execute(sa.select(*columns).where(*done).order_by(col(Change.done_at).desc()).limit(CHANGES)).all()
    return [
        Switch(at, word, author, commit or "")
        for at, summary, author, commit in reversed(rows)
        for word in summary.split(", ")
        if at is not None and word in SWITCHES
    ]


def _damaged(session: Session, monitor: Monitor, at: datetime) -> SlotRun | None:
    """A run from the slot to its grace that found its job file damaged: the runner could not know its slot."""
    within = col(Run.sort_at) >= at - EARLY, col(Run.sort_at) <= at + (_grace(monitor) or EARLY)
    mine = Run.tenant_id == monitor.tenant_id, *_of(monitor), col(Run.slot).is_(None)
    run = session.exec(select(Run).where(*mine, *within, Run.exit_code == JOB_FILE_DAMAGED).limit(1)).first()
    return _slot_run(run) if run else None


def _beside(session: Session, monitor: Monitor, at: datetime, run: Run | None) -> list[SlotRun]:
    """Other runs of the job at the source that had started before the slot, and ran in it or still do."""
    mine = Run.tenant_id == monitor.tenant_id, *_of(monitor), Run.id != (run.id if run else "")
    ran = or_(col(Run.finished_at) > at, col(Run.status) == "running")
    query = select(Run).where(*mine, col(Run.started_at) < at, col(Run.sort_at) >= at - LOOK_BACK, ran)
    return [_slot_run(each) for each in session.exec(query.order_by(col(Run.sort_at).desc()).limit(BESIDE))]
