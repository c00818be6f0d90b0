"""Host-zone cron lines that fire at least at every due slot; the runner's gate skips the rest.

A host's cron knows one zone, and no days such as ``L`` or ``MON#2``. For other schedules the agent writes lines that
fire at each slot and perhaps at more minutes. Exactly one line must fire at each slot, or the job would run twice, so
each candidate set of lines is simulated with ``epochs`` before it is returned.
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
_WASTE = 2  # a single line may fire up to this many times as often as exact lines
_EPOCH = date(1970, 1, 1).toordinal()


def needs_gate(expressions: Expressions, job_zone: str | None, host_zone: str) -> bool:
    """Whether the host's cron cannot run this schedule on its own.

    True for another zone than the host's, for ``L``, ``LW``, ``5L`` and ``MON#2``, and if two expressions share a
    slot: two crontab lines would run the job twice at that moment.
    """
    schedules = set(parse_all(expressions))
    if job_zone not in (None, host_zone) or not all(_is_plain_cron(item) for item in schedules):
        return True
    return any(_share_a_slot(one, other) for one, other in combinations(schedules, 2))


@lru_cache(maxsize=2048)
def _share_a_slot(one: Schedule, other: Schedule) -> bool:
    """Whether both have a day and a time in common. The calendar repeats after 28 years."""
    if set(one.times).isdisjoint(other.times):
        return False
    first, last = date(2001, 1, 1).toordinal() - _EPOCH, date(2029, 1, 1).toordinal() - _EPOCH
    return not set(matching_days(one, "debian", first, last)).isdisjoint(matching_days(other, "debian", first, last))


def cover(
    expressions: Expressions, job_zone: str, host_zone: str, policy: str, start: datetime, days: int = 400
) -> list[str]:
    """The fewest host-zone lines of which exactly one fires at each slot of ``days`` days from ``start``'s day on.

    ``job_zone`` and ``policy`` define the slots; ``policy`` is also the cron that reads the lines. If no gate is
    needed, the lines are the expressions. ``@reboot`` stays ``@reboot``. A schedule without a slot in that period
    (29 February) has no line yet, so callers repeat the call as time passes. Raises ``ScheduleError``.
    """
    schedules = parse_all(expressions)
    if not needs_gate(schedules, job_zone, host_zone):
        return [schedule.plain for schedule in dict.fromkeys(schedules)]
    load(host_zone)
    plain = tuple(dict.fromkeys(schedule.plain for schedule in schedules if not schedule.on_boot))
    first_day = int(start.timestamp()) // DAY
    lines = _timed_lines(plain, job_zone, host_zone, policy, first_day, days) if plain else ()
    return [*lines, *(["@reboot"] if any(schedule.on_boot for schedule in schedules) else [])]


def _is_plain_cron(schedule: Schedule) -> bool:
    return schedule.on_boot or not any(mark in schedule.fields[2] + schedule.fields[4] for mark in "L#")


@lru_cache(maxsize=2048)
def _timed_lines(
    plain: tuple[str, ...], job_zone: str, host_zone: str, policy: str, first_day: int, days: int
) -> tuple[str, ...]:
    span = (first_day * DAY, (first_day + days) * DAY)
    true_slots = set(epochs(plain, job_zone, policy, *span))
    for lines in _candidates(plain, true_slots, job_zone, host_zone, policy, span):
        if _fire_once(lines, true_slots, host_zone, policy, span):
            return tuple(lines)
    expressions = ", ".join(plain)
    raise ScheduleError(f'No cron lines in {host_zone} run "{expressions}" of {job_zone} exactly once per slot.')


def _candidates(
    plain: tuple[str, ...], true_slots: set[int], job_zone: str, host_zone: str, policy: str, span: tuple[int, int]
) -> Iterator[list[str]]:
    """Sets of lines to try, fewest firings first; the last one, every minute, always works.

    ``follow`` makes cron treat the lines as wildcard jobs, which follow the wall clock over a clock change (cron(8)).
    """
    together = _Pattern.of(true_slots, host_zone, span)
    separate = [_Pattern.of(epochs(one, job_zone, policy, *span), host_zone, span) for one in plain]
    for follow in (False, True):
        if len(plain) > 1:
            yield [line for pattern in separate for line in pattern.lines(follow)]
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
    """Slots on the host's wall clock: ``times`` as (hour, minute), ``days`` as the last three cron fields."""

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
        """One line if it fires at most ``_WASTE`` times too often, else exact lines."""
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
    """Pairs (minutes, hours) whose products are the times, each time in exactly one pair; as few pairs as grouping
    by minute or by hour gives."""
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
    """The shortest form that every cron reads: ``*``, ``*/15``, ``1-5`` or a list."""
    ordered = sorted(set(numbers))
    step = ordered[1] - ordered[0] if len(ordered) > 1 else 0
    if step and ordered == list(range(low, high + 1, step)):
        return "*" if step == 1 else f"*/{step}"
    return ",".join(_ranges(ordered))


def _ranges(ordered: list[int]) -> Iterator[str]:
    while ordered:
        length = 1
        while length < len(ordered) and ordered[length] == ordered[0] + length:
            length += 1
        length = length if length > 2 else 1
        yield str(ordered[0]) if length == 1 else f"{ordered[0]}-{ordered[length - 1]}"
        ordered = ordered[length:]


def _starred(hours: frozenset[int]) -> str:
    """An hour field that begins with a star, so that cron follows the wall clock, with as few extra hours as can be."""
    step = min(range(1, 24), key=lambda step: (len(hours.union(range(0, 24, step))), -step))
    if step == 1:
        return "*"
    rest = _field(hours - set(range(0, 24, step)), 0, 23) if hours - set(range(0, 24, step)) else ""
    return f"*/{step},{rest}" if rest else f"*/{step}"
