"""The fold is indifferent to order and repeats."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.wire import Checkin
from crontopus_app.monitoring.fold import RunFacts, fold

BEGIN = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


def checkin(kind: str, after_s: float = 0, **facts: object) -> Checkin:
    at = BEGIN + timedelta(seconds=after_s)
    told = {"id": "c", "job_id": "j", "run_id": "r", "kind": kind, "at": at, **facts}
    return Checkin(**told)  # pyright: ignore[reportArgumentType] -- facts vary by test


def folded(*checkins: Checkin, received: datetime = BEGIN) -> RunFacts | None:
    return functools.reduce(lambda facts, told: fold(facts, told, received), checkins, None)


def test_a_start_makes_a_running_run() -> None:
    run = folded(checkin("start"))
    assert run is not None
    assert (run.status, run.started_at, run.finished_at) == ("running", BEGIN, None)


def test_a_finish_settles_it_with_the_senders_duration() -> None:
    run = folded(checkin("start"), checkin("success", 61, duration_s=60.5, exit_code=0))
    assert run is not None
    assert (run.status, run.duration_s, run.exit_code) == ("success", 60.5, 0)


def test_a_finish_alone_knows_its_start() -> None:
    run = folded(checkin("fail", 9, started_at=BEGIN, exit_code=3))
    assert run is not None
    assert (run.status, run.started_at, run.exit_code) == ("failed", BEGIN, 3)


def test_a_timeout_is_not_just_a_failure() -> None:
    run = folded(checkin("fail", 5, timed_out=True))
    assert run is not None
    assert run.status == "timeout"


def test_a_start_that_arrives_after_the_finish_does_not_reopen_the_run() -> None:
    run = folded(checkin("success", 5), checkin("start"))
    assert run is not None
    assert (run.status, run.started_at) == ("success", BEGIN)


def test_a_second_attempt_runs_again_and_its_end_counts() -> None:
    first, second = checkin("fail", 5, exit_code=1), checkin("start", 10, attempt=2)
    between = folded(first, second)
    assert between is not None
    assert (between.status, between.exit_code, between.attempt) == ("running", None, 2)
    after = folded(first, second, checkin("success", 15, attempt=2, exit_code=0))
    assert after is not None
    assert (after.status, after.attempt) == ("success", 2)


@pytest.mark.parametrize(
    ("better", "worse", "status"),
    [
        ({"kind": "success"}, {"kind": "fail"}, "failed"),
        ({"kind": "skipped"}, {"kind": "success"}, "success"),
        ({"kind": "fail"}, {"kind": "fail", "timed_out": True}, "timeout"),
    ],
)
def test_of_two_endings_at_the_same_instant_the_worse_one_stands(
    better: dict[str, Any], worse: dict[str, Any], status: str
) -> None:
    endings = [checkin(after_s=5, **better), checkin(after_s=5, **worse)]
    for told in (endings, endings[::-1]):
        run = folded(*told)
        assert run is not None
        assert run.status == status


def test_a_later_ending_stands_though_it_is_better() -> None:
    run = folded(checkin("fail", 5), checkin("success", 6))
    assert run is not None
    assert run.status == "success"


def test_an_ending_of_an_older_attempt_does_not_count() -> None:
    run = folded(checkin("success", 5, attempt=2), checkin("fail", 9, attempt=1))
    assert run is not None
    assert (run.status, run.attempt) == ("success", 2)


def test_a_report_that_came_minutes_later_is_marked() -> None:
    run = folded(checkin("success"), received=BEGIN + timedelta(hours=3))
    assert run is not None
    assert run.flags == frozenset({"reported_late"})


CHECKINS = st.builds(
    checkin,
    kind=st.sampled_from(["start", "success", "fail", "skipped", "heartbeat"]),
    after_s=st.integers(0, 20),
    attempt=st.integers(1, 3),
    exit_code=st.sampled_from([None, 0, 1, 2]),
    signal=st.sampled_from([None, 9, 15]),
    duration_s=st.sampled_from([None, 1.0, 2.0]),
    timed_out=st.booleans(),
    error=st.sampled_from(["", "boom"]),
    commit=st.sampled_from(["", "abc", "def"]),
    flags=st.lists(st.sampled_from(["too_fast", "late_start"]), max_size=2),
    slot=st.sampled_from([None, BEGIN]),
)


@given(st.lists(CHECKINS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_order_and_repeats_change_nothing(told: list[Checkin], random: object) -> None:
    shuffled = [*told, *told[:2]]
    random.shuffle(shuffled)  # pyright: ignore[reportAttributeAccessIssue] -- hypothesis' Random
    assert folded(*told) == folded(*shuffled)
