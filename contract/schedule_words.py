"""Schedules in English: "at 02:00", "every 30 minutes", "at 07:00 on weekdays"."""

from __future__ import annotations

from collections.abc import Sequence

from cronsim import CronSim

from contract.dialect import Expressions, Schedule, parse_all

_MOST_TIMES = 6  # list up to this many times; describe more of them as a rule
# Not those of the calendar module, which follow the process's locale.
MONTHS = (
    "",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def words(expressions: Expressions) -> str:
    """The short form, for a row in a table: `at 02:00`. Raises ``ScheduleError``."""
    return "; ".join(dict.fromkeys(_short(schedule) for schedule in parse_all(expressions)))


def explain(expressions: Expressions, zone: str | None = None) -> str:
    """The long form: `At 02:00, every day, Europe/Berlin`. Raises ``ScheduleError``."""
    phrases = "; ".join(dict.fromkeys(_long(schedule) for schedule in parse_all(expressions)))
    return phrases[0].upper() + phrases[1:] + (f", {zone}" if zone else "")


def _short(schedule: Schedule) -> str:
    return " ".join(filter(None, (_time(schedule), _day(schedule))))


def _long(schedule: Schedule) -> str:
    time, day = _time(schedule), _day(schedule)
    if not day and schedule.sim is not None and time.startswith("at "):
        day = "every day"
    return ", ".join(filter(None, (time, day)))


def _time(schedule: Schedule) -> str:
    if schedule.on_boot:
        return "at every start of the host"
    if schedule.sim is None:
        return _hashed_time(schedule)
    minutes, hours = sorted(schedule.sim.minutes), sorted(schedule.sim.hours)
    by_rule = len(minutes) == 1 and len(hours) > 3 and _is_regular(hours)
    if len(minutes) * len(hours) <= _MOST_TIMES and not by_rule:
        return "at " + _and([f"{hour:02}:{minute:02}" for hour in hours for minute in minutes])
    return f"{_minutes(minutes, hours)}{_hours(minutes, hours)}"


def _hashed_time(schedule: Schedule) -> str:
    """The time of a schedule with ``H``, which is not resolved for an endpoint."""
    if schedule.fields[1] == "*" and schedule.fields[0] == "H":
        return "once an hour, at each endpoint's own minute"
    if schedule.fields == ("H", "H", "*", "*", "*"):
        return "once a day, at each endpoint's own time"
    return f'at a time of "{schedule.plain}" that differs per endpoint'


def _minutes(minutes: list[int], hours: list[int]) -> str:
    """The minutes of an hour in words; "every hour" too if the phrase needs it."""
    if len(minutes) == 60:
        return "every minute"
    step = _step(minutes)
    if step and 60 % step == 0 and len(minutes) == 60 // step:
        return f"every {step} minutes" + (f" from minute {minutes[0]}" if minutes[0] else "")
    if step and len(minutes) > 6 and minutes == list(range(0, 60, step)):
        return f"every {_ordinal(step)} minute of {_which_hour(hours)}"
    if minutes == [0]:
        every = _step(hours)
        return f"every {every} hours" if every > 1 else "every hour" if every else "on the hour"
    if step == 1 and len(minutes) > 2:
        return f"minutes {minutes[0]} to {minutes[-1]} past {_which_hour(hours)}"
    past = "1 minute" if minutes == [1] else f"{_and([str(minute) for minute in minutes])} minutes"
    return f"{past} past {_which_hour(hours)}"


def _which_hour(hours: list[int]) -> str:
    step = _step(hours)
    if step == 1:
        return "every hour"
    return f"every {_ordinal(step)} hour" if _is_regular(hours) else "the hour"


def _is_regular(hours: list[int]) -> bool:
    """Whether the hours are evenly spaced, also over midnight."""
    step = _step(hours)
    return step > 0 and 24 % step == 0 and hours == list(range(0, 24, step))


def _hours(minutes: list[int], hours: list[int]) -> str:
    """The part of the day in words; empty for the whole day."""
    step = _step(hours)
    if _is_regular(hours) and (step == 1 or len(minutes) == 1):
        return ""
    if step and (step == 1 or len(minutes) == 1):
        return f" from {hours[0]:02}:{minutes[0]:02} to {hours[-1]:02}:{minutes[-1]:02}"
    if len(hours) == 1:
        return f" from {hours[0]:02}:{minutes[0]:02} to {hours[0]:02}:{minutes[-1]:02}"
    return f" in the hours {_and([f'{hour:02}' for hour in hours])}"


def _day(schedule: Schedule) -> str:
    sim = schedule.sim
    if sim is None:
        return ""
    every_day, every_weekday = len(sim.days) == 31, len({_weekday(item) for item in sim.weekdays}) == 7
    months = _month(sorted(sim.months))
    if every_weekday and len(sim.months) == len(sim.days) == 1 and min(sim.days) > 0:
        return f"on {min(sim.days)} {MONTHS[min(sim.months)]}"
    if (every_day or every_weekday) and _either_matches(schedule):
        return months
    if every_day or every_weekday:
        day = "" if every_day and every_weekday else _of_week(sim) if every_day else _of_month(sim)
        return " ".join(filter(None, (day, months)))
    joined = f"{_of_month(sim)} if it is {_a_weekday(sim)}" if sim.day_and else f"{_of_month(sim)} and {_of_week(sim)}"
    return " ".join(filter(None, (joined, months)))


def _either_matches(schedule: Schedule) -> bool:
    """Whether one matching day field is enough: crontab(5) says so unless one of them begins with a star."""
    return not schedule.fields[2].startswith("*") and not schedule.fields[4].startswith("*")


def _of_month(sim: CronSim) -> str:
    numbers = sorted(day for day in sim.days if day > 0)
    special = {CronSim.LAST: "last day", CronSim.LAST_WEEKDAY: "last weekday"}
    named = [special[day] for day in sorted(sim.days) if day in special]
    step = _step(numbers)
    if not named and step > 1 and numbers == list(range(1, 32, step)):
        return f"every {_ordinal(step)} day of the month"
    if not named and step == 1 and len(numbers) > 2:
        return f"from the {_ordinal(numbers[0])} to the {_ordinal(numbers[-1])} of the month"
    return f"on the {_and([_ordinal(day) for day in numbers] + named)} of the month"


def _of_week(sim: CronSim) -> str:
    plain = sorted({_weekday(item) for item in sim.weekdays if isinstance(item, int)})
    special = [_nth(item) for item in sorted(item for item in sim.weekdays if isinstance(item, tuple))]
    if not special and plain == [0, 1, 2, 3, 4]:
        return "on weekdays"
    if not special and plain == [5, 6]:
        return "on weekends"
    if not special and len(plain) > 2 and _step(plain) == 1:
        return f"from {_DAYS[plain[0]]} to {_DAYS[plain[-1]]}"
    return f"on {_and([_DAYS[day] for day in plain] + special)}"


def _a_weekday(sim: CronSim) -> str:
    plain = sorted({_weekday(item) for item in sim.weekdays if isinstance(item, int)})
    special = [_nth(item) for item in sorted(item for item in sim.weekdays if isinstance(item, tuple))]
    return _and([f"a {_DAYS[day]}" for day in plain] + special, "or")


def _nth(item: tuple[int, int]) -> str:
    day, which = item
    return f"the {'last' if which == CronSim.LAST else _ordinal(which)} {_DAYS[_weekday(day)]} of the month"


def _weekday(item: int | tuple[int, int]) -> int:
    """Monday is 0; -1 for a tuple such as "the second Monday"."""
    return (item - 1) % 7 if isinstance(item, int) else -1


def _month(months: list[int]) -> str:
    names = [MONTHS[month] for month in months]
    if len(names) == 12:
        return ""
    if len(names) > 2 and _step(months) == 1:
        return f"from {names[0]} to {names[-1]}"
    return f"in {_and(names)}"


def _step(numbers: Sequence[int]) -> int:
    """The distance between evenly spaced numbers, else 0."""
    distances = {later - earlier for earlier, later in zip(numbers, numbers[1:])}
    return distances.pop() if len(distances) == 1 else 0


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _and(items: list[str], last: str = "and") -> str:
    return f" {last} ".join(filter(None, (", ".join(items[:-1]), items[-1])))
