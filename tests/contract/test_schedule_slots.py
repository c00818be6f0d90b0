"""The slots of a schedule by scheduler."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from contract.schedule import POLICIES, ScheduleError, count, is_slot, next_slots, parse, resolve, slots
from contract.schedule_zones import changes
from tests.contract.schedule_oracle import daily, expressions, follows_the_wall_clock, instants, made_up_for, zones

UTC = timezone.utc
NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)
SPRING = (datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 3, 29, 6, tzinfo=UTC))
AUTUMN = (datetime(2026, 10, 24, 21, tzinfo=UTC), datetime(2026, 10, 25, 6, tzinfo=UTC))


def _berlin(expression: str, policy: str, night: tuple[datetime, datetime]) -> list[str]:
    local = (slot.astimezone(ZoneInfo("Europe/Berlin")) for slot in slots(expression, "Europe/Berlin", policy, *night))
    return [f"{slot:%H:%M%z}" for slot in local]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("debian", ["03:00+0200"]), ("busybox", []), ("systemd", ["03:00+0200"]), ("windows", ["03:00+0200"])],
)
def test_a_time_in_the_gap_is_what_the_table_says(policy: str, expected: list[str]) -> None:
    assert _berlin("30 2 * * *", policy, SPRING) == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("debian", ["02:30+0200"]),
        ("busybox", ["02:30+0200", "02:30+0100"]),
        ("systemd", ["02:30+0200"]),
        ("windows", ["02:30+0200"]),
    ],
)
def test_a_time_in_the_fold_is_what_the_table_says(policy: str, expected: list[str]) -> None:
    assert _berlin("30 2 * * *", policy, AUTUMN) == expected


@pytest.mark.parametrize("policy", POLICIES)
def test_wildcards_follow_the_wall_clock_everywhere(policy: str) -> None:
    assert _berlin("*/30 2 * * *", policy, SPRING) == []
    assert _berlin("*/30 2 * * *", policy, AUTUMN) == ["02:00+0200", "02:30+0200", "02:00+0100", "02:30+0100"]


def test_the_gap_is_made_up_for_once_even_where_a_slot_lies_at_its_end() -> None:
    assert _berlin("0,15,30 2,3 * * *", "debian", SPRING) == ["03:00+0200", "03:15+0200", "03:30+0200"]


def test_debian_takes_a_jump_of_three_hours_for_a_clock_that_was_set() -> None:
    # Samoa skipped 30 December 2011, a jump of a day.
    days = (datetime(2011, 12, 29, 12, tzinfo=UTC), datetime(2011, 12, 31, 12, tzinfo=UTC))
    debian, systemd = (list(slots("30 5 * * *", "Pacific/Apia", policy, *days)) for policy in ("debian", "systemd"))
    assert debian == [datetime(2011, 12, 29, 15, 30, tzinfo=UTC), datetime(2011, 12, 30, 15, 30, tzinfo=UTC)]
    assert set(systemd) - set(debian) == {datetime(2011, 12, 30, 10, tzinfo=UTC)}


def test_a_start_inside_the_second_hour_of_a_fold_brings_nothing_twice() -> None:
    start = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 in Berlin, for the second time
    assert next_slots("30 2 * * *", "Europe/Berlin", "debian", start, 1) == [datetime(2026, 10, 26, 1, 30, tzinfo=UTC)]


def test_a_window_holds_its_start_and_not_its_end() -> None:
    window = (NOON, NOON + timedelta(hours=1))
    assert list(slots("0 * * * *", "UTC", "debian", *window)) == [NOON]
    assert count("*/15 * * * *", "UTC", "debian", *window) == 4


def test_next_is_after_the_moment_that_is_given() -> None:
    assert next_slots("0 * * * *", "UTC", "debian", NOON, 1) == [NOON + timedelta(hours=1)]
    assert next_slots("0 * * * *", "UTC", "debian", NOON - timedelta(microseconds=1), 1) == [NOON]
    assert next_slots("0 * * * *", "UTC", "debian", NOON + timedelta(microseconds=1), 1) == [NOON + timedelta(hours=1)]


def test_a_list_runs_at_all_its_times_and_once_where_they_meet() -> None:
    moments = next_slots(["0 13 * * *", parse("0 13,14 * * *"), "@reboot"], "UTC", "debian", NOON, 3)
    assert [slot.hour for slot in moments] == [13, 14, 13]


def test_reboot_is_an_event_without_slots() -> None:
    assert next_slots("@reboot", "Europe/Berlin", "debian", NOON, 5) == []


def test_rare_days_are_found() -> None:
    assert next_slots("0 0 29 2 *", "UTC", "debian", NOON, 1) == [datetime(2028, 2, 29, tzinfo=UTC)]
    assert next_slots("0 0 * 2 MON#5", "UTC", "debian", NOON, 1) == [datetime(2044, 2, 29, tzinfo=UTC)]


def test_day_and_weekday_are_either_but_both_behind_a_star() -> None:
    either = next_slots("0 0 1 * MON", "UTC", "debian", NOON, 3)
    assert [slot.day for slot in either] == [30, 1, 6]
    both = next_slots("0 0 */2 * MON", "UTC", "debian", NOON, 2)
    assert [(slot.month, slot.day) for slot in both] == [(4, 13), (4, 27)]


def test_busybox_wants_either_wherever_neither_names_every_day() -> None:
    moments = next_slots("0 0 */2 * MON", "UTC", "busybox", NOON, 4)
    assert [slot.day for slot in moments] == [29, 30, 31, 1]
    assert [slot.day for slot in next_slots("0 0 * * MON", "UTC", "busybox", NOON, 2)] == [30, 6]


def test_the_gate_answers_for_the_whole_minute() -> None:
    assert is_slot("30 12 * * *", "UTC", "debian", NOON.replace(minute=30, second=59, microsecond=999))
    assert not is_slot("30 12 * * *", "UTC", "debian", NOON.replace(minute=31))
    assert not is_slot("30 12 * * *", "UTC", "debian", NOON.replace(minute=29, second=59))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("0 2 * * *", "Europe/Atlantis", "debian"), "Europe/Atlantis"),
        (("0 2 * * *", "../etc/passwd", "debian"), "not an IANA time zone"),
        (("0 2 * * *", "", "debian"), "not an IANA time zone"),
        (("0 2 * * *", "UTC", "launchd"), "launchd"),
        (("H 2 * * *", "UTC", "debian"), "Resolve it"),
        (([], "UTC", "debian"), "empty"),
    ],
)
def test_what_is_unknown_is_refused(arguments: tuple[str, str, str], says: str) -> None:
    with pytest.raises(ScheduleError, match=says):
        next_slots(*arguments, NOON, 1)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ScheduleError, match="needs a time zone"):
        next_slots("0 2 * * *", "UTC", "debian", datetime(2026, 1, 1), 1)  # noqa: DTZ001 - that is the mistake


def test_clock_changes_are_found_to_the_second() -> None:
    year = (round(datetime(2026, 1, 1, tzinfo=UTC).timestamp()), round(datetime(2027, 1, 1, tzinfo=UTC).timestamp()))
    assert [(change.at, change.before, change.after) for change in changes("Europe/Berlin", *year)] == [
        (round(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp()), 3600, 7200),
        (round(datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp()), 7200, 3600),
    ]
    assert list(changes("Asia/Kolkata", *year)) == []


@given(daily, zones, instants)
@settings(max_examples=40, deadline=None)
def test_busybox_is_the_wall_clock_minute_by_minute(expression: str, zone: str, start: datetime) -> None:
    start, end = _around_a_change(zone, start)
    sim = parse(expression).sim
    assert sim is not None
    expected = follows_the_wall_clock((sim.minutes, sim.hours), zone, start, end)
    assert list(slots(expression, zone, "busybox", start, end)) == expected


@given(daily, zones, instants)
@settings(max_examples=40, deadline=None)
def test_debian_runs_fixed_times_once_and_follows_with_wildcards(expression: str, zone: str, start: datetime) -> None:
    start, end = _around_a_change(zone, start)
    schedule = parse(expression)
    assert schedule.sim is not None
    oracle = follows_the_wall_clock if schedule.follows else made_up_for
    expected = oracle((schedule.sim.minutes, schedule.sim.hours), zone, start, end)
    assert list(slots(expression, zone, "debian", start, end)) == expected


@given(expressions, zones, instants)
@settings(max_examples=300, deadline=None)
def test_debian_agrees_with_cronsim(expression: str, zone: str, start: datetime) -> None:
    expected = _by_cronsim(expression, zone, start, 4)
    assert next_slots(expression, zone, "debian", start, 4)[: len(expected)] == expected


@given(expressions, instants)
@settings(max_examples=100, deadline=None)
def test_croniter_agrees_where_no_clock_changes(expression: str, start: datetime) -> None:
    *_, day, _, weekday = parse(expression).fields
    assume("*" in (day, weekday))  # croniter joins `*/2` and a weekday with "or", cron(8) with "and"
    assume(not re.search(r"\b(\d+)-\1\b", expression))  # croniter reads 0-0 as a star
    iterator = croniter(expression, start)
    expected = [iterator.get_next(datetime) for _ in range(5)]
    assert next_slots(expression, "UTC", "debian", start, 5) == expected


@given(expressions, zones, st.sampled_from(POLICIES), instants)
@settings(max_examples=100, deadline=None)
def test_a_window_is_the_sum_of_its_parts(expression: str, zone: str, policy: str, start: datetime) -> None:
    start, end = _around_a_change(zone, start)
    middle = start + (end - start) / 2
    whole = list(slots(expression, zone, policy, start, end))
    halves = [*slots(expression, zone, policy, start, middle), *slots(expression, zone, policy, middle, end)]
    assert whole == halves == sorted(set(whole))


@given(st.text(max_size=12))
def test_h_lands_where_its_seed_says(name: str) -> None:
    expression = resolve("H H(1-5) * * *", name)
    assert expression == resolve("H H(1-5) * * *", name)
    assert next_slots(expression, "UTC", "debian", NOON, 1)[0].hour in range(1, 6)


def _around_a_change(zone: str, start: datetime) -> tuple[datetime, datetime]:
    """Three days around the zone's next clock change, or from the start if there is none."""
    begin = round(start.timestamp())
    change = next(changes(zone, begin, begin + 366 * 86400), None)
    if change is None:
        return start, start + timedelta(days=2)
    at = datetime.fromtimestamp(change.at, UTC)
    return at - timedelta(hours=30), at + timedelta(hours=30)


def _by_cronsim(expression: str, zone: str, start: datetime, number: int) -> list[datetime]:
    """cronsim's slots, up to its first fault: it names times that do not exist, and skips in zones with half hours."""
    local = ZoneInfo(zone)
    moments: list[datetime] = []
    for slot in islice(CronSim(expression, start.astimezone(local)), number):
        moment = slot.astimezone(UTC)
        if moment.astimezone(local).replace(tzinfo=None) != slot.replace(tzinfo=None) or zone == "Australia/Lord_Howe":
            break
        if moment > start:
            moments.append(moment)
    return moments
