"""Recurring windows as Alertmanager has them, also on the nights of clock changes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from contract.policy import decode
from contract.time_intervals import AHEAD, TimeInterval, changes_at, holds

UTC = timezone.utc


def intervals(text: str) -> tuple[TimeInterval, ...]:
    decoded = decode(f"maintenance: [{{during: [{text}]}}]".encode())
    assert decoded.policy is not None, decoded.errors
    return decoded.policy.maintenance[0].during


@pytest.mark.parametrize(
    ("text", "at", "inside"),
    [
        ('{times: [{start_time: "22:00", end_time: "24:00"}]}', "2026-11-23T21:59:59", False),
        ('{times: [{start_time: "22:00", end_time: "24:00"}]}', "2026-11-23T22:00:00", True),
        ('{times: [{start_time: "22:00", end_time: "24:00"}]}', "2026-11-23T23:59:59", True),
        ('{times: [{start_time: "22:00", end_time: "24:00"}]}', "2026-11-24T00:00:00", False),
        ("{weekdays: [saturday, sunday]}", "2026-11-28T12:00", True),
        ("{weekdays: monday:friday}", "2026-11-28T12:00", False),
        ("{weekdays: sunday:tuesday}", "2026-11-24T12:00", True),  # Alertmanager's weeks begin on Sunday
        ("{weekdays: friday:monday}", "2026-11-25T12:00", False),
        ("{days_of_month: [1]}", "2026-11-01T00:00", True),
        ("{days_of_month: ['31']}", "2026-11-30T12:00", False),
        ("{days_of_month: ['29:31']}", "2026-02-28T12:00", False),
        ("{days_of_month: ['-1']}", "2026-02-28T12:00", True),
        ("{days_of_month: ['-3:-1']}", "2028-02-26T12:00", False),
        ("{days_of_month: ['-3:-1']}", "2028-02-27T12:00", True),
        ("{days_of_month: ['25:-1']}", "2026-11-25T12:00", True),
        ("{months: [december]}", "2026-11-30T23:59", False),
        ("{months: ['11:2']}", "2026-01-15T12:00", True),
        ("{months: june:august, years: [2027]}", "2026-07-01T12:00", False),
        ("{years: ['2026:2027']}", "2026-07-01T12:00", True),
        ("{weekdays: [monday], location: Europe/Berlin}", "2026-11-22T23:30", True),  # 00:30 on Monday in Berlin
        ("{days_of_month: ['-1'], location: Pacific/Kiritimati}", "2026-11-29T11:00", True),
        # In Chile, the clock goes back at the end of 31 March 2029: that day has 25 hours.
        ("{days_of_month: ['-1'], location: America/Santiago}", "2029-04-01T02:30", True),
        # In Europe, the last Sunday of March 2030 is the 31st: the last day of its month, with 23 hours.
        ("{days_of_month: ['-1'], location: Europe/Berlin}", "2030-03-31T21:59", True),
        ("{days_of_month: ['-1'], location: Europe/Berlin}", "2030-03-31T22:00", False),
        ('{times: [{start_time: "02:00", end_time: "03:00"}], location: Europe/Berlin}', "2026-10-25T00:30", True),
        ('{times: [{start_time: "02:00", end_time: "03:00"}], location: Europe/Berlin}', "2026-10-25T01:30", True),
        ('{times: [{start_time: "02:00", end_time: "03:00"}], location: Europe/Berlin}', "2026-03-29T01:00", False),
        ("{}", "2026-07-01T12:00", True),
    ],
)
def test_what_is_inside(text: str, at: str, inside: bool) -> None:
    assert holds(intervals(text), datetime.fromisoformat(at).replace(tzinfo=UTC)) == inside


NIGHT = '{weekdays: [sunday], times: [{start_time: "02:00", end_time: "04:00"}], location: Europe/Berlin}'


@pytest.mark.parametrize(
    ("text", "at", "changes"),
    [
        (NIGHT, "2026-11-29T01:30", "2026-11-29T03:00"),
        (NIGHT, "2026-11-28T12:00", "2026-11-29T01:00"),
        (NIGHT, "2026-10-25T00:30", "2026-10-25T03:00"),  # the hour from 02:00 comes twice
        (NIGHT, "2026-03-29T01:30", "2026-03-29T02:00"),  # the hour from 02:00 does not come
        (NIGHT, "2026-11-24T12:00", "2026-11-26T12:00"),  # further away than what is looked at
        ("{months: [december], location: Asia/Kathmandu}", "2026-11-30T12:00", "2026-11-30T18:15"),
        ("{weekdays: [monday]}, {weekdays: [tuesday]}", "2026-11-23T12:00", "2026-11-25T00:00"),
        ("{days_of_month: ['-1'], location: America/Santiago}", "2029-03-31T12:00", "2029-04-01T03:00"),
    ],
)
def test_when_it_changes(text: str, at: str, changes: str) -> None:
    found = changes_at(intervals(text), datetime.fromisoformat(at).replace(tzinfo=UTC))
    assert found.replace(tzinfo=None) == datetime.fromisoformat(changes)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo", "UTC"])
@pytest.mark.parametrize("begin", ["2026-03-27", "2026-10-23", "2026-04-03", "2026-09-04", "2026-10-02"])
def test_when_it_changes_is_what_a_look_at_each_minute_finds(zone: str, begin: str) -> None:
    text = f'{{times: [{{start_time: "00:00", end_time: "02:30"}}], days_of_month: ["-1", "2:6"], location: {zone}}}'
    some, now = intervals(text), datetime.fromisoformat(begin).replace(tzinfo=UTC)
    minutes = [now + timedelta(minutes=number) for number in range(1, int(AHEAD.total_seconds() // 60))]
    first = next((at for at in minutes if holds(some, at) != holds(some, now)), now + AHEAD)
    assert changes_at(some, now) == first


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{weekdays: [caturday]}", "is not a weekday such as saturday"),
        ("{days_of_month: ['0']}", "is not a day from 1 to 31"),
        ("{days_of_month: ['-1:5']}", "is not a day from 1 to 31"),
        ("{days_of_month: ['9:3']}", "is not a day from 1 to 31"),
        ("{months: [13]}", "is not a month such as december"),
        ("{years: ['2028:2027']}", "is not a year"),
        ('{times: [{start_time: "22:00", end_time: "02:00"}]}', "must be later than `start_time`"),
        ('{times: [{start_time: "7:00", end_time: "24:00"}]}', "'7:00' is not HH:MM"),
        ('{times: [{start_time: "00:00", end_time: "24:01"}]}', "is not a time of day"),
        ("{location: Mars/Olympus}", "Mars/Olympus"),
        ("{weekdays: [[1]]}", "must be days of the week"),
        ("{day: monday}", "is not a field"),
    ],
)
def test_what_is_refused(text: str, words: str) -> None:
    errors = decode(f"maintenance: [{{during: [{text}]}}]".encode()).errors
    assert errors
    assert words in errors[0].message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{reason: x}", "never ends"),
        ('{from: "2026-01-02T00:00:00Z", until: "2026-01-01T00:00:00Z"}', "must be later than `from`"),
        ("{during: []}", "must have 1 to 20 entries"),
    ],
)
def test_a_maintenance_that_cannot_be(text: str, words: str) -> None:
    (error, *_) = decode(f"maintenance: [{text}]".encode()).errors
    assert words in error.message


def test_a_maintenance_ends_with_its_window_or_with_its_last_day() -> None:
    text: Any = f'maintenance: [{{until: "2026-11-29T02:30:00Z", during: [{NIGHT}], reason: disks}}]'
    policy = decode(text.encode()).policy
    assert policy is not None
    (work,) = policy.maintenance
    at = datetime(2026, 11, 29, 1, 30, tzinfo=UTC)
    assert work.ends(at) == at + timedelta(hours=1)
    assert [work.holds(at), work.holds(at + timedelta(hours=1)), work.holds(at - timedelta(hours=1))] == [
        True,
        False,
        False,
    ]
