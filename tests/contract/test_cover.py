"""Cover and gate run a job in another zone once at each of its slots."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from zoneinfo import available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.schedule import POLICIES, ScheduleError, cover, is_slot, needs_gate, slots
from contract.schedule_zones import changes
from tests.contract.schedule_oracle import expressions as any_expression
from tests.contract.schedule_oracle import zones as chosen_zones

START = datetime(2026, 11, 23, tzinfo=timezone.utc)
TWO_YEARS = (round(START.timestamp()), round(START.timestamp()) + 2 * 366 * 86400)
HOSTS = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Chatham")


@pytest.mark.parametrize(
    ("expressions", "job_zone", "host_zone", "lines"),
    [
        ("0 2 * * *", "Europe/Berlin", "UTC", ["0 0,1 * * *"]),
        ("0 2 * * *", "UTC", "Europe/Berlin", ["0 3,4 * * *"]),
        ("0 2 * * *", "UTC", "Asia/Kolkata", ["30 7 * * *"]),
        ("*/5 * * * *", "UTC", "Asia/Kathmandu", ["*/5 * * * *"]),
        ("41 3 * * MON", "Europe/Berlin", "America/New_York", ["41 21,22 * * 0"]),
        ("0 0 1 1 *", "Asia/Tokyo", "UTC", ["0 15 31 12 *"]),
        ("0 9 * * 1-5", "Asia/Tokyo", "UTC", ["0 0 * * 1-5"]),
        ("0 0 L * *", "UTC", "UTC", ["0 0 28,30,31 * *"]),
        ("@reboot", "UTC", "Europe/Berlin", ["@reboot"]),
        (["@reboot", "0 2 * * *"], "UTC", "Asia/Kolkata", ["30 7 * * *", "@reboot"]),
        (["0 2 * * *", "0 7 * * *"], "UTC", "Asia/Kolkata", ["30 7 * * *", "30 12 * * *"]),
    ],
)
def test_covers_that_can_be_checked_by_hand(expressions: str, job_zone: str, host_zone: str, lines: list[str]) -> None:
    assert cover(expressions, job_zone, host_zone, "debian", START) == lines


def test_slots_in_the_hour_that_the_host_repeats_need_lines_that_follow_the_clock() -> None:
    # 00:30 and 01:30 UTC are 02:30 twice on Berlin's autumn night; a fixed line would run once.
    (line,) = cover("30 0,1 * * *", "UTC", "Europe/Berlin", "debian", START)
    assert line == "30 */23,1-3 * * *"


def test_two_expressions_that_meet_are_fired_once() -> None:
    both = ["0 2 * * *", "0 2 * * MON"]
    assert _double_or_missing(both, "UTC", "Europe/Berlin", "debian") == (0, 0)


def test_expressions_that_meet_need_the_gate_at_home_too() -> None:
    both = ["0 2 * * *", "0 2 * * MON"]
    assert needs_gate(both, "UTC", "UTC")
    assert cover(both, "UTC", "UTC", "debian", START) == ["0 2 * * *"]
    assert _double_or_missing(["*/15 2 * * *", "0 * 1 * *"], "Europe/Berlin", "Europe/Berlin", "debian") == (0, 0)
    assert not needs_gate(["0 2 * * 1-5", "0 2 * * 6", "0 3 * * *", "@reboot"], "UTC", "UTC")
    assert not needs_gate(["@daily", "0 0 * * *"], "UTC", "UTC")


def test_a_schedule_without_a_slot_in_the_window_has_no_line_yet() -> None:
    assert cover("0 0 29 2 *", "UTC", "Europe/Paris", "debian", START) == []
    assert cover("0 0 29 2 *", "UTC", "Europe/Paris", "debian", START + timedelta(days=300)) == ["0 1 29 2 *"]


def test_in_the_hosts_own_zone_a_schedule_is_its_own_cover() -> None:
    assert cover(["@daily", "*/7 3 * * FRI"], "Asia/Tokyo", "Asia/Tokyo", "debian", START) == [
        "0 0 * * *",
        "*/7 3 * * FRI",
    ]


@pytest.mark.parametrize(
    ("expression", "job_zone", "needed"),
    [
        ("0 2 * * *", None, False),
        ("0 2 * * *", "UTC", False),
        ("@reboot", "UTC", False),
        ("0 2 * * *", "Europe/Berlin", True),
        ("0 2 L * *", "UTC", True),
        ("0 2 LW * *", None, True),
        ("0 2 * * 5L", "UTC", True),
        ("0 2 * * MON#2", "UTC", True),
        ("0 2 * JUL MON", "UTC", False),
    ],
)
def test_a_gate_is_needed_where_the_hosts_cron_cannot_say_it(expression: str, job_zone: str, needed: bool) -> None:
    assert needs_gate(expression, job_zone, "UTC") is needed


def test_an_unknown_zone_is_refused_on_either_side() -> None:
    for job_zone, host_zone in (("Mars/Olympus", "UTC"), ("UTC", "Mars/Olympus")):
        with pytest.raises(ScheduleError, match="Mars/Olympus"):
            cover("0 2 * * *", job_zone, host_zone, "debian", START)


def test_the_gate_decides_minute_by_minute() -> None:
    begin = datetime(2026, 10, 24, 12, tzinfo=timezone.utc)
    passed = [
        moment
        for moment in (begin + timedelta(minutes=number) for number in range(1440))
        if is_slot("30 2 * * *", "Europe/Berlin", "debian", moment)
    ]
    assert passed == [datetime(2026, 10, 25, 0, 30, tzinfo=timezone.utc)]


def _changing() -> list[str]:
    """Every IANA zone with a clock change in the next two years."""
    zones = (name for name in sorted(available_timezones()) if name not in ("localtime", "Factory"))
    return [name for name in zones if next(changes(name, *TWO_YEARS), None)]


def test_every_zone_that_changes_is_covered_on_hosts_of_all_kinds() -> None:
    """One zone for each set of zones that change at the same instants by the same amount."""
    alike = {tuple(changes(name, *TWO_YEARS)): name for name in _changing()}
    assert len(alike) > 20
    for number, zone in enumerate(alike.values()):
        host = HOSTS[number % len(HOSTS)]
        if host != zone:
            assert _double_or_missing(["30 1,2 * * *"], zone, host, "debian") == (0, 0)
            assert _double_or_missing(["30 1,2 * * *"], host, zone, "debian") == (0, 0)


@given(any_expression, chosen_zones, chosen_zones, st.sampled_from(POLICIES))
@settings(max_examples=15, deadline=None)
def test_cover_and_gate_run_exactly_the_true_slots(expression: str, job: str, host: str, policy: str) -> None:
    assert _double_or_missing([expression], job, host, policy) == (0, 0)


def _double_or_missing(expressions: list[str], job_zone: str, host_zone: str, policy: str) -> tuple[int, int]:
    """The numbers of slots that the gated lines run more than once, and never, in 400 days."""
    lines = cover(expressions, job_zone, host_zone, policy, START)
    window = (START, START + timedelta(days=400))
    true_slots = set(slots(expressions, job_zone, policy, *window))
    fired = Counter(at for line in lines for at in slots(line, host_zone, policy, *window) if at in true_slots)
    return sum(times > 1 for times in fired.values()), len(true_slots - fired.keys())
