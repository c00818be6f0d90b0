"""When an incident is open, from the runs and the manifest's ``alerts`` alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.manifest_types import Alerts
from crontopus_app.alerts.conditions import AMONG, EndedRun, assess, overdue
from tests.cast import NOON

STATUSES = {"g": "success", "f": "failed", "t": "timeout", "l": "lost", "m": "missed"}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def runs(oldest_first: str, apart: timedelta = HOUR) -> list[EndedRun]:
    """Runs up to noon, newest first; a letter each: good, failed, timeout, lost, missed."""
    ended = [
        EndedRun(str(number), STATUSES[letter], NOON - apart * (len(oldest_first) - 1 - number))
        for number, letter in enumerate(oldest_first)
    ]
    return ended[::-1]


@pytest.mark.parametrize(
    ("letters", "alerts", "cause"),
    [
        ("", Alerts(), ""),
        ("g", Alerts(), ""),
        ("gf", Alerts(), "failing"),
        ("ft", Alerts(), "failing"),
        ("gl", Alerts(), "lost"),
        ("gm", Alerts(), "missed"),
        ("fm", Alerts(), "missed"),
        ("fg", Alerts(), ""),
        ("gf", Alerts(after=2), ""),
        ("gff", Alerts(after=2), "failing"),
        ("gmf", Alerts(after=2), "failing"),
        ("fgf", Alerts(after=2), ""),
        ("fgggggggfg", Alerts(after=2, rate="3/10"), ""),
        ("fggfgggggf", Alerts(after=2, rate="3/10"), "failing"),
        ("fgfgggggfgg", Alerts(after=2, rate="3/10"), ""),
    ],
)
def test_the_newest_runs_decide(letters: str, alerts: Alerts, cause: str) -> None:
    found = assess(runs(letters), alerts, NOON).condition
    assert (found.cause if found else "") == cause


def test_the_incident_lasts_since_the_first_bad_run_and_names_the_last() -> None:
    found = assess(runs("gfff"), Alerts(), NOON).condition
    assert found is not None
    assert (found.what, found.run_id, found.since) == ("failed, 3 times in a row", "3", NOON - 2 * HOUR)


@pytest.mark.parametrize(
    ("letters", "recover", "closes"),
    [("fg", 1, True), ("fg", 2, False), ("fgg", 2, True), ("fgfg", 2, False), ("g", 3, True), ("", 1, True)],
)
def test_good_runs_in_a_row_close_it(letters: str, recover: int, closes: bool) -> None:
    assert assess(runs(letters), Alerts(recover=recover), NOON, "failing").closes == closes


def test_a_job_that_changes_again_and_again_is_one_unstable_incident() -> None:
    assert assess(runs("gfgfg", 5 * MINUTE), Alerts(), NOON).condition is None
    found = assess(runs("gfgfgf", 5 * MINUTE), Alerts(), NOON, "failing").condition
    assert found is not None
    assert found.cause == "unstable"


@pytest.mark.parametrize(("good", "stays"), [(1, True), (4, True), (5, False)])
def test_an_unstable_incident_closes_after_five_good_runs(good: int, stays: bool) -> None:
    found = assess(runs("gfgfgf" + "g" * good, 5 * MINUTE), Alerts(), NOON, "unstable")
    assert (found.condition is not None, found.closes) == (stays, not stays)


@pytest.mark.parametrize(("letters", "cause"), [("g", "stuck"), ("", "stuck"), ("gf", "failing")])
def test_a_run_that_takes_too_long_matters_beside_good_runs(letters: str, cause: str) -> None:
    found = assess(runs(letters), Alerts(), NOON, overdue=overdue("stuck", "now", NOON, "")).condition
    assert (found and found.cause) == cause


def test_changes_over_days_are_not_unstable() -> None:
    assert assess(runs("gfgfgfg", timedelta(days=1)), Alerts(), NOON).condition is None


def test_too_long_without_a_success_is_an_incident_whatever_is_forgiven() -> None:
    alerts = Alerts(after=100, no_success_for=3 * HOUR)
    assert assess(runs("gff"), alerts, NOON).look_again == NOON + HOUR
    assert assess(runs("gff"), alerts, NOON).condition is None
    found = assess(runs("gff"), alerts, NOON + HOUR).condition
    assert found is not None
    assert (found.cause, found.what, found.since) == ("no success", "no success for 3 h", NOON - 2 * HOUR)


def test_an_older_success_than_the_runs_counts() -> None:
    alerts = Alerts(after=100, no_success_for=3 * HOUR)
    assert assess(runs("ff"), alerts, NOON, last_good=NOON - 2 * HOUR).look_again == NOON + HOUR


@given(st.text("gftlm", max_size=AMONG), st.integers(1, 4), st.integers(1, 4))
def test_an_incident_never_both_opens_and_closes(letters: str, after: int, recover: int) -> None:
    """And with the defaults, the newest run alone says whether one is open, unless the job is unstable."""
    found = assess(runs(letters), Alerts(after=after, recover=recover), NOON)
    assert not (found.condition and found.closes)
    plain = assess(runs(letters), Alerts(), NOON).condition
    if plain is None or plain.cause != "unstable":
        assert (plain is not None) == (bool(letters) and letters[-1] != "g")
