"""The time limits of a job's runs, from its manifest. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from contract.manifest_types import CheckinSpec, Retry
from contract.manifest_values import parse_duration

# A run has this long to report its end after it was killed.
REPORTING = timedelta(minutes=1)


@dataclass(frozen=True)
class Limits:
    """Columns of a monitor: the start grace, and the longest time of a run with its retries; None: not limited.

    ``finish_by``: the time of day (``06:00``) by which the run of a slot must have ended; empty: not limited.
    """

    grace_s: float | None = None
    run_limit_s: float | None = None
    finish_by: str = ""


def limits(manifest: Mapping[str, Any] | None) -> Limits:
    """The limits of a valid manifest as the index stores it: fields that differ from their defaults."""
    checkin = (manifest or {}).get("checkin") or {}
    grace, most = (_seconds(checkin.get(name)) for name in ("startGrace", "maxRuntime"))
    finish_by = str(checkin.get("finishBy") or "")
    if most is None:
        return Limits(grace, None, finish_by)
    kill = _seconds(checkin.get("killGrace"))
    attempt = most + (CheckinSpec.kill_grace.total_seconds() if kill is None else kill)
    longest = _with_retries(attempt, (manifest or {}).get("retry") or {}) + REPORTING.total_seconds()
    return Limits(grace, longest, finish_by)


def _with_retries(attempt_s: float, retry: Mapping[str, Any]) -> float:
    """The seconds of all attempts and of the delays between them, as the runner makes them."""
    attempts, given = int(retry.get("attempts", Retry.attempts)), _seconds(retry.get("delay"))
    delay = Retry.delay.total_seconds() if given is None else given
    doubles = retry.get("backoff") == "exponential"
    delays = sum(delay * (2**number if doubles else 1) for number in range(attempts))
    return attempt_s * (1 + attempts) + delays


def _seconds(duration: Any) -> float | None:
    return None if duration is None else parse_duration(str(duration)).total_seconds()
