"""When a host's scheduler will run a schedule: the slots, over clock changes too.

cronsim says which days match and reads the fields; what follows here is how each scheduler treats the clock changes
(cron(8): "time changes of less than 3 hours"), which differ by policy.
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
from contract.schedule_zones import DAY, Change, Stretch, stretches

POLICIES = ("debian", "busybox", "systemd", "windows")
_EPOCH = date(1970, 1, 1).toordinal()
_HORIZON = 50 * 366 * DAY  # as cronsim: what does not come in 50 years never comes
_CLOCK_WAS_SET = 3 * 3600  # cron(8): a larger jump is a new clock, nothing is made up for


def slots(schedule: Expressions, zone: str, policy: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """The moments in ``start`` ≤ moment < ``end``, aware UTC, ascending, each once. ``@reboot`` has none.

    Raises ``ScheduleError``: expression, zone or policy unknown, or ``H`` not yet resolved for an endpoint.
    """
    return map(_moment, epochs(schedule, zone, policy, _instant(start), _instant(end)))


def next_slots(expressions: Expressions, zone: str, policy: str, start: datetime, count: int) -> list[datetime]:
    """The next ``count`` moments after (not at) ``start``; fewer where a schedule has no more in 50 years."""
    begin = _instant(start + timedelta(seconds=1)) if start.microsecond == 0 else _instant(start)
    return [_moment(at) for at in islice(epochs(expressions, zone, policy, begin, begin + _HORIZON), count)]


def count(expressions: Expressions, zone: str, policy: str, start: datetime, end: datetime) -> int:
    """How many slots there are in ``start`` ≤ slot < ``end``."""
    return sum(1 for _ in epochs(expressions, zone, policy, _instant(start), _instant(end)))


def is_slot(expressions: Expressions, zone: str, policy: str, instant: datetime) -> bool:
    """Whether the minute of ``instant`` is a slot: the gate's question."""
    minute = _instant(instant.replace(second=0, microsecond=0))
    return any(True for _ in epochs(expressions, zone, policy, minute, minute + 60))


def epochs(expressions: Expressions, zone: str, policy: str, begin: int, end: int) -> Iterator[int]:
    """As ``slots``, in epoch seconds: what to use for many."""
    if policy not in POLICIES:
        raise ScheduleError(f"`{policy}` is not a scheduler policy; there are {', '.join(POLICIES)}.")
    schedules = [schedule for schedule in parse_all(expressions) if not schedule.on_boot]
    for schedule in schedules:
        if schedule.hashed:
            raise ScheduleError(f"`{schedule.expression}` has its own time on each endpoint; resolve it for one first.")
    streams = [_of_one(schedule, zone, policy, begin, end) for schedule in schedules]
    return streams[0] if len(streams) == 1 else _each_once(heapq.merge(*streams))


def walls(schedule: Schedule, policy: str, low: int, high: int) -> Iterator[int]:
    """Wall-clock matches in ``low`` ≤ wall < ``high``, counted as if the wall clock were UTC."""
    for day in matching_days(schedule, policy, low // DAY, -(-high // DAY)):
        midnight = day * DAY
        first = bisect_left(schedule.times, low - midnight)
        last = bisect_left(schedule.times, high - midnight)
        for seconds in schedule.times[first:last]:
            yield midnight + seconds


def _of_one(schedule: Schedule, zone: str, policy: str, begin: int, end: int) -> Iterator[int]:
    for stretch in stretches(zone, begin, end):
        first = max(stretch.begin, begin)
        if stretch.change is not None and _is_made_up_for(schedule, policy, stretch.change):
            yield from _once(schedule, policy, stretch, stretch.change, first)
        else:
            yield from _following(schedule, policy, stretch, first + stretch.offset)


def _is_made_up_for(schedule: Schedule, policy: str, change: Change) -> bool:
    """Whether this scheduler runs this job once over that change, instead of following the wall clock."""
    if policy == "busybox" or schedule.follows:
        return False
    return policy != "debian" or abs(change.after - change.before) < _CLOCK_WAS_SET


def _once(schedule: Schedule, policy: str, stretch: Stretch, change: Change, first: int) -> Iterator[int]:
    """After a gap: one run at the jump for all that it swallowed. After a fold: nothing that already ran before it."""
    old_wall, new_wall = change.at + change.before, change.at + change.after
    first_wall = max(first + stretch.offset, old_wall)
    if old_wall < new_wall:
        first_wall = first + stretch.offset
        if first == change.at and any(True for _ in walls(schedule, policy, old_wall, new_wall)):
            yield change.at
            first_wall += 1
    yield from _following(schedule, policy, stretch, first_wall)


def _following(schedule: Schedule, policy: str, stretch: Stretch, first_wall: int) -> Iterator[int]:
    for wall in walls(schedule, policy, first_wall, stretch.end + stretch.offset):
        yield wall - stretch.offset


def matching_days(schedule: Schedule, policy: str, first: int, last: int) -> Iterator[int]:
    """The days (since 1970) in ``first`` ≤ day < ``last`` whose month, day and weekday match."""
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
    """Day and weekday must both match where one begins with a star; for busybox, where one names every day."""
    if policy != "busybox":
        return sim.match_day
    if len(sim.days) == 31 or len({day % 7 for day in sim.weekdays if isinstance(day, int)}) == 7:
        return lambda today: sim.match_dom(today) and sim.match_dow(today)
    return lambda today: sim.match_dom(today) or sim.match_dow(today)


def _each_once(ordered: Iterable[int]) -> Iterator[int]:
    return (at for at, _ in groupby(ordered))


def _instant(moment: datetime) -> int:
    """The first whole second at or after a moment, which must be aware."""
    if moment.tzinfo is None:
        raise ScheduleError("A moment without a time zone does not say when it is.")
    return math.ceil(moment.timestamp())


def _moment(instant: int) -> datetime:
    return datetime.fromtimestamp(instant, timezone.utc)
