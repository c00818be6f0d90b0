"""A tenant's metrics for Prometheus. The cost follows the number of monitors, not of runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col, func

from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import BadInput
from crontopus_app.base.exposition import Exposition, labels
from crontopus_app.models import Endpoint, Incident, JobIndex, Monitor, Run
from crontopus_app.monitoring import slots
from crontopus_app.monitoring.counts import LIMITS_S, OUTCOMES

# The monitors of one answer: with them it has about 20 MB.
MOST = 20_000
STATES = ("waiting", "ok", "late", "failing", "missed", "stuck", "paused")
SEVERITIES = ("critical", "error", "warning", "info")
_MONITOR = (
    *(col(getattr(Monitor, name)) for name in ("job_id", "source_id", "job_name", "namespace", "state", "counts")),
    *(col(each) for each in (Monitor.last_run_at, Monitor.last_success_at)),
    *(col(each) for each in (Run.duration_s, Run.exit_code, Run.started_at, Run.slot)),
)
_JOB = [
    col(getattr(JobIndex, name))
    for name in ("job_id", "name", "namespace", "schedule", "timezone", "valid", "enabled", "paused", "commit_sha")
]
_HOST = [
    col(getattr(Endpoint, name))
    for name in ("id", "name", "timezone", "capabilities", "agent_version", "last_seen_at", "spool", "crontab")
]


def metrics(session: Session, actor: Actor, now: datetime, namespace: str = "") -> bytes:
    """The metrics as text. What the token may not read is left out.

    With ``namespace``, those of its jobs only, and none of endpoints and incidents. Raises BadInput for more than
    MOST monitors.
    """
    actor.require("read:runs")
    page = Exposition()
    hosts = _hosts(session, actor)
    jobs = _jobs(session, actor, namespace)
    monitors = _monitors(session, actor, namespace)
    _add_monitors(page, [row for row in monitors if row.state != "retired"], jobs, hosts, now)
    _add_counts(page, monitors, {(job.namespace, job.name) for job in jobs.values()})
    if actor.may("read:jobs"):
        _add_jobs(page, jobs.values())
    if actor.may("read:agents") and not namespace:
        _add_hosts(page, hosts.values())
    if actor.may("read:alerts") and not namespace:
        _add_incidents(page, session, actor)
    return page.render()


def _monitors(session: Session, actor: Actor, namespace: str) -> list[Any]:
    """The monitors, also retired ones, with the latest run of each that has ended."""
    query = select(*_MONITOR).where(col(Monitor.tenant_id) == actor.tenant_id)
    query = query.outerjoin(Run, col(Run.id) == col(Monitor.health_run_id))
    query = query.where(col(Monitor.namespace) == namespace) if namespace else query
    rows = session.execute(query.limit(MOST + 1)).all()
    if len(rows) > MOST:
        raise BadInput(
            f"There are more than {MOST} monitors. Scrape each namespace by itself: /api/metrics?namespace=production."
        )
    return sorted(rows, key=lambda row: (row.namespace, row.job_name, row.job_id, row.source_id))


def _jobs(session: Session, actor: Actor, namespace: str) -> dict[str, Any]:
    """The manifests by job id."""
    query = select(*_JOB).where(col(JobIndex.tenant_id) == actor.tenant_id).order_by(col(JobIndex.path))
    query = query.where(col(JobIndex.namespace) == namespace) if namespace else query
    return {row.job_id: row for row in session.execute(query)}


@dataclass(frozen=True)
class _Host:
    row: Any
    label: str
    clock: slots.Host


def _hosts(session: Session, actor: Actor) -> dict[str, _Host]:
    """The active endpoints. Those with the same name are told apart by the begin of their ids."""
    active = col(Endpoint.tenant_id) == actor.tenant_id, col(Endpoint.status) == "active"
    query = select(*_HOST).where(*active).order_by(col(Endpoint.name), col(Endpoint.id))
    rows: list[Any] = list(session.execute(query))
    names = [row.name for row in rows]
    return {
        row.id: _Host(row, f"{row.name} {row.id[:8]}" if names.count(row.name) > 1 else row.name, slots.host_of(row))
        for row in rows
    }


def _add_monitors(
    page: Exposition, monitors: Iterable[Any], jobs: Mapping[str, Any], hosts: Mapping[str, _Host], now: datetime
) -> None:
    rows = {_instance(row, hosts): row for row in monitors}
    scheduled = {job.job_id: slots.scheduled(job) for job in jobs.values() if slots.is_on(job)}
    gauges: tuple[tuple[str, str, dict[str, float | None]], ...] = (
        (
            "crontopus_job_last_run_timestamp_seconds",
            "When the last run began, or was due if it was missed.",
            {key: _epoch(row.last_run_at) for key, row in rows.items()},
        ),
        (
            "crontopus_job_last_success_timestamp_seconds",
            "When the last successful run ended.",
            {key: _epoch(row.last_success_at) for key, row in rows.items()},
        ),
        (
            "crontopus_job_next_run_timestamp_seconds",
            "When the next run is due.",
            {key: _next_run(row, scheduled, hosts, now) for key, row in rows.items()},
        ),
        (
            "crontopus_job_last_duration_seconds",
            "How long the last ended run took.",
            {key: row.duration_s for key, row in rows.items()},
        ),
        (
            "crontopus_job_last_exit_code",
            "The exit code of the last ended run.",
            {key: row.exit_code for key, row in rows.items()},
        ),
        (
            "crontopus_run_start_delay_seconds",
            "How long after its slot the last ended run began.",
            {key: _delay(row) for key, row in rows.items()},
        ),
    )
    _add_states(page, {key: row.state for key, row in rows.items()})
    for name, text, samples in gauges:
        page.gauge(name, text, {key: value for key, value in samples.items() if value is not None})


def _add_states(page: Exposition, states: Mapping[str, str]) -> None:
    ends = {state: f",{labels(state=state)}" for state in STATES}
    page.gauge(
        "crontopus_monitor_state",
        "1 for the state of the job on this endpoint, 0 for the others.",
        {f"{key}{end}": int(state == now) for key, now in states.items() for state, end in ends.items()},
    )


def _instance(row: Any, hosts: Mapping[str, _Host]) -> str:
    """The labels of a monitor. A job without an agent has an empty endpoint."""
    host = hosts.get(row.source_id)
    return labels(namespace=row.namespace, job_name=row.job_name, endpoint=host.label if host else "")


def _epoch(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _delay(row: Any) -> float | None:
    if row.slot is None or row.started_at is None:
        return None
    return max(0.0, (row.started_at - row.slot).total_seconds())


def _next_run(
    row: Any, scheduled: Mapping[str, slots.ScheduledJob], hosts: Mapping[str, _Host], now: datetime
) -> float | None:
    job, host = scheduled.get(row.job_id), hosts.get(row.source_id)
    if job is None:
        return None
    found = slots.next_slots(job, [host.clock if host else slots.NOWHERE], now, 1)
    return found[0].timestamp() if found else None


def _add_counts(page: Exposition, monitors: Iterable[Any], names: set[tuple[str, str]]) -> None:
    """Counts of the existing jobs, over all endpoints, also those that a job has left: so they do not go down."""
    counts: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in monitors:
        if (row.namespace, row.job_name) in names:
            counts[labels(namespace=row.namespace, job_name=row.job_name)].append(row.counts)
    page.counter(
        "crontopus_runs_total",
        "Attempts of runs that ended, and slots that were missed, by outcome.",
        {
            f"{key},{labels(outcome=outcome)}": sum(each.get(outcome, 0) for each in all_counts)
            for key, all_counts in counts.items()
            for outcome in OUTCOMES
        },
    )
    page.histogram(
        "crontopus_run_duration_seconds",
        "How long attempts took that succeeded, failed or timed out.",
        LIMITS_S,
        {key: _durations(all_counts) for key, all_counts in counts.items()},
    )


def _durations(counts: Iterable[Mapping[str, Any]]) -> tuple[list[int], float]:
    timed = [each for each in counts if "buckets" in each]
    buckets = [sum(column) for column in zip([0] * (len(LIMITS_S) + 1), *(each["buckets"] for each in timed))]
    return buckets, sum(each["seconds"] for each in timed)


def _add_jobs(page: Exposition, jobs: Iterable[Any]) -> None:
    jobs = list(jobs)
    valid = {labels(namespace=job.namespace, job_name=job.name): job for job in jobs if job.valid}
    infos = {
        f"{key},{labels(schedule='; '.join(job.schedule), timezone=job.timezone or '', commit=job.commit_sha)}": 1
        for key, job in valid.items()
    }
    page.gauge("crontopus_job_info", "A job of the repository.", infos)
    page.gauge(
        "crontopus_job_enabled",
        "1 if the job is scheduled, 0 if it is paused or disabled.",
        {key: int(slots.is_on(job)) for key, job in valid.items()},
    )
    page.gauge(
        "crontopus_invalid_manifests", "Files of the repository that are no valid jobs.", {"": len(jobs) - len(valid)}
    )


def _add_hosts(page: Exposition, hosts: Iterable[_Host]) -> None:
    rows = {labels(endpoint=host.label): host.row for host in hosts}
    seen = {key: row.last_seen_at.timestamp() for key, row in rows.items() if row.last_seen_at is not None}
    page.gauge("crontopus_endpoint_last_seen_timestamp_seconds", "When the endpoint last called.", seen)
    for standing, name, text in (
        ("drift", "crontopus_endpoint_drift_lines", "Managed crontab lines that were changed by others."),
        ("foreign", "crontopus_endpoint_unmonitored_lines", "Crontab lines of jobs that are not monitored."),
    ):
        counts = {key: sum(line["standing"] == standing for line in row.crontab) for key, row in rows.items()}
        page.gauge(name, text, counts)
    page.gauge(
        "crontopus_endpoint_spool_checkins",
        "Check-ins that waited on the endpoint at its last call.",
        {key: row.spool for key, row in rows.items()},
    )
    page.gauge(
        "crontopus_endpoint_agent_info",
        "The version of the endpoint's agent.",
        {f"{key},{labels(version=row.agent_version)}": 1 for key, row in rows.items()},
    )


def _add_incidents(page: Exposition, session: Session, actor: Actor) -> None:
    still_open = col(Incident.tenant_id) == actor.tenant_id, col(Incident.closed_at).is_(None)
    query = select(col(Incident.severity), func.count()).where(*still_open).group_by(col(Incident.severity))
    samples = {labels(severity=severity): 0 for severity in SEVERITIES}
    samples |= {labels(severity=severity): count for severity, count in session.execute(query)}
    page.gauge("crontopus_incidents_open", "Incidents that are open.", samples)
