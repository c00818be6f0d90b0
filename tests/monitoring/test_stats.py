"""What the runs of one job amount to: its own only, counted by the database, the same on both."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import Forbidden
from crontopus_app.models import Run, RunOutput
from crontopus_app.monitoring import stats
from tests.cast import JOB_ID, NOON, Member, join

LONG_AGO = NOON - timedelta(days=30)


@pytest.fixture
def alice(db: object) -> Member:
    return join("alice")


def add(member: Member, minute: float, *, output: tuple[str, str] | None = None, **facts: Any) -> str:
    at = NOON + timedelta(minutes=minute)
    told: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "tenant_id": member.actor.tenant_id,
        "job_id": JOB_ID,
        "job_name": "backup",
        "namespace": "production",
        "source_id": member.endpoint_id,
        "endpoint_id": member.endpoint_id,
        "endpoint_name": "alice-host",
        "status": "success",
        "received_at": at,
        "sort_at": at,
        **facts,
    }
    with writing() as session:
        session.add(Run(**told))
        session.flush()
        if output:
            session.add(RunOutput(run_id=told["id"], head=output[0], tail=output[1]))
    return told["id"]


def test_the_newest_come_first_and_are_bounded(alice: Member) -> None:
    ids = [add(alice, minute) for minute in range(5)]
    with reading() as session:
        found = stats.newest(session, alice.actor, JOB_ID, 3)
    assert [run.id for run in found] == [ids[4], ids[3], ids[2]]


def test_what_happened_is_told_oldest_first_and_of_too_many_the_newest(alice: Member) -> None:
    add(alice, -60 * 24 * 31)
    ids = [add(alice, minute, flags=["late_start"], slot=NOON) for minute in range(4)]
    with reading() as session:
        found = stats.runs_since(session, alice.actor, JOB_ID, LONG_AGO, 3)
        everything = stats.runs_since(session, alice.actor, JOB_ID, LONG_AGO, 100)
    assert [one.run_id for one in found] == ids[1:]
    assert [one.run_id for one in everything] == ids
    assert (found[0].flags, found[0].slot, found[0].at) == (("late_start",), NOON, NOON + timedelta(minutes=1))


HOURS = [NOON + timedelta(hours=hour) for hour in range(4)]


def counted(member: Member, actor: Actor | None = None, most: int = stats.READ) -> list[tuple[int, str, int, str]]:
    with reading() as session:
        found = stats.status_counts(session, actor or member.actor, JOB_ID, HOURS, most)
    return [(HOURS.index(one.at), one.status, one.count, one.run_id) for one in found]


def test_runs_are_counted_by_spans(alice: Member) -> None:
    for minute in (-1, 0, 59.99, 60, 180):
        add(alice, minute)
    add(alice, 1, status="failed")
    failed, running = add(alice, 2, status="failed"), add(alice, 61, status="running")
    assert counted(alice) == [
        (0, "failed", 2, failed),
        (0, "success", 2, ""),
        (1, "running", 1, running),
        (1, "success", 1, ""),
    ]


def test_of_too_many_that_failed_the_newest_are_told(alice: Member) -> None:
    ids = [add(alice, minute, status="failed") for minute in (0, 60, 120)]
    add(alice, 121)
    assert counted(alice, most=2) == [
        (0, "other", 1, ""),
        (1, "failed", 1, ids[1]),
        (2, "failed", 1, ids[2]),
        (2, "success", 1, ""),
    ]


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (("one\ntwo\n", ""), "two"),
        (("one\n", "left out\n  the end  \n\n"), "the end"),
        (("", ""), None),
        ((" \n\n", ""), None),
        (("x" * 100_000, ""), "x" * stats.LINE),
        (("begin\n" + "y" * 500 + "\nü end", ""), "ü end"),
    ],
)
def test_the_last_line_is_what_a_run_said_at_the_end(alice: Member, output: tuple[str, str], line: str | None) -> None:
    run_id, silent = add(alice, 0, output=output), add(alice, 1)
    with reading() as session:
        assert stats.last_lines(session, alice.actor, [run_id, silent]) == ({run_id: line} if line else {})


def test_another_tenants_runs_are_not_there(alice: Member) -> None:
    run_id = add(alice, 0, output=("secret", ""))
    charlie = join("charlie").actor
    with reading() as session:
        assert stats.newest(session, charlie, JOB_ID, 10) == []
        assert stats.runs_since(session, charlie, JOB_ID, LONG_AGO, 10) == []
        assert stats.status_counts(session, charlie, JOB_ID, HOURS) == []
        assert stats.last_lines(session, charlie, [run_id]) == {}


def test_without_the_scope_nothing_is_told(alice: Member) -> None:
    nobody = replace(alice.actor, scopes=frozenset({"read:jobs"}))
    with reading() as session:
        for ask in (
            lambda: stats.newest(session, nobody, JOB_ID, 1),
            lambda: stats.runs_since(session, nobody, JOB_ID, LONG_AGO, 1),
            lambda: stats.status_counts(session, nobody, JOB_ID, HOURS),
            lambda: stats.last_lines(session, nobody, []),
        ):
            with pytest.raises(Forbidden):
                ask()


def test_the_last_runs_of_jobs_come_oldest_first_and_are_their_own(alice: Member) -> None:
    for minute in range(5):
        add(alice, minute, duration_s=float(minute))
    add(alice, 9, job_id="another", status="running")
    stranger = join("charlie")
    add(stranger, 7, status="failed")
    with reading() as session:
        found = stats.last_of_jobs(session, alice.actor, [JOB_ID, "another", "none"], 3)
        assert stats.last_of_jobs(session, alice.actor, [], 3) == {}
    assert found == {
        JOB_ID: [stats.Bar("success", 2.0), stats.Bar("success", 3.0), stats.Bar("success", 4.0)],
        "another": [stats.Bar("running", None)],
    }


def test_hundreds_of_jobs_are_one_question(alice: Member) -> None:
    jobs = [f"job-{number}" for number in range(stats.PARTS)]
    add(alice, 1, job_id=jobs[-1])
    with reading() as session:
        assert list(stats.last_of_jobs(session, alice.actor, jobs, 20)) == [jobs[-1]]


def test_what_ran_around_it_on_its_host_is_found_however_old_it_is(alice: Member) -> None:
    ids = [add(alice, minute) for minute in range(9)]
    twins = sorted([add(alice, 4, id=f"{number}" * 8) for number in (1, 2)])
    add(alice, 4.5, source_id="another-host")
    stranger = join("charlie")
    add(stranger, 4.2)
    order = sorted([*ids, *twins], key=lambda one: (ids.index(one) if one in ids else 4, one))
    at = order.index(twins[1])
    expected = list(reversed(order[at - 3 : at + 4]))
    with reading() as session:
        assert [run.id for run in stats.around(session, alice.actor, twins[1], 3)] == expected
        assert [run.id for run in stats.around(session, alice.actor, ids[0], 1)] == [ids[1], ids[0]]
        assert stats.around(session, stranger.actor, ids[0], 3) == []
        assert stats.around(session, alice.actor, "nothing", 3) == []


def test_the_jobs_runs_before_and_after_on_the_host_are_found(alice: Member) -> None:
    ids = [add(alice, minute) for minute in range(3)]
    add(alice, 1.2, source_id="another-host")
    add(alice, 1.4, job_id=str(uuid.uuid4()))
    stranger = join("charlie")
    with reading() as session:
        assert stats.neighbours(session, alice.actor, ids[1]) == (ids[0], ids[2])
        assert stats.neighbours(session, alice.actor, ids[0]) == ("", ids[1])
        assert stats.neighbours(session, alice.actor, ids[2]) == (ids[1], "")
        assert stats.neighbours(session, stranger.actor, ids[1]) == ("", "")
