"""The one state machine: a table, and what holds of any events."""

from __future__ import annotations

from datetime import timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crontopus_app.monitoring.state import (
    HEALTH,
    Event,
    JobPresent,
    JobRemoved,
    MonitorState,
    RunChanged,
    RunsExamined,
    after,
    badness,
    without,
    worst,
)
from tests.cast import NOON

STATUSES = ("running", "success", "failed", "timeout", "lost", "skipped", "missed")


def ran(status: str, minutes: int = 0, run_id: str = "") -> RunChanged:
    return RunChanged(run_id or f"r{minutes}", status, NOON + timedelta(minutes=minutes))


def end(*events: Event) -> MonitorState:
    return reduce(after, events, MonitorState())


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], "waiting"),
        ([ran("success")], "ok"),
        ([ran("failed")], "failing"),
        ([ran("timeout")], "failing"),
        ([ran("lost")], "failing"),
        # What says nothing changes nothing.
        ([ran("running")], "waiting"),
        ([ran("skipped")], "waiting"),
        ([ran("failed"), ran("skipped", 1)], "failing"),
        ([ran("failed"), ran("running", 1)], "failing"),
        ([ran("success"), ran("missed", 1)], "missed"),
        ([ran("missed"), ran("success", 1)], "ok"),
        ([ran("failed"), ran("missed", 1)], "missed"),
        # The run that began last counts, whatever becomes of it and whenever it is told.
        ([ran("failed", 1), ran("success", 0)], "failing"),
        ([ran("success", 0), ran("failed", 1)], "failing"),
        ([ran("success", 0), ran("failed", 0, "other")], "failing"),
        ([ran("failed", 1, "a"), ran("success", 0, "a")], "ok"),
        # A job that rests hides what it is, one that comes back is what it was.
        ([JobPresent(resting=True)], "paused"),
        ([JobPresent(resting=True), ran("failed")], "paused"),
        ([JobPresent(resting=True), ran("failed"), JobPresent()], "failing"),
        ([ran("failed"), ran("skipped", 1), JobPresent(resting=True), JobPresent()], "failing"),
        ([ran("lost"), JobPresent(resting=True), JobPresent()], "failing"),
        ([ran("success"), ran("running", 1), JobPresent(resting=True), JobPresent()], "ok"),
        ([ran("success"), JobRemoved()], "retired"),
        ([ran("success"), JobRemoved(), ran("failed", 1)], "retired"),
        ([ran("success"), JobRemoved(), ran("failed", 1), JobPresent()], "failing"),
        ([JobRemoved(), JobPresent()], "waiting"),
        ([JobRemoved(), JobPresent(resting=True)], "paused"),
        # A run that takes too long shows unless the health is worse, until the runs are examined again.
        ([RunsExamined("stuck")], "stuck"),
        ([ran("success"), RunsExamined("late")], "late"),
        ([ran("success"), RunsExamined("stuck"), RunsExamined("late")], "late"),
        ([ran("missed"), RunsExamined("late")], "missed"),
        ([ran("missed"), RunsExamined("stuck")], "stuck"),
        ([ran("failed"), RunsExamined("stuck")], "failing"),
        ([ran("success"), RunsExamined("stuck"), RunsExamined()], "ok"),
        ([ran("running"), RunsExamined("stuck"), ran("success", 1)], "stuck"),
        ([ran("running"), RunsExamined("stuck"), ran("success", 1), RunsExamined()], "ok"),
        ([ran("success"), RunsExamined("stuck"), JobPresent()], "stuck"),
        ([ran("success"), RunsExamined("stuck"), JobPresent(resting=True)], "paused"),
        ([JobPresent(resting=True), RunsExamined("stuck")], "paused"),
        ([JobRemoved(), RunsExamined("stuck")], "retired"),
    ],
)
def test_what_events_make_of_a_monitor(events: list[Event], state: str) -> None:
    assert end(*events).state == state


@given(st.lists(st.sampled_from([RunsExamined("stuck"), RunsExamined("late"), RunsExamined()]), max_size=4), st.data())
def test_what_takes_too_long_never_changes_the_health(examined: list[Event], data: st.DataObject) -> None:
    events = data.draw(EVENTS)
    mixed = data.draw(st.permutations([*events, *examined]))
    without_them = [each for each in mixed if not isinstance(each, RunsExamined)]
    standing = end(*mixed, RunsExamined())
    assert standing == end(*without_them)


RUNS = st.builds(ran, st.sampled_from(STATUSES), st.integers(0, 5))
EVENTS = st.lists(RUNS | st.builds(JobPresent, st.booleans()) | st.just(JobRemoved()), max_size=12)


@given(EVENTS)
def test_resting_loses_nothing(events: list[Event]) -> None:
    """The health is what the runs alone make it; the state is it, unless the job rests or is gone."""
    standing, runs = end(*events), end(*(one for one in events if isinstance(one, RunChanged)))
    assert (standing.health, standing.last_run_id, standing.last_run_status, standing.last_run_at) == (
        runs.health,
        runs.last_run_id,
        runs.last_run_status,
        runs.last_run_at,
    )
    told = [one for one in events if not isinstance(one, RunChanged)]
    hidden = told and (isinstance(told[-1], JobRemoved) or (isinstance(told[-1], JobPresent) and told[-1].resting))
    assert standing.state == (
        ("retired" if isinstance(told[-1], JobRemoved) else "paused") if hidden else standing.health
    )


@given(EVENTS, st.data())
def test_a_repeat_changes_nothing(events: list[Event], data: st.DataObject) -> None:
    again = [each for each in events for _ in range(data.draw(st.integers(1, 2)))]
    assert end(*again) == end(*events)


TOLD = [ran("failed", 0), ran("success", 1), ran("timeout", 2), ran("success", 3), ran("skipped", 4), ran("running", 5)]


@given(st.permutations(TOLD))
def test_runs_may_be_told_in_any_order(events: list[RunChanged]) -> None:
    """The latest that has ended gives the health, although later ones run or were skipped."""
    at = NOON + timedelta(minutes=3)
    assert end(*events) == MonitorState("ok", "ok", "r3", at, "r5", "running", NOON + timedelta(minutes=5))


@given(st.permutations(TOLD), st.booleans())
def test_a_run_that_never_was_leaves_no_trace(events: list[RunChanged], paused: bool) -> None:
    told = [*events, ran("missed", 6, "gone"), *([JobPresent(resting=True)] if paused else [])]
    kept = [*events, *([JobPresent(resting=True)] if paused else [])]
    others = [run for run in TOLD if run.status in HEALTH]
    left, expected = without(end(*told), "gone", others), end(*kept)
    assert (left.state, left.health, left.health_run_id) == (expected.state, expected.health, expected.health_run_id)
    assert without(expected, "gone", others) == expected


def test_the_worst_state_comes_first() -> None:
    assert worst(["ok", "failing", "late"]) == "failing"
    assert worst(["paused", "ok"]) == "ok"
    assert badness("never heard of") == badness("unknown")
