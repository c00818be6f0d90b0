"""Rows of the Job page: history strip, durations, jobs at the same time, hosts."""

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


def test_a_slot_has_the_colour_of_its_run_and_links_to_it() -> None:
    cells = history_strip.by_slot(SLOTS, [run(SLOTS[1] + timedelta(seconds=2), "failed", SLOTS[1], "r7")], "UTC", NOON)
    assert [cell.state for cell in cells] == ["none", "failed", "none"]
    assert cells[1].title == "Sat 21 Nov 12:00 · failed"
    assert (cells[0].href, cells[1].href) == ("", "/runs/r7")


def test_a_slot_without_a_run_is_not_called_missed() -> None:
    assert history_strip.by_slot(SLOTS, [], "UTC", NOON)[0] == history_strip.Cell(
        "none", "Fri 20 Nov 12:00 · no run reported"
    )


def test_a_missed_run_is_shown_as_missed() -> None:
    assert history_strip.by_slot(SLOTS, [run(SLOTS[0], "missed", SLOTS[0])], "UTC", NOON)[0].state == "missed"


def test_a_slot_counts_as_without_a_run_only_after_the_grace_time() -> None:
    assert len(history_strip.by_slot([*SLOTS, NOON], [], "UTC", NOON + timedelta(seconds=30))) == 3
    assert len(history_strip.by_slot([*SLOTS, NOON], [], "UTC", NOON + timedelta(minutes=3))) == 4


def test_a_slot_on_several_hosts_shows_the_worst_run_and_counts_all() -> None:
    found = [run(SLOTS[0], status, SLOTS[0], status) for status in ("success", "success", "timeout")]
    cell = history_strip.by_slot(SLOTS[:1], found, "UTC", NOON)[0]
    assert (cell.state, cell.href) == ("failed", "/runs/timeout")
    assert cell.title == "Fri 20 Nov 12:00 · 2 success, 1 timeout"


@pytest.mark.parametrize(("delay", "cells"), [(0, 3), (600, 3), (-3600, 3)])
def test_a_run_without_a_slot_belongs_to_the_last_slot_before_it(delay: int, cells: int) -> None:
    found = history_strip.by_slot(SLOTS, [run(SLOTS[1] + timedelta(seconds=delay))], "UTC", NOON)
    assert len(found) == cells
    assert [cell.state for cell in found].index("ok") == (0 if delay < 0 else 1)


def test_a_run_of_an_earlier_schedule_has_a_cell_of_its_own() -> None:
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
    ("counts", "text"),
    [
        ({}, ""),
        ({"running": 3, "skipped": 1}, ""),
        ({"success": 3}, "success 100.0 %"),
        ({"success": 99_999, "failed": 1}, "success 99.9 %"),
        ({"success": 28, "timeout": 1, "missed": 1}, "success 93.3 %"),
    ],
)
def test_success_is_the_share_of_ended_and_missed_runs(counts: dict[str, int], text: str) -> None:
    assert history_strip.success(Counter(counts)) == text


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
    assert made.label.startswith("Durations of the last 60 runs: median 1:10")


def test_a_limit_far_above_all_bars_does_not_flatten_them() -> None:
    made = durations([RUN], 3600.0)
    assert made.bars[0].height == "100.0%"
    assert [mark.name for mark in made.marks] == ["p50", "p95"]
    assert made.summary == "last 1 run · limit 1:00:00, far above"


def test_a_running_run_has_no_bar() -> None:
    assert durations([replace(RUN, duration_s=None)]).bars == ()
    assert durations([replace(RUN, duration_s=0.0)], 0.0).bars[0].height == "2.0%"


@pytest.mark.parametrize(
    ("current", "hosts", "text"),
    [
        (0, 0, ""),
        (1, 1, "crontab matches Git"),
        (0, 1, "installed on 0 of 1 host"),
        (3, 3, "crontab matches Git on all 3 hosts"),
        (2, 3, "installed on 2 of 3 hosts"),
    ],
)
def test_whether_the_crontabs_match_git(current: int, hosts: int, text: str) -> None:
    assert rows.installed(current, hosts) == text


