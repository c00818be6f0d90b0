"""The clock changes of a time zone and the stretches of constant offset between them, in epoch seconds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from contract.dialect import ScheduleError

DAY = 86400


class ClockChange(NamedTuple):
    """At ``at`` the offset goes from ``before`` to ``after`` seconds east of UTC: a rise is a gap, a fall is a fold."""

    at: int
    before: int
    after: int


class Stretch(NamedTuple):
    """``begin`` ≤ instant < ``end`` with one offset. ``change``: the clock change at ``begin``, or None."""

    begin: int
    end: int
    offset: int
    change: ClockChange | None


@lru_cache(maxsize=1024)
def load(name: str) -> ZoneInfo:
    """The IANA time zone of that name. Raises ``ScheduleError`` if there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ScheduleError(f'"{name}" is not an IANA time zone. Use a name such as Europe/Berlin.') from None


def offset_at(zone: str, instant: int) -> int:
    """Seconds east of UTC at an instant."""
    moment = datetime.fromtimestamp(instant, timezone.utc).astimezone(load(zone))
    delta = moment.utcoffset()
    return 0 if delta is None else round(delta.total_seconds())


@lru_cache(maxsize=8192)
def changes_of_year(zone: str, year: int) -> tuple[ClockChange, ...]:
    """Every clock change of a UTC year, in order, to the second. Changes must be at least a day apart."""
    begin = round(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp())
    end = round(datetime(year + 1, 1, 1, tzinfo=timezone.utc).timestamp())
    all_changes = []
    before = offset_at(zone, begin - 1)
    for day_end in range(begin + DAY - 1, end, DAY):
        after = offset_at(zone, day_end)
        if after != before:
            all_changes.append(_bisect(zone, day_end - DAY, day_end, before, after))
        before = after
    return tuple(all_changes)


def changes(zone: str, begin: int, end: int) -> Iterator[ClockChange]:
    """The clock changes at ``begin`` ≤ instant < ``end``."""
    for year in range(_year(begin), _year(end) + 1):
        yield from (change for change in changes_of_year(zone, year) if begin <= change.at < end)


def stretches(zone: str, begin: int, end: int) -> Iterator[Stretch]:
    """The stretches between ``begin`` and ``end``, lazily. The first may start at a change up to a day earlier."""
    at, change, offset = begin, None, None
    for upcoming in changes(zone, begin - DAY, end):
        if upcoming.at > begin:
            yield Stretch(at, upcoming.at, upcoming.before, change)
        at, change, offset = upcoming.at, upcoming, upcoming.after
    yield Stretch(at, end, offset_at(zone, begin) if offset is None else offset, change)


def _bisect(zone: str, low: int, high: int, before: int, after: int) -> ClockChange:
    while high - low > 1:
        middle = (low + high) // 2
        if offset_at(zone, middle) == before:
            low = middle
        else:
            high = middle
    return ClockChange(high, before, after)


def _year(instant: int) -> int:
    return datetime.fromtimestamp(instant, timezone.utc).year
