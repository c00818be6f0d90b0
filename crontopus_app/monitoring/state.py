"""The state machine of monitors. Pure, and the only one.

A monitor's ``health`` follows from its runs alone. Its ``state`` equals the health, unless the job is paused or its
monitor retired. So pausing and resuming does not change the health.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

# Other statuses (running, skipped) do not change the health.
HEALTH = {"success": "ok", "failed": "failing", "timeout": "failing", "lost": "failing", "missed": "missed"}
RESTING = frozenset({"paused", "retired"})
WORST_FIRST = ("failing", "invalid", "stuck", "missed", "late", "unknown", "waiting", "ok", "paused")


@dataclass(frozen=True)
class MonitorState:
    """The columns of a monitor that events change."""

    state: str = "waiting"
    health: str = "waiting"
    last_run_id: str | None = None
    last_run_status: str | None = None
    last_run_at: datetime | None = None


@dataclass(frozen=True)
class RunChanged:
    """A run is new or has changed. ``at`` orders it among the other runs."""

    run_id: str
    status: str
    at: datetime


@dataclass(frozen=True)
class JobPresent:
    """The job and its source exist. A paused or disabled job is ``resting``."""

    resting: bool = False


@dataclass(frozen=True)
class JobRemoved:
    """The job or its source no longer exists."""


Event = RunChanged | JobPresent | JobRemoved


def after(monitor: MonitorState, event: Event) -> MonitorState:
    """The monitor after ``event``."""
    if isinstance(event, JobRemoved):
        return replace(monitor, state="retired")
    if isinstance(event, JobPresent):
        return replace(monitor, state="paused" if event.resting else monitor.health)
    return _ran(monitor, event) if _is_latest(monitor, event) else monitor


def _is_latest(monitor: MonitorState, run: RunChanged) -> bool:
    """Whether the run is the monitor's last run, or started after it."""
    return run.run_id == monitor.last_run_id or monitor.last_run_at is None or monitor.last_run_at <= run.at


def _ran(monitor: MonitorState, run: RunChanged) -> MonitorState:
    health = HEALTH.get(run.status, monitor.health)
    state = monitor.state if monitor.state in RESTING else health
    return MonitorState(state, health, run.run_id, run.status, run.at)


def badness(state: str) -> int:
    """The rank of a state of a monitor or job: 0 is the worst."""
    return WORST_FIRST.index(state if state in WORST_FIRST else "unknown")


def worst(states: Iterable[str]) -> str:
    return min(states, key=badness)
