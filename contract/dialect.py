"""The schedule syntax: five cron fields, nicknames, ``H`` and ``every``. Each error says what to write instead."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from typing import Union

from cronsim import CronSim, CronSimError

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
FIELD_NAMES = ("minute", "hour", "day of the month", "month", "day of the week")
FIELD_RANGES = ("0-59", "0-23", "1-31", "1-12 or JAN-DEC", "0-7 or SUN-SAT")
_LAST = (59, 23, 31, 12, 7)
_LONGEST = 1000
_HASH = re.compile(r"(?<![A-Z])H(?![A-Z])")
_EVERY = re.compile(r"every\s*((?:\d{1,6}[a-z]+)+|\d{1,6}\s+[a-z]+)?", re.IGNORECASE)
_ANY_DAY = datetime(2000, 1, 1, tzinfo=timezone.utc)
_PART = re.compile(r"(\d{1,6})\s*([a-z]+)", re.IGNORECASE)
_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "week", "weeks"), 604800),
}
# Intervals that one cron line can express, in minutes: divisors of the hour, then of the day.
_STEPS = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440)


class ScheduleError(ValueError):
    """An invalid schedule. The text says why, and what to write instead."""


@dataclass(frozen=True)
class Schedule:
    """A parsed expression. Schedules with equal fields are equal.

    ``fields``: five upper-case cron fields; they contain ``H`` while ``hashed``; empty for ``@reboot``.
    ``times``: seconds after midnight, ascending, on a day that matches.
    ``follows``: cron(8)'s wildcard rule, by which the job follows the wall clock over a clock change.
    """

    expression: str = field(compare=False)
    fields: tuple[str, ...]
    times: tuple[int, ...] = field(compare=False, repr=False, default=())
    sim: CronSim | None = field(compare=False, repr=False, default=None)

    @property
    def on_boot(self) -> bool:
        return not self.fields

    @property
    def hashed(self) -> bool:
        return any(_HASH.search(text) for text in self.fields)

    @property
    def follows(self) -> bool:
        return bool(self.fields) and (self.fields[0].startswith("*") or self.fields[1].startswith("*"))

    @property
    def plain(self) -> str:
        """The expression as every cron reads it: ``@reboot`` or five fields."""
        return " ".join(self.fields) or "@reboot"


Expressions = Union[str, Schedule, Sequence[Union[str, Schedule]]]


@lru_cache(maxsize=16384)
def parse(expression: str) -> Schedule:
    """Parses an expression. Raises ``ScheduleError`` with the reason and what to write instead."""
    text = _normalised(expression)
    if text == "@reboot":
        return Schedule(expression, ())
    fields = tuple(_open_steps(index, part) for index, part in enumerate(_five_fields(text)))
    schedule = Schedule(expression, fields)
    if schedule.hashed:
        _expand(fields, "any")
        return schedule
    sim = _simulator(text, fields)
    times = tuple(sorted(hour * 3600 + minute * 60 for hour in sim.hours for minute in sim.minutes))
    return Schedule(expression, fields, times, sim)


def parse_all(expressions: Expressions) -> tuple[Schedule, ...]:
    """The schedules of one expression or of a list. Raises ``ScheduleError`` for the first invalid one."""
    if isinstance(expressions, Schedule):
        return (expressions,)
    if isinstance(expressions, str):
        return (parse(expressions),)
    if not expressions:
        raise ScheduleError('The schedule is empty: give at least one expression, such as "0 2 * * *".')
    return tuple(item if isinstance(item, Schedule) else parse(item) for item in expressions)


def resolve(expression: str, seed: str) -> str:
    """Five cron fields for one instance: ``H`` becomes numbers that depend only on ``seed``, a nickname its fields.

    Pass ``seed(job_id, endpoint_id)``: then agent and server compute the same minute. Raises ``ScheduleError``.
    """
    schedule = parse(expression)
    if not schedule.hashed:
        return schedule.plain
    return parse(" ".join(_expand(schedule.fields, seed))).plain


def seed(job_id: str, endpoint_id: str) -> str:
    """The seed of ``H``: the same for one job on one endpoint, different on the next endpoint."""
    return f"{job_id}/{endpoint_id}"


def _normalised(expression: str) -> str:
    text = " ".join(expression.split())
    if not text:
        raise ScheduleError('The schedule is empty: give five fields, such as "0 2 * * *".')
    if len(text) > _LONGEST:
        raise ScheduleError(f"The schedule has {len(text)} characters; the limit is {_LONGEST}.")
    if text.lower() == "@reboot":
        return "@reboot"
    if text.lower().startswith("every"):
        return _every(text)
    if text.startswith("@"):
        return _nickname(text)
    return text.upper()


def _nickname(text: str) -> str:
    fields = NICKNAMES.get(text.lower())
    if fields is None:
        raise ScheduleError(f'"{text}" is not a cron nickname. Use {", ".join(NICKNAMES)} or @reboot.')
    return fields


def _every(text: str) -> str:
    match = _EVERY.fullmatch(text)
    parts = _PART.findall(match.group(1)) if match and match.group(1) else []
    if not parts or any(unit.lower() not in _UNITS for _, unit in parts):
        raise ScheduleError(f'"{text}" is not an interval. Write "every 15m", "every 2h" or "every 1d".')
    seconds = sum(int(number) * _UNITS[unit.lower()] for number, unit in parts)
    minutes = seconds / 60
    if minutes not in _STEPS:
        raise ScheduleError(
            f'"{text}" is not possible in cron: it divides neither an hour nor a day. {_nearest(minutes)}.'
        )
    return _step_fields(int(minutes))


def _step_fields(minutes: int) -> str:
    named = {1: "* * * * *", 60: "0 * * * *", 1440: "0 0 * * *"}
    if minutes in named:
        return named[minutes]
    return f"*/{minutes} * * * *" if minutes < 60 else f"0 */{minutes // 60} * * *"


def _nearest(minutes: float) -> str:
    below = [step for step in _STEPS if step < minutes][-1:]
    above = [step for step in _STEPS if step > minutes][:1]
    choices = [f'"every {step}m"' if step < 60 else f'"every {step // 60}h"' for step in below + above]
    return f"Nearest: {' or '.join(choices)}"


def _five_fields(text: str) -> list[str]:
    parts = text.split()
    if "?" in text:
        raise ScheduleError('"?" is Quartz syntax. Write "*".')
    if any(_is_zone(part) for part in parts):
        raise ScheduleError("Put the zone in the time zone field (timezone), not in the schedule.")
    if len(parts) != 5:
        more = " Cron has neither seconds nor years." if len(parts) in (6, 7) else ""
        number = f"{len(parts)} field{'s' * (len(parts) != 1)}"
        raise ScheduleError(f'"{text}" has {number}; cron has five: minute, hour, day, month, weekday.{more}')
    return parts


def _is_zone(part: str) -> bool:
    """``TZ=…``, ``CRON_TZ=…``, or a zone's name such as ``EUROPE/BERLIN`` or ``UTC``."""
    return re.match(r"(CRON_)?TZ=|[A-Z_]{3,}/[A-Z_/+-]+\Z|(UTC|GMT)\Z", part) is not None


