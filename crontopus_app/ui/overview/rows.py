"""What the Overview shows, made of what the services say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from contract import schedule, wire
from crontopus_app.services.overview import Overview
from crontopus_app.ui.kit import charts, words

LANES = 30
NEED = ("failed", "missed", "late", "running", "unknown", "ok", "paused")


@dataclass(frozen=True)
class Tiles:
    healthy: int = 0
    running: int = 0
    failing: int = 0
    missed: int = 0
    waiting: int = 0
    silent: int = 0
    in_sync: str = "0 / 0"
    in_sync_share: str = "0%"
    endpoints: int = 0


@dataclass(frozen=True)
class Trouble:
    job: str
    href: str
    host: str
    said: str
    since: str
    run: str


@dataclass(frozen=True)
class ChangeRow:
    author: str
    initials: str
    what: str
    href: str
    commit: str
    at: str
    state: str
    arrived: str
    error: str


def tiles(seen: Overview) -> Tiles:
    """The figures on top."""
    states = seen.states
    share = round(100 * seen.endpoints_in_sync / seen.endpoints) if seen.endpoints else 0
    return Tiles(
        healthy=states.get("ok", 0),
        running=len(seen.running),
        failing=states.get("failing", 0),
        missed=states.get("missed", 0) + states.get("late", 0),
        waiting=states.get("waiting", 0),
        silent=seen.endpoints_silent,
        in_sync=f"{seen.endpoints_in_sync} / {seen.endpoints}",
        in_sync_share=f"{share}%",
        endpoints=seen.endpoints,
    )


def trouble(one: wire.InstanceStatus) -> Trouble:
    return Trouble(
        job=one.job_name,
        href=f"/jobs/{one.namespace}/{one.job_name}",
        host=one.endpoint_name,
        said=one.last_run_status or one.state,
        since=words.iso(one.last_run_at),
        run=f"/runs/{one.last_run_id}" if one.last_run_id else "",
    )


def change_row(change: wire.ChangeStatus) -> ChangeRow:
    arrived = {"pending": "on its way", "failed": "failed"}.get(change.state, "committed")
    if change.state == "done" and change.expected:
        arrived = f"on {change.applied} of {change.expected}"
    doing = {"create": "created", "update": "changed", "edit": "changed", "delete": "deleted"}
    return ChangeRow(
        author=change.author,
        initials=change.author[:2],
        what=f"{change.path.removesuffix('.yaml')} {doing.get(change.operation, change.operation)}",
        href=f"/jobs/{change.path.removesuffix('.yaml')}",
        commit=(change.commit or "")[:7],
        at=words.iso(change.created_at),
        state=words.CHANGE_STATES.get(change.state, "unknown"),
        arrived=arrived,
        error=change.error or "",
    )


def slots(job: wire.JobSummary, now: datetime) -> list[datetime]:
    """The job's slots of the next twelve hours; none where it is paused, invalid, or waits for its host's minute."""
    if not job.valid or job.paused or not job.enabled or not job.schedule:
        return []
    try:
        end = now + timedelta(hours=12)
        return list(schedule.slots(job.schedule, job.timezone or "UTC", "debian", now, end))
    except (schedule.ScheduleError, ValueError, KeyError):
        return []


def lanes(jobs: Iterable[wire.JobSummary], runs: Sequence[wire.Run], now: datetime) -> list[charts.Lane]:
    """At most thirty lanes, those that need attention first."""
    of_job: dict[str, list[wire.Run]] = defaultdict(list)
    for run in runs:
        of_job[run.job_id].append(run)
    ordered = sorted(jobs, key=lambda job: (NEED.index(_state(job, of_job[job.id])), job.namespace, job.name))
    return [charts.lane(job, of_job[job.id], slots(job, now), now) for job in ordered[:LANES]]


def _state(job: wire.JobSummary, runs: Sequence[wire.Run]) -> str:
    state = words.job_state(job.state)
    return "running" if state == "ok" and any(run.status == "running" for run in runs) else state
