"""The one place that writes runs: check-ins come in, runs and monitors follow."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from contract import wire
from crontopus_app.errors import Conflict, NotFound
from crontopus_app.models import CheckIn, Endpoint, JobIndex, Monitor, Run, RunOutput
from crontopus_app.monitoring.fold import RunFacts, fold

OUTPUT_LIMIT = 256 * 1024
AHEAD = timedelta(minutes=5)
HEALTH = {"success": "ok", "failed": "failing", "timeout": "failing"}


def record(session: Session, endpoint: Endpoint, checkin: wire.Checkin, now: datetime) -> wire.CheckinAnswer:
    """Writes one check-in of ``endpoint``; one whose id was seen before changes nothing and is answered the same.

    Raises NotFound for another tenant's job, Conflict where the run id is another run's.
    """
    seen = session.get(CheckIn, (checkin.id, endpoint.id))
    if seen is not None:
        known = session.get(Run, seen.run_id)
        return wire.CheckinAnswer(run_id=seen.run_id, state=known.status if known else "", duplicate=True)
    run = session.get(Run, checkin.run_id, with_for_update=True)
    if run is None:
        before, run = None, _new_run(session, endpoint, checkin, now)
    else:
        before = _facts(run)
        _check_owner(run, endpoint, checkin)
    after = fold(before, checkin, now)
    _apply(session, run, after, now)
    _keep_output(session, run.id, checkin, decided=before is None or _ending(before) != _ending(after))
    session.add(_row(endpoint, checkin, now))
    _update_monitor(session, run, now)
    return wire.CheckinAnswer(run_id=run.id, state=run.status, duplicate=False)


def _new_run(session: Session, endpoint: Endpoint, checkin: wire.Checkin, now: datetime) -> Run:
    name, namespace = _names(session, endpoint, checkin.job_id)
    return Run(
        id=checkin.run_id,
        tenant_id=endpoint.tenant_id,
        job_id=checkin.job_id,
        job_name=name,
        namespace=namespace,
        endpoint_id=endpoint.id,
        endpoint_name=endpoint.name,
        status="running",
        received_at=now,
        sort_at=now,
    )


def _names(session: Session, endpoint: Endpoint, job_id: str) -> tuple[str, str]:
    """Name and namespace of the job. One that is not indexed yet is kept under its id rather than lost."""
    monitor = session.exec(select(Monitor).where(Monitor.job_id == job_id, Monitor.endpoint_id == endpoint.id)).first()
    if monitor is not None:
        return monitor.job_name, monitor.namespace
    job = session.exec(select(JobIndex).where(JobIndex.job_id == job_id)).first()
    if job is None:
        return job_id, ""
    if job.tenant_id != endpoint.tenant_id:
        raise NotFound("There is no such job.")
    return job.name, job.namespace


def _check_owner(run: Run, endpoint: Endpoint, checkin: wire.Checkin) -> None:
    if run.tenant_id != endpoint.tenant_id or run.endpoint_id != endpoint.id:
        raise NotFound("There is no such run.")
    if run.job_id != checkin.job_id:
        raise Conflict("This run id belongs to a run of another job: each run needs an id of its own.")


_FACTS = tuple(field.name for field in fields(RunFacts) if field.name != "flags")


def _facts(run: Run) -> RunFacts:
    return RunFacts(flags=frozenset(run.flags), **{name: getattr(run, name) for name in _FACTS})


def _ending(facts: RunFacts) -> tuple[Any, ...]:
    return (facts.status, facts.attempt, facts.finished_at)


def _apply(session: Session, run: Run, facts: RunFacts, now: datetime) -> None:
    for name in _FACTS:
        setattr(run, name, getattr(facts, name))
    run.flags = sorted(facts.flags)
    moment = facts.started_at or facts.finished_at or run.sort_at
    # A clock that is far ahead must not hold the monitor's last run, and the top of every page, for days.
    run.sort_at = moment if moment <= now + AHEAD else now
    run.received_at = now
    session.add(run)
    session.flush()


def _keep_output(session: Session, run_id: str, checkin: wire.Checkin, *, decided: bool) -> None:
    """The output told by the check-in that settled the run; what ``log`` tells is added until then."""
    told = checkin.output
    if told is None or not (decided or checkin.kind == "log"):
        return
    kept = session.get(RunOutput, run_id) or RunOutput(run_id=run_id)
    if checkin.kind == "log":
        joined = kept.tail + told.head + told.tail
        kept.lost_bytes += told.lost_bytes + max(0, len(joined) - OUTPUT_LIMIT)
        kept.tail = _text(joined[-OUTPUT_LIMIT:])
    else:
        kept.head, kept.tail = _text(told.head[:OUTPUT_LIMIT]), _text(told.tail[-OUTPUT_LIMIT:])
        cut = max(0, len(told.head) - OUTPUT_LIMIT) + max(0, len(told.tail) - OUTPUT_LIMIT)
        kept.lost_bytes = told.lost_bytes + cut
    session.add(kept)


def _text(text: str) -> str:
    """PostgreSQL stores no NUL in text; it is shown as the symbol for it."""
    return text.replace("\0", "\u2400")


def _row(endpoint: Endpoint, checkin: wire.Checkin, now: datetime) -> CheckIn:
    facts = {key: value for key, value in asdict(checkin).items() if key in {"exit_code", "signal", "duration_s"}}
    return CheckIn(
        id=checkin.id,
        endpoint_id=endpoint.id,
        tenant_id=endpoint.tenant_id,
        run_id=checkin.run_id,
        kind=checkin.kind,
        attempt=checkin.attempt,
        at=checkin.at,
        received_at=now,
        seq=checkin.seq,
        boot_id=checkin.boot_id,
        line_hash=checkin.line_hash,
        facts=facts,
    )


def _update_monitor(session: Session, run: Run, now: datetime) -> None:
    """The monitor follows the latest run by start; a paused or retired one keeps its state."""
    mine = (Monitor.job_id == run.job_id, Monitor.endpoint_id == run.endpoint_id)
    monitor = session.exec(select(Monitor).where(*mine).with_for_update()).first()
    if monitor is None or (monitor.last_run_at and monitor.last_run_at > run.sort_at):
        return
    monitor.last_run_id, monitor.last_run_status, monitor.last_run_at = run.id, run.status, run.sort_at
    if monitor.state not in {"paused", "retired"}:
        monitor.state = HEALTH.get(run.status, monitor.state)
    monitor.updated_at = now
    session.add(monitor)


def endpoint_job(session: Session, tenant_id: str, namespace: str, name: str) -> str:
    """The id of the job of this name; raises NotFound."""
    where = (JobIndex.tenant_id == tenant_id, JobIndex.namespace == namespace, JobIndex.name == name)
    found = session.exec(select(JobIndex.job_id).where(*where).order_by(col(JobIndex.path))).first()
    if found is None:
        raise NotFound(f"There is no job {namespace}/{name}.")
    return found
