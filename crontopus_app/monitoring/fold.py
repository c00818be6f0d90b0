"""How a check-in changes a run. Pure, and indifferent to order and repeats.

Any sequence of check-ins of one run, in any order and with repeats, leads to the same run as the ordered sequence
without repeats: a property test shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contract.wire import Checkin

FINISHES = {"success": "success", "fail": "failed", "skipped": "skipped"}
LATE_REPORT = timedelta(minutes=2)
# Two finishes of one attempt at the same instant: the worse one stands, so that nothing bad is hidden.
BADNESS = {"running": 0, "skipped": 1, "success": 2, "failed": 3, "timeout": 4}


@dataclass(frozen=True)
class RunFacts:
    """What is known of one run."""

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
    """The run after ``checkin``, which arrived at ``received_at``."""
    known = facts or RunFacts(attempt=checkin.attempt)
    known = replace(
        known,
        flags=known.flags | frozenset(checkin.flags),
        slot=_earliest(known.slot, checkin.slot),
        started_at=_earliest(known.started_at, _start_of(checkin)),
        commit=max(known.commit, checkin.commit),
    )
    if checkin.kind in FINISHES:
        return _finish(known, checkin, received_at)
    if checkin.attempt > known.attempt:
        return _running_again(known, checkin.attempt)
    return known


def _finish(known: RunFacts, checkin: Checkin, received_at: datetime) -> RunFacts:
    status = "timeout" if checkin.timed_out else FINISHES[checkin.kind]
    told = replace(
        known,
        status=status,
        attempt=checkin.attempt,
        finished_at=checkin.at,
        duration_s=checkin.duration_s,
        exit_code=checkin.exit_code,
        signal=checkin.signal,
        error=checkin.error,
    )
    if received_at - checkin.at > LATE_REPORT:
        known = replace(known, flags=known.flags | {"reported_late"})
        told = replace(told, flags=known.flags)
    return told if _order(told) > _order(known) else known


def _order(facts: RunFacts) -> tuple[int, bool, float, int, float, int, int, str]:
    """A total order of endings: later attempts, then later ends, then worse ones."""
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


def _running_again(known: RunFacts, attempt: int) -> RunFacts:
    return replace(
        known,
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
