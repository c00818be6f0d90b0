"""Jobs that start at the same minute on a host, and the quieter minute."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.schedule import Planned, ScheduleError, at_minute, neighbours, parse

TWO = datetime(2026, 11, 24, 2, 0, tzinfo=timezone.utc)


def planned(*expressions: str) -> list[Planned]:
    return [Planned(f"job-{number}", [one], "UTC") for number, one in enumerate(expressions)]


def test_who_starts_in_the_same_minute_is_named() -> None:
    result = neighbours(planned("0 2 * * *", "0 * * * *", "1 2 * * *", "0 3 * * *"), TWO, "UTC")
    assert result.keys == ("job-0", "job-1")


def test_the_quieter_minute_is_the_nearest_with_nothing_around_it() -> None:
    result = neighbours(planned("0 2 * * *", "0-9 2 * * *"), TWO, "UTC")
    assert result.quieter == TWO + timedelta(minutes=12)


def test_alone_there_is_nothing_quieter() -> None:
    assert neighbours([], TWO, "UTC").quieter is None
    assert neighbours(planned("30 2 * * *"), TWO, "UTC").quieter is None


def test_where_every_minute_is_as_full_nothing_is_proposed() -> None:
    assert neighbours(planned("* * * * *", "* * * * *"), TWO, "UTC").quieter is None


def test_a_neighbour_of_every_minute_counts_but_does_not_hide_the_quieter_ones() -> None:
    result = neighbours(planned("* * * * *", "0 2 * * *"), TWO, "UTC")
    assert len(result.keys) == 2
    assert result.quieter is not None


def test_the_hour_is_that_of_the_jobs_own_clock() -> None:
    """Kathmandu's hours begin at 15 past in UTC; the quieter minute belongs to the job's own hour."""
    at = datetime(2026, 11, 23, 20, 15, tzinfo=timezone.utc)  # 02:00 there
    result = neighbours([Planned("a", ["0 2 * * *"], "Asia/Kathmandu")], at, "Asia/Kathmandu")
    assert result.keys == ("a",)
    assert result.quieter == at + timedelta(minutes=3)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ScheduleError):
        neighbours([Planned("a", ["0 2 * * *"], "Mars/Base")], TWO, "UTC")


@pytest.mark.parametrize(
    ("expression", "moved"),
    [
        ("0 2 * * *", "25 2 * * *"),
        ("  5\t3 * * 1 ", "25\t3 * * 1"),
        ("*/5 * * * *", None),
        ("0,30 2 * * *", None),
        ("H 2 * * *", None),
        ("@daily", None),
        ("0 2", "25 2"),
    ],
)
def test_only_a_plain_minute_is_moved(expression: str, moved: str | None) -> None:
    assert at_minute(expression, 25) == moved


@given(st.lists(st.integers(0, 59), max_size=80), st.integers(0, 59))
def test_a_proposal_is_always_in_the_same_hour_and_quieter(minutes: list[int], own: int) -> None:
    at = TWO + timedelta(minutes=own)
    result = neighbours(planned(*(f"{minute} 2 * * *" for minute in minutes)), at, "UTC")
    assert len(result.keys) == minutes.count(own)
    if result.quieter is not None:
        assert result.quieter.hour == 2
        assert minutes.count(result.quieter.minute) < minutes.count(own)
    else:
        assert all(minutes.count(minute) >= minutes.count(own) for minute in range(60))


@given(st.integers(0, 59))
def test_a_moved_expression_can_be_read(minute: int) -> None:
    moved = at_minute("0 2 * * *", minute)
    assert moved is not None
    assert parse(moved).times == (2 * 3600 + minute * 60,)


def test_only_a_minute_of_the_hour_itself_is_proposed() -> None:
    assert neighbours(planned("* 2 * * *"), TWO, "UTC").quieter is None
