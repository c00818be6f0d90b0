"""The state machine of monitors. Pure, and the only one.

A monitor's ``health`` follows from its runs alone: from the latest that has ended or was missed. Its ``state`` equals
the health, unless the job is paused or its monitor retired. So pausing and resuming does not change the health. While
a run takes too long, the state is late or stuck if that is worse than the health; the evaluator begins and ends this.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

# Other statuses (running, skipped) do not change the health.
HEALTH = {"success": "ok", "failed": "failing", "timeout": "failing", "lost": "failing", "missed": "missed"}
RESTING = frozenset({"paused", "retired"})
# States of a monitor with a run that takes too long.
OVERDUE = frozenset({"late", "stuck"})
WORST_FIRST = ("failing", "invalid", "stuck", "missed", "late", "unknown", "waiting", "ok", "paused")


@dataclass(frozen=True)
class MonitorState:
    """The columns of a monitor that events change.

    ``health_run_id`` and ``health_at``: the run that decided the health. A later one may run or have been skipped.
    """

    state: str = "waiting"
    health: str = "waiting"
    health_run_id: str | None = None
    health_at: datetime | None = None
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


@dataclass(frozen=True)
class RunsExamined:
    """How overdue the running runs are: stuck, late, or not at all (empty)."""

    overdue: str = ""


Event = RunChanged | JobPresent | JobRemoved | RunsExamined


def after(monitor: MonitorState, event: Event) -> MonitorState:
    """The monitor after ``event``."""
    if isinstance(event, JobRemoved):
        return replace(monitor, state="retired")
    if isinstance(event, JobPresent):
        return replace(monitor, state="paused" if event.resting else _shown(monitor.health, monitor.state))
    if isinstance(event, RunsExamined):
        state = monitor.state if monitor.state in RESTING else _shown(monitor.health, event.overdue)
        return replace(monitor, state=state)
    return _decided(_ran(monitor, event), event)


def _ran(monitor: MonitorState, run: RunChanged) -> MonitorState:
    if not _is_latest(run, monitor.last_run_id, monitor.last_run_at):
        return monitor
    return replace(monitor, last_run_id=run.run_id, last_run_status=run.status, last_run_at=run.at)


def _decided(monitor: MonitorState, run: RunChanged) -> MonitorState:
    if run.status not in HEALTH or not _is_latest(run, monitor.health_run_id, monitor.health_at):
        return monitor
    health = HEALTH[run.status]
    return replace(
        monitor, state=_standing(monitor.state, health), health=health, health_run_id=run.run_id, health_at=run.at
    )


def _standing(state: str, health: str) -> str:
    """The state with a new health: the same while the job rests."""
    return state if state in RESTING else _shown(health, state)


def _shown(health: str, state: str) -> str:
    """The health, or the ``state`` of runs that take too long if it is worse."""
    return worst((health, state)) if state in OVERDUE else health


def _is_latest(run: RunChanged, run_id: str | None, at: datetime | None) -> bool:
    """Whether the run is the one with this id, or started after it."""
    return run.run_id == run_id or at is None or at <= run.at


def without(monitor: MonitorState, run_id: str, others: Iterable[RunChanged]) -> MonitorState:
    """The monitor as if the run had never been. ``others``: the latest of its other runs that decide the health."""
    if run_id not in (monitor.health_run_id, monitor.last_run_id):
        return monitor
    if monitor.last_run_id == run_id:
        monitor = replace(monitor, last_run_id=None, last_run_status=None, last_run_at=None)
    if monitor.health_run_id == run_id:
        monitor = replace(
            monitor, state=_standing(monitor.state, "waiting"), health="waiting", health_run_id=None, health_at=None
        )
    for run in sorted(others, key=lambda each: each.at):
        monitor = after(monitor, run)
    return monitor


def badness(state: str) -> int:
    """The rank of a state of a monitor or job: 0 is the worst."""
    return WORST_FIRST.index(state if state in WORST_FIRST else "unknown")


def worst(states: Iterable[str]) -> str:
    return min(states, key=badness)
