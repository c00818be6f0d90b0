"""Pages of runs: newest first, each once, nobody else's."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import BadInput, Forbidden, NotFound
from crontopus_app.models import Run
from crontopus_app.monitoring import runs
from tests.cast import JOB_ID, NOON, Member, add_job, join


@pytest.fixture
def alice(db: object) -> Member:
    return join("alice")


def add(member: Member, minute: int, **facts: Any) -> str:
    at = NOON + timedelta(minutes=minute)
    told: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "job_id": JOB_ID,
        "job_name": "backup",
        "namespace": "production",
        "source_id": member.endpoint_id,
        "endpoint_id": member.endpoint_id,
        "endpoint_name": "alice-host",
        "status": "success",
        "received_at": at,
        "sort_at": at,
        "started_at": at,
        "duration_s": 1.0,
        **facts,
    }
    with writing() as session:
        session.add(Run(tenant_id=member.actor.tenant_id, **told))
    return told["id"]


def pages(actor: Actor, size: int) -> list[str]:
    seen, cursor = [], None
    while True:
        with reading() as session:
            page = runs.list_page(session, actor, runs.Filter(), page_size=size, cursor=cursor)
        seen += [run.id for run in page.runs]
        cursor = page.next_cursor
        if cursor is None:
            return seen


def test_a_cursor_walks_over_all_runs_once_newest_first(alice: Member) -> None:
    at_once = [add(alice, 5) for _ in range(3)]
    rest = [add(alice, minute) for minute in (9, 7, 1)]
    walked = pages(alice.actor, 2)
    assert walked[:2] == rest[:2]
    assert set(walked[2:5]) == set(at_once)
    assert walked[5:] == rest[2:]


def test_the_total_and_the_pages_agree(alice: Member) -> None:
    for minute in range(5):
        add(alice, minute)
    with reading() as session:
        second = runs.list_page(session, alice.actor, runs.Filter(), page=2, page_size=3)
    assert (second.total, second.page, len(second.runs), second.next_cursor) == (5, 2, 2, None)


OTHER = "6f0e1d52-8f0b-4b0e-9d9f-3c5f7a2c9f10"


@pytest.mark.parametrize(
    ("which", "count"),
    [
        (runs.Filter(status="failed"), 1),
        (runs.Filter(status="failed,success"), 3),
        (runs.Filter(job="backup"), 2),
        (runs.Filter(job=JOB_ID), 2),
        (runs.Filter(job="other"), 1),
        (runs.Filter(job="nowhere"), 0),
        (runs.Filter(namespace="staging"), 1),
        (runs.Filter(endpoint="alice-host"), 3),
        (runs.Filter(since=NOON + timedelta(minutes=2)), 2),
        (runs.Filter(until=NOON + timedelta(minutes=2)), 1),
    ],
)
def test_filters_narrow(alice: Member, which: runs.Filter, count: int) -> None:
    add_job("alice", alice.endpoint_id)
    add_job("alice", alice.endpoint_id, job_id=OTHER, name="other")
    add(alice, 1)
    add(alice, 2, status="failed")
    add(alice, 3, namespace="staging", job_name="other", job_id=OTHER)
    with reading() as session:
        assert len(runs.list_page(session, alice.actor, which).runs) == count


@pytest.mark.parametrize("cursor", ["x", "AAAA", "MjAyNi0xMS0yM1QxMjowMDowMHxh"])
def test_a_cursor_that_is_not_ours_is_refused(alice: Member, cursor: str) -> None:
    with reading() as session, pytest.raises(BadInput, match="cursor"):
        runs.list_page(session, alice.actor, runs.Filter(), cursor=cursor)


def test_an_unknown_status_is_refused(alice: Member) -> None:
    with reading() as session, pytest.raises(BadInput, match="status must be one of"):
        runs.list_page(session, alice.actor, runs.Filter(status="exploded"))


def test_another_tenants_runs_are_not_there(alice: Member) -> None:
    run_id, charlie = add(alice, 1), join("charlie")
    with reading() as session:
        assert runs.list_page(session, charlie.actor, runs.Filter()).runs == []
        assert runs.by_job(session, charlie.actor, NOON) == []
        with pytest.raises(NotFound):
            runs.get(session, charlie.actor, run_id)


def test_a_token_without_the_scope_is_refused(alice: Member) -> None:
    actor = Actor("u", "alice", "alice", "", "user", "token", frozenset({"write:jobs"}))
    with reading() as session, pytest.raises(Forbidden):
        runs.list_page(session, actor, runs.Filter())


@pytest.mark.parametrize(("failures", "health"), [(0, "healthy"), (2, "degraded"), (4, "warning")])
def test_health_follows_the_share_of_successes(alice: Member, failures: int, health: str) -> None:
    for minute in range(10):
        add(alice, -minute - 1, status="failed" if minute < failures else "success", duration_s=float(minute))
    with reading() as session:
        (found,) = runs.by_job(session, alice.actor, NOON)
    assert (found.total, found.failed, found.health) == (10, failures, health)
    assert (found.p50_s, found.p95_s) == (4.0, 9.0)


@pytest.mark.parametrize(
    ("values", "share", "expected"), [([], 0.5, None), ([1.0], 0.95, 1.0), ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0)]
)
def test_percentiles_are_nearest_rank(values: list[float], share: float, expected: float | None) -> None:
    assert runs.percentile(values, share) == expected
