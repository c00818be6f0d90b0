"""What the Job page says: its thirty days, its durations, its neighbours, its hosts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import wire
from crontopus_app.monitoring.stats import PastRun, StatusCount
from crontopus_app.queries.calendar import SameStart
from crontopus_app.queries.plans import EndpointPlan, Plan
from crontopus_app.ui.job import history_strip, rows
from crontopus_app.ui.kit.durations import durations
from crontopus_app.ui.kit.forecast import Forecast
from tests.cast import NOON
from tests.ui.test_kit import JOB, RUN

DAY = timedelta(days=1)
SLOTS = [NOON - back * DAY for back in (3, 2, 1)]
DETAIL = wire.JobDetail(JOB, None, "", True, [], [], "0" * 40, None)


def run(at: datetime, status: str = "success", slot: datetime | None = None, name: str = "r") -> PastRun:
    return PastRun(name, status, (), slot, at)


def test_a_slot_has_the_colour_of_its_run_and_leads_to_it() -> None:
    cells = history_strip.by_slot(SLOTS, [run(SLOTS[1] + timedelta(seconds=2), "failed", SLOTS[1], "r7")], "UTC", NOON)
    assert [cell.state for cell in cells] == ["none", "failed", "none"]
    assert cells[1].title == "Sat 21 Nov 12:00 · failed"
    assert (cells[0].href, cells[1].href) == ("", "/runs/r7")


def test_a_slot_without_a_run_is_not_called_missed() -> None:
    assert history_strip.by_slot(SLOTS, [], "UTC", NOON)[0] == history_strip.Cell(
        "none", "Fri 20 Nov 12:00 · no run was reported"
    )


def test_what_an_evaluator_called_missed_is_missed() -> None:
    assert history_strip.by_slot(SLOTS, [run(SLOTS[0], "missed", SLOTS[0])], "UTC", NOON)[0].state == "missed"


def test_a_slot_that_has_just_come_is_not_yet_without_a_run() -> None:
    assert len(history_strip.by_slot([*SLOTS, NOON], [], "UTC", NOON + timedelta(seconds=30))) == 3
    assert len(history_strip.by_slot([*SLOTS, NOON], [], "UTC", NOON + timedelta(minutes=3))) == 4


def test_of_several_hosts_the_worst_wins_and_all_are_counted() -> None:
    found = [run(SLOTS[0], status, SLOTS[0], status) for status in ("success", "success", "timeout")]
    cell = history_strip.by_slot(SLOTS[:1], found, "UTC", NOON)[0]
    assert (cell.state, cell.href) == ("failed", "/runs/timeout")
    assert cell.title == "Fri 20 Nov 12:00 · 2 success, 1 timeout"


@pytest.mark.parametrize(("delay", "cells"), [(0, 3), (600, 3), (-3600, 3)])
def test_a_run_that_names_no_slot_belongs_to_the_one_before_it(delay: int, cells: int) -> None:
    found = history_strip.by_slot(SLOTS, [run(SLOTS[1] + timedelta(seconds=delay))], "UTC", NOON)
    assert len(found) == cells
    assert [cell.state for cell in found].index("ok") == (0 if delay < 0 else 1)


def test_a_run_from_before_the_schedule_was_what_it_is_has_a_cell_of_its_own() -> None:
    early = SLOTS[0] - timedelta(hours=5)
    found = history_strip.by_slot(SLOTS, [run(early, slot=early), run(early - DAY)], "UTC", NOON)
    assert [cell.state for cell in found] == ["ok", "ok", "none", "none", "none"]


def test_the_wall_clock_is_that_of_the_job() -> None:
    assert history_strip.by_slot(SLOTS[:1], [], "Europe/Berlin", NOON)[0].title.startswith("Fri 20 Nov 13:00")


def test_days_are_those_of_the_jobs_calendar() -> None:
    bounds = history_strip.days(NOON, "Europe/Berlin")
    assert len(bounds) == history_strip.DAYS + 1
    assert bounds[-2] == datetime(2026, 11, 22, 23, tzinfo=UTC)
    assert bounds[0] == datetime(2026, 10, 24, 22, tzinfo=UTC), "summer time"


def test_a_day_has_the_colour_of_its_worst_run() -> None:
    bounds = history_strip.days(NOON, "UTC")
    found = [
        StatusCount(bounds[-2], "success", 1438),
        StatusCount(bounds[-2], "failed", 2, "r9"),
        StatusCount(bounds[-4], "success", 7),
    ]
    cells = history_strip.by_day(found, bounds, "UTC", "/runs?job=x")
    assert [cell.state for cell in cells] == ["ok", "none", "failed"], "from the first day with a run on"
    assert cells[2] == history_strip.Cell("failed", "Mon 23 Nov · 1,438 success, 2 failed", "/runs/r9")
    assert cells[0].href == "/runs?job=x&since=2026-11-21T00:00Z&until=2026-11-22T00:00Z"


def test_without_a_run_there_are_no_days() -> None:
    assert history_strip.by_day([], history_strip.days(NOON, "UTC"), "UTC", "") == []


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({}, ""),
        ({"running": 3, "skipped": 1}, ""),
        ({"success": 3}, "success 100.0 %"),
        ({"success": 99_999, "failed": 1}, "success 99.9 %"),
        ({"success": 28, "timeout": 1, "missed": 1}, "success 93.3 %"),
    ],
)
def test_success_is_a_share_of_what_ended_or_was_missed(counts: dict[str, int], said: str) -> None:
    assert history_strip.success(Counter(counts)) == said


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_strip_has_a_place_for_every_cell(expected: int, cells: int) -> None:
    assert history_strip.columns(expected, cells) >= cells


def test_a_bar_a_run_with_lines_at_the_percentiles_and_the_limit() -> None:
    made = durations([replace(RUN, duration_s=float(took)) for took in range(1, 101)], 120.0)
    assert len(made.bars) == 60
    assert [(mark.name, mark.text, mark.at) for mark in made.marks] == [
        ("p50", "1:10", "58.3%"), ("p95", "1:37", "80.8%"), ("limit", "2:00", "100.0%"),
    ]  # fmt: skip
    assert made.bars[-1].height == "83.3%"
    assert made.label.startswith("How long the last 60 runs took: half of them took at most 1:10")


def test_a_limit_far_above_all_bars_does_not_press_them_flat() -> None:
    made = durations([RUN], 3600.0)
    assert made.bars[0].height == "100.0%"
    assert [mark.name for mark in made.marks] == ["p50", "p95"]
    assert made.summary == "last 1 run · limit 1:00:00, far above"


def test_what_has_not_ended_has_no_bar() -> None:
    assert durations([replace(RUN, duration_s=None)]).bars == ()
    assert durations([replace(RUN, duration_s=0.0)], 0.0).bars[0].height == "2.0%"


@pytest.mark.parametrize(
    ("current", "hosts", "said"),
    [
        (0, 0, ""),
        (1, 1, "as in Git"),
        (0, 1, "as in Git on 0 of 1"),
        (3, 3, "as in Git on all 3"),
        (2, 3, "as in Git on 2 of 3"),
    ],
)
def test_whether_git_is_in_force(current: int, hosts: int, said: str) -> None:
    assert rows.installed(current, hosts) == said


def test_a_runbook_that_is_no_web_address_is_no_link() -> None:
    for told, shown in (("https://wiki/x", "https://wiki/x"), ("javascript:alert(1)", ""), ("see wiki", "")):
        detail = replace(DETAIL, manifest={"annotations": {"owner": "ops", "runbook": told}})
        assert (rows.head(detail, 1, 1).runbook, rows.head(detail, 1, 1).owner) == (shown, "ops")


@pytest.mark.parametrize(
    ("manifest", "seconds"),
    [(None, None), ({}, None), ({"checkin": {}}, None), ({"checkin": {"maxRuntime": "1h30m"}}, 5400.0),
     ({"checkin": {"maxRuntime": "soon"}}, None)],
)  # fmt: skip
def test_the_limit_is_the_manifests(manifest: dict[str, object] | None, seconds: float | None) -> None:
    assert rows.limit_s(replace(DETAIL, manifest=manifest)) == seconds


CROWD = SameStart("db01", NOON, ("production/a", "staging/b"), NOON + timedelta(minutes=25), "25 13 * * *")


def test_neighbours_are_told_with_a_quieter_slot_to_take() -> None:
    told = rows.ahead(JOB, Forecast(), "Europe/Berlin", CROWD)
    assert told.crowd == "a, b start at 13:00 on db01 too."
    assert (told.quieter, told.schedule) == ("13:25", "25 13 * * *")
    assert (told.there, told.utc) == ("23 Nov 13:00", "12:00")


def test_many_neighbours_are_counted_and_none_are_not_told() -> None:
    many = replace(CROWD, names=tuple(f"p/j{n}" for n in range(5)), quieter=None, schedule="")
    told = rows.ahead(JOB, Forecast(), "UTC", many)
    assert (told.crowd, told.quieter) == ("j0, j1, j2 and 2 more start at 12:00 on db01 too.", "")
    assert rows.ahead(JOB, Forecast(), "UTC", replace(CROWD, names=("p/a",))).crowd == "a starts at 12:00 on db01 too."
    assert rows.ahead(JOB, Forecast(), "", CROWD).crowd == rows.ahead(JOB, Forecast(), "UTC", None).crowd == ""


def test_a_run_is_told_by_its_slot_in_the_jobs_zone() -> None:
    line = rows.run_line(replace(RUN, flags=["too_fast"], status="failed", exit_code=2), "the end", "Europe/Berlin")
    assert (line.slot, line.delay, line.more, line.output) == ("23 Nov 13:00", "+0.0 s", "exit 2 · too fast", "the end")
    assert rows.run_line(RUN, "", "").more == "", "a success needs no exit code"
    assert rows.run_line(replace(RUN, status="running"), "", "").running_since == NOON.isoformat()


def plan(**actions: str) -> Plan:
    endpoints = [EndpointPlan(name, name, action) for name, action in actions.items()]
    return Plan("production", "backup", "update", [], [], endpoints, [], [])


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (plan(), "No host's crontab changes."),
        (plan(db01="none"), "No host's crontab changes."),
        (plan(db01="update"), "Changes its line on db01 with the next pass."),
        (
            plan(a="create", b="delete", c="delete"),
            "Adds its line on a, removes its line on 2 hosts with the next pass.",
        ),
        (
            replace(plan(), action="invalid", errors=[wire.Problem("x", "It is bad.")]),
            "It cannot be restored: It is bad.",
        ),
    ],
)
def test_what_restoring_does_to_the_hosts(made: Plan, said: str) -> None:
    assert rows.planned(made) == said
