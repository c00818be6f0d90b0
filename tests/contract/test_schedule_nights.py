"""The clock changes of the next year."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import assume, given, settings

from contract.schedule import POLICIES, change_nights, parse, slots
from tests.contract.schedule_oracle import daily, instants, zones

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("expression", "policy", "outcomes"),
    [
        ("30 2 * * *", "debian", ["moved", "fine"]),
        ("30 2 * * *", "systemd", ["moved", "fine"]),
        ("30 2 * * *", "windows", ["moved", "fine"]),
        ("30 2 * * *", "busybox", ["skipped", "twice"]),
        ("*/20 2 * * *", "debian", ["skipped", "twice"]),
        ("5 */2 * * *", "debian", ["skipped", "twice"]),
        ("*/5 * * * *", "debian", ["fine", "fine"]),
        ("5 * * * *", "busybox", ["fine", "fine"]),
        ("0 9 * * *", "debian", ["fine", "fine"]),
        ("0 3 * * *", "busybox", ["fine", "fine"]),
        ("30 2 * * MON", "busybox", ["fine", "fine"]),
        ("@reboot", "debian", ["fine", "fine"]),
    ],
)
def test_both_nights_of_berlin(expression: str, policy: str, outcomes: list[str]) -> None:
    nights = change_nights(expression, "Europe/Berlin", policy, NOW)
    assert [night.outcome for night in nights] == outcomes
    assert [night.is_gap for night in nights] == [True, False]
    assert [night.at for night in nights] == [
        datetime(2026, 3, 29, 1, tzinfo=timezone.utc),
        datetime(2026, 10, 25, 1, tzinfo=timezone.utc),
    ]


def test_a_job_with_a_skipped_and_a_moved_time_counts_as_skipped() -> None:
    spring, _ = change_nights(["30 2 * * *", "*/20 2 * * *"], "Europe/Berlin", "debian", NOW)
    assert spring.outcome == "skipped"
    assert spring.walls == ("02:00", "02:20", "02:30", "02:40")


def test_the_sentences() -> None:
    sentences = [
        change_nights(expression, "Europe/Berlin", policy, NOW)[index].text
        for expression, policy, index in [
            ("30 2 * * *", "debian", 0),
            ("*/20 2 * * *", "debian", 0),
            ("*/10 2 * * *", "busybox", 1),
            ("30 2 * * *", "debian", 1),
        ]
    ]
    assert sentences == [
        "29 March 2026: 02:30 does not exist that night. The job runs once, at 03:00.",
        "29 March 2026: 02:00, 02:20, 02:40 do not exist that night. No run takes place.",
        "25 October 2026: 02:00, 02:10, 02:20 … happen twice that night. The job runs both times.",
        "25 October 2026: 02:30 happens twice that night. The job runs once, at the first.",
    ]


def test_windows_is_marked_as_unverified() -> None:
    spring, _ = change_nights("30 2 * * *", "Europe/Berlin", "windows", NOW)
    assert not spring.verified
    assert "Not verified" in spring.text
    assert all(night.verified for night in change_nights("30 2 * * *", "Europe/Berlin", "debian", NOW))


def test_a_zone_without_changes_has_no_nights() -> None:
    assert change_nights("30 2 * * *", "Asia/Kolkata", "debian", NOW) == []


def test_half_an_hour_is_told_as_such() -> None:
    autumn, spring = change_nights("45 1 * * *", "Australia/Lord_Howe", "busybox", NOW)
    assert (autumn.shift, autumn.outcome, autumn.walls) == (timedelta(minutes=-30), "twice", ("01:45",))
    assert (spring.shift, spring.outcome) == (timedelta(minutes=30), "fine")


@given(daily, zones, instants)
@settings(max_examples=60, deadline=None)
def test_where_no_wall_time_is_concerned_all_schedulers_run_the_same(expression: str, zone: str, now: datetime) -> None:
    assume(len(parse(expression).times) < 24 * len({time % 3600 for time in parse(expression).times}))
    for night in change_nights(expression, zone, "busybox", now):
        around = (night.at - timedelta(hours=4), night.at + timedelta(hours=4))
        by_policy = [list(slots(expression, zone, policy, *around)) for policy in POLICIES]
        if night.outcome == "fine":
            assert all(each == by_policy[0] for each in by_policy)
        else:
            assert night.walls
