"""Applies check-ins to a run. Pure, and independent of order and repeats.

Any sequence of a run's check-ins, in any order and with repeats, gives the same run as the ordered sequence without
repeats. A property test verifies this.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contract.wire import Checkin

FINISHES = {"success": "success", "fail": "failed", "skipped": "skipped"}
LATE_REPORT = timedelta(minutes=2)
# Among two finishes of one attempt at the same instant, the worse one counts, so that no failure is hidden.
# A lost run has no finish, so any finish that still comes replaces it.
BADNESS = {"running": 0, "lost": 0, "skipped": 1, "success": 2, "failed": 3, "timeout": 4}


@dataclass(frozen=True)
class RunFacts:
    """The columns of a run that check-ins determine."""

    status: str = "running"
    flags: frozenset[str] = frozenset()
    slot: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_s: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    attempt: int = 1
    commit: str = ""
    error: str = ""


def fold(facts: RunFacts | None, checkin: Checkin, received_at: datetime) -> RunFacts:
    """The run after ``checkin``, received at ``received_at``."""
    run = facts or RunFacts(attempt=checkin.attempt)
    run = replace(
        run,
        flags=run.flags | frozenset(checkin.flags),
        slot=_earliest(run.slot, checkin.slot),
        started_at=_earliest(run.started_at, _start_of(checkin)),
        commit=max(run.commit, checkin.commit),
    )
    if checkin.kind in FINISHES:
        return _finish(run, checkin, received_at)
    if checkin.attempt > run.attempt:
        return _running_again(run, checkin.attempt)
    return run


def _finish(run: RunFacts, checkin: Checkin, received_at: datetime) -> RunFacts:
    status = "timeout" if checkin.timed_out else FINISHES[checkin.kind]
    finished = replace(
        run,
        status=status,
        attempt=checkin.attempt,
        finished_at=checkin.at,
        duration_s=checkin.duration_s,
        exit_code=checkin.exit_code,
        signal=checkin.signal,
        error=checkin.error,
    )
    if received_at - checkin.at > LATE_REPORT:
        run = replace(run, flags=run.flags | {"reported_late"})
        finished = replace(finished, flags=run.flags)
    return finished if _order(finished) > _order(run) else run


def _order(facts: RunFacts) -> tuple[int, bool, float, int, float, int, int, str]:
    """A total order of finishes: by attempt, then by time, then by badness."""
    at = facts.finished_at.timestamp() if facts.finished_at else 0.0
    return (
        facts.attempt,
        facts.finished_at is not None,
        at,
        BADNESS[facts.status],
        facts.duration_s or 0.0,
        facts.exit_code or 0,
        facts.signal or 0,
        facts.error,
    )


def _running_again(run: RunFacts, attempt: int) -> RunFacts:
    return replace(
        run,
        status="running",
        attempt=attempt,
        finished_at=None,
        duration_s=None,
        exit_code=None,
        signal=None,
        error="",
    )


def _start_of(checkin: Checkin) -> datetime | None:
    return checkin.started_at or (checkin.at if checkin.kind == "start" else None)


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at is not None), default=None)
