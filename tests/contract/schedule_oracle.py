"""Slow, simple computations of slots, to compare with in property tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

MINUTE = timedelta(minutes=1)

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # changes by half an hour
    "Asia/Kathmandu",  # 45 minutes
    "America/Havana",  # changes at midnight
    "Africa/Casablanca",  # two changes a month apart
    "America/St_Johns",
    "Pacific/Chatham",  # 45 minutes, and a change
    "Antarctica/Troll",  # changes by two hours
)


def minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += MINUTE


def follows_the_wall_clock(
    fields: tuple[set[int], set[int]], zone: str, start: datetime, end: datetime
) -> list[datetime]:
    """Compares the wall clock in every minute, as BusyBox does. Only for daily schedules: (minutes, hours)."""
    local = ((moment, moment.astimezone(ZoneInfo(zone))) for moment in minutes(start, end))
    return [moment for moment, wall in local if wall.minute in fields[0] and wall.hour in fields[1]]


def made_up_for(fields: tuple[set[int], set[int]], zone: str, start: datetime, end: datetime) -> list[datetime]:
    """Each wall-clock time once a day: at its first occurrence, or at the jump that skips it."""
    first = start.astimezone(ZoneInfo(zone)).replace(tzinfo=None) - timedelta(days=1)
    last = end.astimezone(ZoneInfo(zone)).replace(tzinfo=None) + timedelta(days=1)
    matching = (wall for wall in minutes(first, last) if wall.minute in fields[0] and wall.hour in fields[1])
    return sorted({moment for wall in matching if start <= (moment := _first_valid(wall, zone)) < end})


def _first_valid(wall: datetime, zone: str) -> datetime:
    """The instant of a wall-clock time; in a gap, the next existing minute."""
    while True:
        moment = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc)
        if moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall:
            return moment
        wall += MINUTE


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    ranges = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    term = st.one_of(
        number.map(str), ranges, st.tuples(ranges, st.integers(1, high)).map(lambda it: f"{it[0]}/{it[1]}")
    )
    starred = st.one_of(st.just("*"), st.integers(1, high).map(lambda step: f"*/{step}"))
    return st.one_of(starred, term, st.lists(term, min_size=2, max_size=4).map(",".join))


_days = st.one_of(st.just("*"), _field(1, 28))
_weekdays = st.one_of(st.just("*"), _field(0, 7))
expressions = st.tuples(_field(0, 59), _field(0, 23), _days, _field(1, 12), _weekdays).map(" ".join)
daily = st.tuples(_field(0, 59), _field(0, 23)).map(lambda fields: f"{fields[0]} {fields[1]} * * *")
zones = st.sampled_from(ZONES)
instants = st.datetimes(datetime(1996, 1, 1), datetime(2036, 1, 1)).map(  # noqa: DTZ001 - the zone is given next
    lambda moment: moment.replace(second=0, microsecond=0, tzinfo=timezone.utc)
)
