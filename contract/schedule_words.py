"""Schedules in words: "at 02:00", "every 30 minutes", "at 07:00 on weekdays"."""

from __future__ import annotations

from contract.dialect import Expressions, Schedule, parse_all


def words(expressions: Expressions) -> str:
    """The short form, for a row in a table: `at 02:00`. Raises ``ScheduleError``."""
    return "; ".join(dict.fromkeys(_short(schedule) for schedule in parse_all(expressions)))


def explain(expressions: Expressions, zone: str | None = None) -> str:
    """The long form: `At 02:00, every day, Europe/Berlin`. Without a zone, the host's own."""
    return words(expressions) + (f", {zone}" if zone else "")


def _short(schedule: Schedule) -> str:
    return schedule.plain
