"""Recurring windows of time, in the shape of Alertmanager's time intervals. Pure.

An interval holds if each of its fields that is given has a range that holds. Ranges include both ends, except times of
day, which end before their ``end_time``. Source: Prometheus, "Alertmanager configuration", ``time_interval``.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = tuple(name.lower() for name in calendar.month_name[1:])
# The end of a window is looked for up to this far; it is the end of a window without one.
AHEAD = timedelta(days=2)

Range = tuple[int, int]


@dataclass(frozen=True)
class DayTime:
    """From ``start`` to before ``end``, in minutes of the day; 1440 is the end of the day."""

    start: int
    end: int


@dataclass(frozen=True)
class TimeInterval:
    """Weekdays count from 0 (Monday), days of a month from 1, or from -1 backwards from its end."""

    times: tuple[DayTime, ...] = ()
    weekdays: tuple[Range, ...] = ()
    days_of_month: tuple[Range, ...] = ()
    months: tuple[Range, ...] = ()
    years: tuple[Range, ...] = ()
    location: str = "UTC"

    def holds(self, now: datetime) -> bool:
        local = now.astimezone(ZoneInfo(self.location))
        minute = local.hour * 60 + local.minute
        return (
            (not self.times or any(each.start <= minute < each.end for each in self.times))
            and _within(self.weekdays, local.weekday())
            and self._in_month(local)
            and _within(self.months, local.month)
            and _within(self.years, local.year)
        )

    def _in_month(self, local: datetime) -> bool:
        from_end = calendar.monthrange(local.year, local.month)[1] + 1
        ranges = [tuple(day + from_end if day < 0 else day for day in each) for each in self.days_of_month]
        return not ranges or any(first <= local.day <= last for first, last in ranges)

    def edges(self, now: datetime) -> Iterator[datetime]:
        """The moments up to ``AHEAD`` at which it can begin or end."""
        zone = ZoneInfo(self.location)
        minutes = {0, *(edge for each in self.times for edge in (each.start, each.end))} - {24 * 60}
        today = now.astimezone(zone).date()
        for day in range(AHEAD.days + 2):
            for minute in minutes:
                local = datetime.combine(today + timedelta(days=day), time(minute // 60, minute % 60), zone)
                yield from (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))


def in_words(interval: TimeInterval) -> str:
    """As "sunday 02:00-04:00 Europe/Berlin"."""
    parts = [
        _list(interval.weekdays, lambda day: WEEKDAYS[day]),
        _list(interval.days_of_month, lambda day: f"{day}.", "day "),
        _list(interval.months, lambda month: MONTHS[month - 1]),
        _list(interval.years, str),
        ", ".join(f"{_clock(each.start)}-{_clock(each.end)}" for each in interval.times),
        interval.location,
    ]
    return " ".join(part for part in parts if part)


def _list(ranges: Sequence[Range], name: Callable[[int], str], prefix: str = "") -> str:
    words = [name(first) if first == last else f"{name(first)} to {name(last)}" for first, last in ranges]
    return prefix + ", ".join(words) if words else ""


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def holds(intervals: Sequence[TimeInterval], now: datetime) -> bool:
    """Whether one of them holds."""
    return any(interval.holds(now) for interval in intervals)


def changes_at(intervals: Sequence[TimeInterval], now: datetime) -> datetime:
    """When they begin or stop to hold, at most ``AHEAD`` from now."""
    held = holds(intervals, now)
    edges = {edge for interval in intervals for edge in interval.edges(now) if now < edge < now + AHEAD}
    return next((edge for edge in sorted(edges) if holds(intervals, edge) != held), now + AHEAD)


def _within(ranges: Sequence[Range], value: int) -> bool:
    """Whether a range has the value. Ranges of weekdays and months may go round, as friday:monday."""
    return not ranges or any(
        first <= value <= last if first <= last else value >= first or value <= last for first, last in ranges
    )


def parse_time(text: str) -> int:
    """Minutes of the day. Raises ``ValueError``."""
    hour, colon, minute = text.partition(":")
    if not (colon and len(hour) == len(minute) == 2 and hour.isdigit() and minute.isdigit()):
        raise ValueError("is not HH:MM")
    minutes = int(hour) * 60 + int(minute)
    if int(minute) > 59 or minutes > 24 * 60:
        raise ValueError("is not a time of day from 00:00 to 24:00")
    return minutes


def parse_weekdays(text: str) -> Range:
    """As `saturday`, or `monday:friday`. Raises ``ValueError``."""
    return _named(text, WEEKDAYS, 0, "is not a weekday such as saturday, or a range such as monday:friday")


def parse_months(text: str) -> Range:
    """As `december`, `12`, or `june:august`. Raises ``ValueError``."""
    words = "is not a month such as december or 12, or a range such as june:august"
    if all(part.isdigit() for part in text.split(":")):
        return _numbers(text, 1, 12, words, ordered=False)
    return _named(text, MONTHS, 1, words)


def parse_days(text: str) -> Range:
    """As `1`, `1:5` or `-3:-1`. Raises ``ValueError``."""
    words = "is not a day from 1 to 31 or -31 to -1, or a range such as 1:5 or -3:-1"
    first, last = _numbers(text, -31, 31, words, ordered=False)
    if 0 in (first, last) or ((first < 0) == (last < 0) and first > last) or first < 0 < last:
        raise ValueError(words)
    return first, last


def parse_years(text: str) -> Range:
    """As `2027` or `2027:2029`. Raises ``ValueError``."""
    return _numbers(text, 1970, 9999, "is not a year, or a range such as 2027:2029")


def _named(text: str, names: Sequence[str], first: int, words: str) -> Range:
    begin, _, end = text.lower().partition(":")
    if begin not in names or (end or begin) not in names:
        raise ValueError(words)
    return names.index(begin) + first, names.index(end or begin) + first


def _numbers(text: str, least: int, most: int, words: str, *, ordered: bool = True) -> Range:
    begin, _, end = text.partition(":")
    try:
        first, last = int(begin), int(end or begin)
    except ValueError:
        raise ValueError(words) from None
    if not (least <= first <= most and least <= last <= most) or (ordered and first > last):
        raise ValueError(words)
    return first, last
