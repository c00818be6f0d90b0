"""Jobs that start together, and the minute of the same hour where there is more room."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from contract.schedule_forecast import Planned, forecast

_NEAR = 2  # minutes before and after that count where two minutes are equally quiet
_PLAIN = re.compile(r"(\d{1,2})(\s.*)", re.DOTALL)


@dataclass(frozen=True)
class Neighbours:
    """``keys`` are the other jobs due at ``at``; ``quieter`` is a moment of the same hour with the fewest, if fewer."""

    at: datetime
    keys: tuple[str, ...]
    quieter: datetime | None


def neighbours(others: Iterable[Planned], at: datetime, zone: str) -> Neighbours:
    """What the other jobs of a host do in the hour (by ``zone``'s clock) of the slot ``at``. Raises ``ScheduleError``.

    Of minutes with equally few starts the one with fewer around it is taken, then the one nearest to ``at``.
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
    best = min(range(60), key=lambda minute: (starts[minute], _around(starts, minute), abs(minute - own), minute))
    return Neighbours(at, keys, begin + timedelta(minutes=best) if starts[best] < starts[own] else None)


def _around(starts: Counter[int], minute: int) -> int:
    return sum(starts[near] for near in range(minute - _NEAR, minute + _NEAR + 1))


def at_minute(expression: str, minute: int) -> str | None:
    """The expression with another minute; None where its minute field is not one plain number."""
    found = _PLAIN.fullmatch(expression.strip())
    return f"{minute}{found[2]}" if found else None
