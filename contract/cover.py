"""Cron lines in the host's zone for a job of another zone, or of a day that cron cannot say, for the gate to thin out.

A host's cron knows one zone. So the agent writes host-zone lines that fire at every true slot, perhaps at more minutes,
and the gate lets only the true slots through. A line must fire **once** at each slot, or the job would run twice:
what a set of lines does is therefore tried out with the same prediction as everything else before it is returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from functools import lru_cache
from itertools import combinations, product
from typing import NamedTuple

from contract.dialect import Expressions, Schedule, ScheduleError, parse_all
from contract.schedule_slots import epochs, matching_days
from contract.schedule_zones import DAY, load, stretches

_EVERY_MINUTE = "* * * * *"
_WASTE = 2  # one line may fire up to this many times as often as exact lines would
_EPOCH = date(1970, 1, 1).toordinal()


def needs_gate(expressions: Expressions, job_zone: str | None, host_zone: str) -> bool:
    """Whether the host's cron cannot keep this schedule alone.

    That is so in another zone, for ``L``, ``LW``, ``5L`` and ``MON#2``, and where two expressions of a list meet: as
    two lines of a crontab they would run the job twice at that moment.
    """
    schedules = set(parse_all(expressions))
    if job_zone not in (None, host_zone) or not all(_cron_can_say(item) for item in schedules):
        return True
    return any(_meet(one, other) for one, other in combinations(schedules, 2))


@lru_cache(maxsize=2048)
def _meet(one: Schedule, other: Schedule) -> bool:
    """Whether there is a day and a time that both name; the calendar repeats itself after 28 years."""
    if set(one.times).isdisjoint(other.times):
        return False
    first, last = date(2001, 1, 1).toordinal() - _EPOCH, date(2029, 1, 1).toordinal() - _EPOCH
    return not set(matching_days(one, "debian", first, last)).isdisjoint(matching_days(other, "debian", first, last))


def cover(
    expressions: Expressions, job_zone: str, host_zone: str, policy: str, start: datetime, days: int = 400
) -> list[str]:
    """The fewest host-zone lines that fire once at each slot of the ``days`` from ``start``'s day on.

    ``job_zone`` and ``policy`` say what the true slots are; ``policy`` is also the cron that will read the lines.
    Where no gate is needed these are the expressions themselves. ``@reboot`` stays ``@reboot``. A schedule without a
    slot in that time (29 February) has no line yet: ask again as time passes. Raises ``ScheduleError``.
    """
    schedules = parse_all(expressions)
    if not needs_gate(schedules, job_zone, host_zone):
        return [schedule.plain for schedule in dict.fromkeys(schedules)]
    load(host_zone)
    plain = tuple(dict.fromkeys(schedule.plain for schedule in schedules if not schedule.on_boot))
    first_day = int(start.timestamp()) // DAY
    lines = _timed(plain, job_zone, host_zone, policy, first_day, days) if plain else ()
    return [*lines, *(["@reboot"] if any(schedule.on_boot for schedule in schedules) else [])]


def _cron_can_say(schedule: Schedule) -> bool:
    return schedule.on_boot or not any(mark in schedule.fields[2] + schedule.fields[4] for mark in "L#")


@lru_cache(maxsize=2048)
def _timed(
    plain: tuple[str, ...], job_zone: str, host_zone: str, policy: str, first_day: int, days: int
) -> tuple[str, ...]:
    span = (first_day * DAY, (first_day + days) * DAY)
    true_slots = set(epochs(plain, job_zone, policy, *span))
    for lines in _attempts(plain, true_slots, job_zone, host_zone, policy, span):
        if _fire_once(lines, true_slots, host_zone, policy, span):
            return tuple(lines)
    raise ScheduleError(f"No lines in {host_zone} run `{', '.join(plain)}` of {job_zone} exactly once.")


def _attempts(
    plain: tuple[str, ...], true_slots: set[int], job_zone: str, host_zone: str, policy: str, span: tuple[int, int]
) -> Iterator[list[str]]:
    """From the leanest set of lines to the one that always holds: fixed before following, each expression by itself."""
    together = _Pattern.of(true_slots, host_zone, span)
    each = [_Pattern.of(epochs(one, job_zone, policy, *span), host_zone, span) for one in plain]
    for follow in (False, True):
        if len(plain) > 1:
            yield [line for pattern in each for line in pattern.lines(follow)]
        yield together.lines(follow)
        yield together.single(follow)
    yield [_EVERY_MINUTE]


def _fire_once(lines: list[str], true_slots: set[int], host_zone: str, policy: str, span: tuple[int, int]) -> bool:
    left = set(true_slots)
    for line in lines:
        fired = true_slots.intersection(epochs(line, host_zone, policy, *span))
        if not fired <= left:
            return False
        left -= fired
    return not left


class _Pattern(NamedTuple):
    """What slots look like on the host's wall clock: minutes of the day, and the last three cron fields."""

    times: frozenset[tuple[int, int]]
    days: str

    @classmethod
    def of(cls, moments: Iterable[int], zone: str, span: tuple[int, int]) -> _Pattern:
        minutes, days = set(), set()
        for wall in _walls(sorted(moments), zone, span):
            days.add(wall // DAY)
            minutes.add(wall % DAY // 60)
        return cls(frozenset(divmod(minute, 60) for minute in minutes), _day_fields(days))

    def lines(self, follow: bool) -> list[str]:
        """Exact lines, or one line where that wastes little."""
        boxes = _boxes(self.times)
        hull = _hull(self.times)
        if len(hull) <= _WASTE * len(self.times):
            return self.single(follow)
        return [self._line(minutes, hours, follow) for minutes, hours in boxes]

    def single(self, follow: bool) -> list[str]:
        minutes, hours = {minute for _, minute in self.times}, {hour for hour, _ in self.times}
        return [self._line(minutes, hours, follow)] if self.times else []

    def _line(self, minutes: Iterable[int], hours: Iterable[int], follow: bool) -> str:
        minute_field, hour_field = _field(minutes, 0, 59), _field(hours, 0, 23)
        if follow and "*" not in (minute_field[0], hour_field[0]):
            hour_field = _starred(frozenset(hours))
        return f"{minute_field} {hour_field} {self.days}"


def _walls(ordered: list[int], zone: str, span: tuple[int, int]) -> Iterator[int]:
    parts = stretches(zone, *span)
    part = next(parts)
    for moment in ordered:
        while moment >= part.end:
            part = next(parts)
        yield moment + part.offset


def _day_fields(days: set[int]) -> str:
    dates = [date.fromordinal(day + _EPOCH) for day in days]
    month = _field({day.month for day in dates}, 1, 12)
    of_month, of_week = {day.day for day in dates}, {day.isoweekday() % 7 for day in dates}
    if len(of_week) / 7 <= len(of_month) / 31:
        return f"* {month} {_field(of_week, 0, 6)}"
    return f"{_field(of_month, 1, 31)} {month} *"


def _hull(times: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    times = list(times)
    return set(product({hour for hour, _ in times}, {minute for _, minute in times}))


def _boxes(times: Iterable[tuple[int, int]]) -> list[tuple[frozenset[int], frozenset[int]]]:
    """(minutes, hours) pairs whose products are the times, each time in one: whichever way of grouping gives fewer."""
    by_minute = _grouped((minute, hour) for hour, minute in times)
    by_hour = [(minutes, hours) for hours, minutes in _grouped(times)]
    return min(by_minute, by_hour, key=len)


def _grouped(pairs: Iterable[tuple[int, int]]) -> list[tuple[frozenset[int], frozenset[int]]]:
    partners: dict[int, set[int]] = {}
    for key, partner in sorted(pairs):
        partners.setdefault(key, set()).add(partner)
    keys: dict[frozenset[int], set[int]] = {}
    for key, group in partners.items():
        keys.setdefault(frozenset(group), set()).add(key)
    return [(frozenset(group), partner) for partner, group in keys.items()]


def _field(numbers: Iterable[int], low: int, high: int) -> str:
    """The shortest way any cron reads: ``*``, ``*/15``, ``1-5`` or a list."""
    ordered = sorted(set(numbers))
    step = ordered[1] - ordered[0] if len(ordered) > 1 else 0
    if step and ordered == list(range(low, high + 1, step)):
        return "*" if step == 1 else f"*/{step}"
    return ",".join(_runs(ordered))


def _runs(ordered: list[int]) -> Iterator[str]:
    while ordered:
        length = 1
        while length < len(ordered) and ordered[length] == ordered[0] + length:
            length += 1
        length = length if length > 2 else 1
        yield str(ordered[0]) if length == 1 else f"{ordered[0]}-{ordered[length - 1]}"
        ordered = ordered[length:]


def _starred(hours: frozenset[int]) -> str:
    """Hours behind a star, so that cron follows the wall clock over a change; with the fewest hours too many."""
    step = min(range(1, 24), key=lambda step: (len(hours.union(range(0, 24, step))), -step))
    if step == 1:
        return "*"
    rest = _field(hours - set(range(0, 24, step)), 0, 23) if hours - set(range(0, 24, step)) else ""
    return f"*/{step},{rest}" if rest else f"*/{step}"
