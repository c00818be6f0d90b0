"""Jobs that start at the same minute, and the quietest minute of that hour."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from contract.schedule_forecast import Planned, forecast

_NEAR = 2  # minutes before and after, which decide between two equally quiet minutes
_PLAIN = re.compile(r"(\d{1,2})(\s.*)", re.DOTALL)


@dataclass(frozen=True)
class Neighbours:
    """``keys``: the other jobs due at ``at``. ``quieter``: the quietest moment of that hour, None if ``at`` is it."""

    at: datetime
    keys: tuple[str, ...]
    quieter: datetime | None


def neighbours(others: Iterable[Planned], at: datetime, zone: str) -> Neighbours:
    """The other jobs of a host that start with the slot ``at``, and the quietest minute of that hour of ``zone``.

    Between equally quiet minutes, the one with fewer starts around it wins, then the one nearest to ``at``.
    Raises ``ScheduleError``.
    """
    at = at.replace(second=0, microsecond=0)
    begin = at - timedelta(minutes=at.astimezone(ZoneInfo(zone)).minute)
    keys: tuple[str, ...] = ()
    starts: Counter[int] = Counter()
    for due in forecast(others, begin - timedelta(minutes=_NEAR), begin + timedelta(minutes=60 + _NEAR)):
        minute = round((due.at - begin).total_seconds()) // 60
        starts[minute] += len(due.keys)
        if due.at <= at < due.at + timedelta(minutes=1):
            keys += due.keys
    own = round((at - begin).total_seconds()) // 60
    best = min(range(60), key=lambda minute: (starts[minute], _starts_near(starts, minute), abs(minute - own), minute))
    return Neighbours(at, keys, begin + timedelta(minutes=best) if starts[best] < starts[own] else None)


def _starts_near(starts: Counter[int], minute: int) -> int:
    return sum(starts[near] for near in range(minute - _NEAR, minute + _NEAR + 1))


def at_minute(expression: str, minute: int) -> str | None:
    """The expression with another minute; None if its minute field is not a single number."""
    match = _PLAIN.fullmatch(expression.strip())
    return f"{minute}{match[2]}" if match else None
