"""Reports of agents become the lines that were installed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from crontopus_app.monitoring.installed import InstalledLine, dump, load, reported, unsettled
from tests.cast import NOON

HOUR = timedelta(hours=1)
LINE = InstalledLine(NOON, None, ("0 2 * * *",), "UTC", "debian")


def test_a_first_report_opens_a_line_at_its_receipt() -> None:
    assert reported((), replace(LINE, since=NOON - HOUR), NOON) == (LINE,)


def test_a_repeated_report_changes_nothing() -> None:
    assert reported((LINE,), replace(LINE, since=NOON + HOUR), NOON + HOUR) == (LINE,)


def test_another_line_ends_the_first_one() -> None:
    later = NOON + HOUR
    for other in (
        replace(LINE, schedule=("0 3 * * *",)),
        replace(LINE, zone="Europe/Berlin"),
        replace(LINE, policy="busybox"),
    ):
        assert reported((LINE,), other, later) == (replace(LINE, until=later), replace(other, since=later))


def test_a_removed_line_ends_and_may_come_back() -> None:
    removed = reported((LINE,), None, NOON + HOUR)
    assert removed == (replace(LINE, until=NOON + HOUR),)
    assert reported(removed, None, NOON + 2 * HOUR) == removed
    assert reported(removed, LINE, NOON + 2 * HOUR) == (*removed, replace(LINE, since=NOON + 2 * HOUR))


def test_lines_whose_slots_are_settled_are_forgotten() -> None:
    lines = (replace(LINE, until=NOON + HOUR), replace(LINE, since=NOON + HOUR))
    assert unsettled(lines, None) == unsettled(lines, NOON) == lines
    assert unsettled(lines, NOON + HOUR) == lines[1:]


def test_lines_survive_their_column() -> None:
    lines = (replace(LINE, until=NOON + HOUR), replace(LINE, since=NOON + HOUR, schedule=("@daily", "0 4 * * *")))
    assert load(dump(lines)) == lines