def test_the_head_says_what_the_job_does() -> None:
    manifest = {"command": "backup --all", "args": ["two words"], "labels": {"team": "db", "env": "prod"}}
    head = rows.head(replace(DETAIL, manifest=manifest | {"annotations": {"description": "Dumps the shop."}}), 1, 1)
    assert (head.command, head.description) == ("backup --all 'two words'", "Dumps the shop.")
    assert head.labels == ("env=prod", "team=db")


def test_only_a_runbook_with_a_web_address_is_a_link() -> None:
    for runbook, shown in (("https://wiki/x", "https://wiki/x"), ("javascript:alert(1)", ""), ("see wiki", "")):
        detail = replace(DETAIL, manifest={"annotations": {"owner": "ops", "runbook": runbook}})
        assert (rows.head(detail, 1, 1).runbook, rows.head(detail, 1, 1).owner) == (shown, "ops")


@pytest.mark.parametrize(
    ("manifest", "seconds"),
    [(None, None), ({}, None), ({"checkin": {}}, None), ({"checkin": {"maxRuntime": "1h30m"}}, 5400.0),
     ({"checkin": {"maxRuntime": "soon"}}, None)],
)  # fmt: skip
def test_the_limit_comes_from_the_manifest(manifest: dict[str, object] | None, seconds: float | None) -> None:
    assert rows.limit_s(replace(DETAIL, manifest=manifest)) == seconds


CROWD = SameStart("db01", NOON, ("production/a", "staging/b"), NOON + timedelta(minutes=25), "25 13 * * *")


def test_jobs_at_the_same_time_are_named_with_a_quieter_time() -> None:
    ahead = rows.ahead(JOB, Forecast(), "Europe/Berlin", CROWD)
    assert ahead.crowd == "a, b also start at 13:00 on db01."
    assert (ahead.quieter, ahead.schedule) == ("13:25", "25 13 * * *")
    assert (ahead.there, ahead.utc) == ("23 Nov 13:00 Europe/Berlin", "12:00")


def test_many_jobs_at_the_same_time_are_counted() -> None:
    many = replace(CROWD, names=tuple(f"p/j{n}" for n in range(5)), quieter=None, schedule="")
    ahead = rows.ahead(JOB, Forecast(), "UTC", many)
    assert (ahead.crowd, ahead.quieter) == ("j0, j1, j2 and 2 more also start at 12:00 on db01.", "")
    assert rows.ahead(JOB, Forecast(), "UTC", replace(CROWD, names=("p/a",))).crowd == "a also starts at 12:00 on db01."
    assert rows.ahead(JOB, Forecast(), "", CROWD).crowd == rows.ahead(JOB, Forecast(), "UTC", None).crowd == ""


def test_utc_is_not_repeated_where_the_jobs_zone_has_the_same_clock() -> None:
    ahead = rows.ahead(JOB, Forecast(), "UTC", None)
    assert (ahead.there, ahead.utc) == ("23 Nov 12:00 UTC", "")


def test_a_run_shows_its_scheduled_time_in_the_jobs_zone() -> None:
    line = rows.run_line(replace(RUN, flags=["too_fast"], status="failed", exit_code=2), "the end", "Europe/Berlin")
    assert (line.slot, line.delay, line.more, line.output) == ("23 Nov 13:00", "+0.0 s", "exit 2 · too fast", "the end")
    assert rows.run_line(RUN, "", "").more == "", "a success needs no exit code"
    assert rows.run_line(replace(RUN, status="running"), "", "").running_since == NOON.isoformat()


def plan(**actions: str) -> Plan:
    endpoints = [EndpointPlan(name, name, action) for name, action in actions.items()]
    return Plan("production", "backup", "update", [], [], endpoints, [], [])


@pytest.mark.parametrize(
    ("planned", "text"),
    [
        (plan(), "No host's crontab changes."),
        (plan(db01="none"), "No host's crontab changes."),
        (plan(db01="update"), "Changes 1 crontab line on db01 at the next sync (seconds)."),
        (
            plan(a="create", b="delete", c="delete"),
            "Adds 1 crontab line on a, removes 1 crontab line on 2 hosts at the next sync (seconds).",
        ),
        (
            replace(plan(), action="invalid", errors=[wire.Problem("x", "It is bad.")]),
            "This version cannot be restored: It is bad.",
        ),
    ],
)
def test_the_effect_of_restoring_on_the_hosts(planned: Plan, text: str) -> None:
    assert rows.planned(planned) == text
