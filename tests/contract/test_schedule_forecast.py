"""The forecast of a fleet and its collisions."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from contract.schedule import Due, Planned, ScheduleError, collisions, forecast

START = datetime(2026, 3, 29, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def _at(hour: int, *keys: str) -> Due:
    return Due(START.replace(hour=hour), keys)


def test_a_forecast_has_each_moment_with_all_who_are_due() -> None:
    jobs = [
        Planned("backup", "0 2 * * *", "UTC"),
        Planned("report", ["0 2 * * *", "0 4 * * *"], "UTC"),
        Planned("rotate", "30 2 * * *", "Europe/Berlin"),  # in the gap: moved to 01:00 UTC
    ]
    dues = forecast(jobs, START, START + DAY)
    assert dues == [_at(1, "rotate"), _at(2, "backup", "report"), _at(4, "report")]


def test_the_host_decides_what_a_change_night_brings() -> None:
    assert forecast([Planned("rotate", "30 2 * * *", "Europe/Berlin", "busybox")], START, START + DAY) == []


def test_collisions_come_fullest_first_then_earliest() -> None:
    dues = [_at(1, "a", "b"), _at(2, "a"), _at(3, "a", "b", "c"), _at(4, "b", "c")]
    assert collisions(dues) == [dues[2], dues[0], dues[3]]
    assert collisions(dues, at_least=3) == [dues[2]]


def test_an_empty_fleet_has_an_empty_forecast() -> None:
    assert forecast([], START, START + DAY) == []


def test_a_window_without_a_zone_is_refused() -> None:
    with pytest.raises(ScheduleError, match="time zone"):
        forecast([], START.replace(tzinfo=None), START)