def _open_steps(index: int, text: str) -> str:
    """``5/15`` becomes ``5-59/15``: cron(8) does not support the short form."""
    return ",".join(
        re.sub(r"^(\w+)/", rf"\1-{_LAST[index]}/", term) if term[:1] not in "LH" else term for term in text.split(",")
    )


def _simulator(text: str, fields: tuple[str, ...]) -> CronSim:
    try:
        return CronSim(" ".join(fields), _ANY_DAY)
    except CronSimError:
        for index, part in enumerate(fields):
            _check_field(index, part)
        raise ScheduleError(f'"{text}" never runs: {_missing_day(fields)}.') from None


def _missing_day(fields: tuple[str, ...]) -> str:
    """Why the schedule never runs: `February has no day 31`."""
    months = sorted(int(month) for month in CronSim(f"0 0 * {fields[3]} *", _ANY_DAY).months)
    names = [calendar.month_name[month] for month in months]
    several = len(names) > 1
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if several else names[0]
    return f"{listed} {'have' if several else 'has'} no day {fields[2]}"


def _check_field(index: int, text: str) -> None:
    alone = ["*"] * 5
    alone[index] = text
    try:
        CronSim(" ".join(alone), _ANY_DAY)
    except CronSimError:
        raise ScheduleError(_reason(index, text)) from None


def _reason(index: int, text: str) -> str:
    name, allowed = FIELD_NAMES[index], FIELD_RANGES[index]
    if index == 1 and "24" in re.findall(r"\d+", text):
        return "24 is not an hour: midnight is 0."
    if re.search(r"/0+(?!\d)", text):
        return f'"{text}" has a step of 0. A step must be 1 or more.'
    backwards = re.search(r"(\w+)-(\w+)", text)
    if backwards and all(_is_valid(index, end) for end in backwards.groups()):
        first, last = backwards.groups()
        return f'"{text}" runs backwards. Write two ranges: one from {first} up, one up to {last}.'
    article = "an" if name == "hour" else "a"
    return f'"{text}" is not {article} {name}: use {allowed}, *, lists, ranges or steps.'


def _is_valid(index: int, text: str) -> bool:
    try:
        _check_field(index, text)
    except ScheduleError:
        return False
    return True


def _expand(fields: tuple[str, ...], seed: str) -> list[str]:
    """The fields with each ``H`` replaced by numbers, by croniter's hash rules."""
    from croniter import CroniterError, croniter  # imported here: only `H` needs it, and the CLI starts faster

    masked = [text if _HASH.search(text) else "*" for text in fields]
    try:
        expanded, *_ = croniter.expand(" ".join(masked), hash_id=seed.encode())
    except CroniterError:
        raise ScheduleError(f'"{" ".join(fields)}" uses H in an unknown form. Write H, H/15 or H(0-29).') from None
    pairs = zip(fields, masked, expanded)
    result = [text if mask == "*" else ",".join(str(number) for number in numbers) for text, mask, numbers in pairs]
    for index, text in enumerate(result):
        _check_field(index, text)
    return result
