"""Where a monitor stands: what each event makes of it. Pure, and the only state machine.

Its ``health`` is what the last run that says anything said; its ``state`` is the same, unless the job rests or is gone.
So resting loses nothing: whatever came before, between and after it, the health is what the runs alone would make it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

# What is not here, a run that still runs or one that was skipped, says nothing of the job's health.
HEALTH = {"success": "ok", "failed": "failing", "timeout": "failing", "lost": "failing"}
RESTING = frozenset({"paused", "retired"})
WORST_FIRST = ("failing", "invalid", "stuck", "missed", "late", "unknown", "waiting", "ok", "paused")


@dataclass(frozen=True)
class Standing:
    """A monitor, as far as events change it."""

    state: str = "waiting"
    health: str = "waiting"
    last_run_id: str | None = None
    last_run_status: str | None = None
    last_run_at: datetime | None = None


@dataclass(frozen=True)
class Ran:
    """A run is as this says; ``at`` is what it is ordered by among the others."""

    run_id: str
    status: str
    at: datetime


@dataclass(frozen=True)
class Wanted:
    """The job is in the repository and its source is there; one that is paused or disabled is ``resting``."""

    resting: bool = False


@dataclass(frozen=True)
class Gone:
    """The job or its source is not there any more."""


Event = Ran | Wanted | Gone


def after(standing: Standing, event: Event) -> Standing:
    """The monitor after ``event``."""
    if isinstance(event, Gone):
        return replace(standing, state="retired")
    if isinstance(event, Wanted):
        return replace(standing, state="paused" if event.resting else standing.health)
    return _ran(standing, event) if _is_latest(standing, event) else standing


def _is_latest(standing: Standing, run: Ran) -> bool:
    """A monitor follows the run that began last, whatever becomes of it."""
    return run.run_id == standing.last_run_id or standing.last_run_at is None or standing.last_run_at <= run.at


def _ran(standing: Standing, run: Ran) -> Standing:
    health = HEALTH.get(run.status, standing.health)
    state = standing.state if standing.state in RESTING else health
    return Standing(state, health, run.run_id, run.status, run.at)


def badness(state: str) -> int:
    """The place of a monitor's or a job's state among all, the worst first."""
    return WORST_FIRST.index(state if state in WORST_FIRST else "unknown")


def worst(states: Iterable[str]) -> str:
    return min(states, key=badness)
