"""The slots of a schedule: when a host's scheduler runs it, clock changes included.

cronsim parses the fields and decides which days match. This module adds how each scheduler (policy) treats a clock
change; for Debian's cron the source is cron(8), "time changes of less than 3 hours".
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta, timezone
from itertools import groupby, islice

from cronsim import CronSim

from contract.dialect import Expressions, Schedule, ScheduleError, parse_all
from contract.schedule_zones import DAY, ClockChange, Stretch, stretches

POLICIES = ("debian", "busybox", "systemd", "windows")
_EPOCH = date(1970, 1, 1).toordinal()
_HORIZON = 50 * 366 * DAY  # as in cronsim: a schedule without a slot in 50 years has none
_CORRECTED_CLOCK = 3 * 3600  # cron(8): a larger jump is a corrected clock; cron does not catch up on skipped runs


def slots(schedule: Expressions, zone: str, policy: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """The slots in ``start`` ≤ slot < ``end``: aware UTC, ascending, each once. ``@reboot`` has none.

    Raises ``ScheduleError`` for an unknown expression, zone or policy, and for an ``H`` that is not resolved.
    """
    return map(_moment, epochs(schedule, zone, policy, _instant(start), _instant(end)))


def next_slots(expressions: Expressions, zone: str, policy: str, start: datetime, count: int) -> list[datetime]:
    """The next ``count`` slots after (not at) ``start``; fewer if the schedule has no more within 50 years."""
    begin = _instant(start + timedelta(seconds=1)) if start.microsecond == 0 else _instant(start)
    return [_moment(at) for at in islice(epochs(expressions, zone, policy, begin, begin + _HORIZON), count)]


def count(expressions: Expressions, zone: str, policy: str, start: datetime, end: datetime) -> int:
    """The number of slots in ``start`` ≤ slot < ``end``."""
    return sum(1 for _ in epochs(expressions, zone, policy, _instant(start), _instant(end)))


def is_slot(expressions: Expressions, zone: str, policy: str, instant: datetime) -> bool:
    """Whether a slot lies in the minute of ``instant``. The runner's gate asks this."""
    minute = _instant(instant.replace(second=0, microsecond=0))
    return any(True for _ in epochs(expressions, zone, policy, minute, minute + 60))


def epochs(expressions: Expressions, zone: str, policy: str, begin: int, end: int) -> Iterator[int]:
    """``slots`` in epoch seconds, which is faster for many slots."""
    if policy not in POLICIES:
        raise ScheduleError(f'"{policy}" is not a scheduler policy. Use {", ".join(POLICIES)}.')
    schedules = [schedule for schedule in parse_all(expressions) if not schedule.on_boot]
    for schedule in schedules:
        if schedule.hashed:
            raise ScheduleError(f'"{schedule.expression}" has H, whose time differs per host. Resolve it for a host.')
    streams = [_epochs_of(schedule, zone, policy, begin, end) for schedule in schedules]
    return streams[0] if len(streams) == 1 else _distinct(heapq.merge(*streams))


def walls(schedule: Schedule, policy: str, low: int, high: int) -> Iterator[int]:
    """The wall-clock times in ``low`` ≤ wall < ``high`` that match, in epoch seconds as if the wall clock were UTC."""
    for day in matching_days(schedule, policy, low // DAY, -(-high // DAY)):
        midnight = day * DAY
        first = bisect_left(schedule.times, low - midnight)
        last = bisect_left(schedule.times, high - midnight)
        for seconds in schedule.times[first:last]:
            yield midnight + seconds


def _epochs_of(schedule: Schedule, zone: str, policy: str, begin: int, end: int) -> Iterator[int]:
    for stretch in stretches(zone, begin, end):
        first = max(stretch.begin, begin)
        if stretch.change is not None and _runs_once(schedule, policy, stretch.change):
            yield from _once_over_change(schedule, policy, stretch, stretch.change, first)
        else:
            yield from _by_wall_clock(schedule, policy, stretch, first + stretch.offset)


def _runs_once(schedule: Schedule, policy: str, change: ClockChange) -> bool:
    """Whether this scheduler runs the job once over the clock change, instead of following the wall clock."""
    if policy == "busybox" or schedule.follows:
        return False
    return policy != "debian" or abs(change.after - change.before) < _CORRECTED_CLOCK


def _once_over_change(
    schedule: Schedule, policy: str, stretch: Stretch, change: ClockChange, first: int
) -> Iterator[int]:
    """After a gap: one run at the jump for all skipped times. After a fold: no second run of a repeated time."""
    old_wall, new_wall = change.at + change.before, change.at + change.after
    first_wall = max(first + stretch.offset, old_wall)
    if old_wall < new_wall:
        first_wall = first + stretch.offset
        if first == change.at and any(True for _ in walls(schedule, policy, old_wall, new_wall)):
            yield change.at
            first_wall += 1
    yield from _by_wall_clock(schedule, policy, stretch, first_wall)


def _by_wall_clock(schedule: Schedule, policy: str, stretch: Stretch, first_wall: int) -> Iterator[int]:
    for wall in walls(schedule, policy, first_wall, stretch.end + stretch.offset):
        yield wall - stretch.offset


def matching_days(schedule: Schedule, policy: str, first: int, last: int) -> Iterator[int]:
    """The days in ``first`` ≤ day < ``last``, counted from 1970-01-01, whose month, day and weekday match."""
    sim = schedule.sim
    if sim is None:
        return
    months, matches = sim.months, _day_rule(sim, policy)
    day = first
    while day < last:
        today = date.fromordinal(day + _EPOCH)
        if today.month not in months:
            day = (today.replace(day=1) + timedelta(days=32)).replace(day=1).toordinal() - _EPOCH
            continue
        if matches(today):
            yield day
        day += 1


def _day_rule(sim: CronSim, policy: str) -> Callable[[date], bool]:
    """The predicate for a day.

    crontab(5): day and weekday must both match if one field begins with a star, else either is enough. BusyBox looks
    at the values instead: both must match if one field contains all days.
    """
    if policy != "busybox":
        return sim.match_day
    if len(sim.days) == 31 or len({day % 7 for day in sim.weekdays if isinstance(day, int)}) == 7:
        return lambda today: sim.match_dom(today) and sim.match_dow(today)
    return lambda today: sim.match_dom(today) or sim.match_dow(today)


def _distinct(ordered: Iterable[int]) -> Iterator[int]:
    return (at for at, _ in groupby(ordered))


def _instant(moment: datetime) -> int:
    """The first whole second at or after ``moment``. Raises ``ScheduleError`` if it has no time zone."""
    if moment.tzinfo is None:
        raise ScheduleError("A time needs a time zone.")
    return math.ceil(moment.timestamp())


def _moment(instant: int) -> datetime:
    return datetime.fromtimestamp(instant, timezone.utc)
