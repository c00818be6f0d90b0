"""A job without an agent has one monitor, whose slots follow the manifest. On both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from crontopus_app.base.db import reading, writing
from crontopus_app.models import JobIndex, Monitor, Run
from crontopus_app.monitoring.evaluator import evaluate
from crontopus_app.monitoring.intake import checkins, ping
from crontopus_app.monitoring.intake.ping_url import NOT_FOUND, Ping, Refusal
from crontopus_app.monitoring.sync import sync_monitors
from tests.cast import JOB_ID, NOON, Member, join

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SLOT = NOON + HOUR
NO_AGENT = {"agent": {"endpoints": []}, "checkin": {"startGrace": "5m"}}
RID = "0b8c4d80-0c7e-4b33-9e8e-6d2b6b0f8f11"


@pytest.fixture
def alice(db: Engine) -> Member:
    """Her job runs somewhere at 13:00 UTC, and is indexed at noon."""
    member = join("alice")
    with writing() as session:
        session.add(JobIndex(tenant_id="alice", path="production/backup.yaml", job_id=JOB_ID, name="backup",
                             namespace="production", blob_sha="0" * 40, yaml=b"", valid=True, manifest=NO_AGENT,
                             schedule=["0 13 * * *"]))  # fmt: skip
    sync(NOON)
    return member


def sync(now: datetime) -> None:
    with writing() as session:
        sync_monitors(session, "alice", now)


def edit(now: datetime, **values: object) -> None:
    with writing() as session:
        job = session.exec(select(JobIndex)).one()
        for name, value in values.items():
            setattr(job, name, value)
    sync(now)


def monitor() -> Monitor:
    with reading() as session:
        return session.exec(select(Monitor)).one()


def runs() -> list[Run]:
    with reading() as session:
        return list(session.exec(select(Run).order_by(Run.sort_at)))  # pyright: ignore[reportArgumentType]


def statuses() -> list[tuple[str, datetime | None]]:
    return [(run.status, run.slot) for run in runs()]


def settle(now: datetime) -> None:
    while evaluate(now):
        pass


def send(kind: str, now: datetime, rid: str = "", at: datetime | None = None) -> None:
    report = ping.understood(Ping(monitor().ping_id or "", kind, rid=rid, at=at), None, now)
    assert isinstance(report, ping.Report)
    if report.checkin is not None:
        (outcome,) = checkins.record([checkins.ReceivedCheckin(report.caller, report.checkin)], now)
        assert not isinstance(outcome, Exception), outcome


def test_the_job_has_one_monitor_without_an_endpoint(alice: Member) -> None:
    found = monitor()
    sync(NOON + MINUTE)
    assert (found.endpoint_id, found.state, bool(found.ping_id)) == (None, "waiting", True)
    assert monitor().ping_id == found.ping_id != found.source_id


def test_a_slot_without_a_ping_is_missed(alice: Member) -> None:
    settle(NOON)
    settle(SLOT + 5 * MINUTE - timedelta(seconds=1))
    assert statuses() == []
    settle(SLOT + 5 * MINUTE)
    assert (statuses(), monitor().state) == ([("missed", SLOT)], "missed")
    assert "ping" in runs()[0].error


@pytest.mark.parametrize("offset", [-MINUTE, timedelta(0), 4 * MINUTE])
def test_a_ping_belongs_to_the_nearest_slot(alice: Member, offset: timedelta) -> None:
    send("success", SLOT + offset)
    settle(SLOT + HOUR)
    assert (statuses(), monitor().state) == ([("success", SLOT)], "ok")


def test_a_ping_between_the_slots_belongs_to_none(alice: Member) -> None:
    send("success", SLOT - 2 * MINUTE)
    settle(SLOT + HOUR)
    assert statuses() == [("success", None), ("missed", SLOT)]


@pytest.mark.parametrize("at", [None, SLOT + MINUTE])
def test_a_late_ping_replaces_the_missed_run(alice: Member, at: datetime | None) -> None:
    settle(SLOT + 5 * MINUTE)
    send("success", SLOT + 20 * MINUTE, at=at)
    settle(SLOT + HOUR)
    assert (statuses(), monitor().state) == ([("success", SLOT)], "ok")


@pytest.mark.parametrize("rid", ["", RID])
def test_a_start_and_its_success_are_one_run(alice: Member, rid: str) -> None:
    send("start", SLOT, rid)
    assert statuses() == [("running", SLOT)]
    send("log", SLOT + MINUTE, rid)
    send("success", SLOT + 2 * MINUTE, rid)
    (run,) = runs()
    assert (run.status, run.started_at, run.finished_at, run.duration_s) == ("success", SLOT, SLOT + 2 * MINUTE, 120)


def test_each_ping_without_a_start_is_a_run_of_its_own(alice: Member) -> None:
    send("success", SLOT)
    send("fail", SLOT + MINUTE)
    assert ([run.status for run in runs()], monitor().state) == (["success", "failed"], "failing")


def test_a_ping_without_rid_does_not_end_a_run_with_one(alice: Member) -> None:
    send("start", SLOT, RID)
    send("success", SLOT + MINUTE)
    assert sorted(run.status for run in runs()) == ["running", "success"]


def test_overlapping_runs_are_told_apart_by_their_rid(alice: Member) -> None:
    other = RID.replace("0b8c", "0b8d")
    send("start", SLOT, RID)
    send("start", SLOT + MINUTE, other)
    send("fail", SLOT + 2 * MINUTE, RID)
    assert [run.status for run in runs()] == ["failed", "running"]


def test_a_log_without_a_run_starts_none(alice: Member) -> None:
    send("log", SLOT)
    assert runs() == []


def test_a_paused_job_ignores_starts_and_misses_nothing(alice: Member) -> None:
    edit(NOON + MINUTE, paused=True)
    send("start", SLOT)
    settle(SLOT + HOUR)
    assert (runs(), monitor().state, monitor().lines) == ([], "paused", [])
    send("success", SLOT + HOUR)
    assert (len(runs()), monitor().state) == (1, "paused")


def test_a_resumed_job_is_due_from_then_on(alice: Member) -> None:
    edit(NOON + MINUTE, paused=True)
    edit(SLOT + HOUR, paused=False)
    settle(SLOT + 23 * HOUR)
    assert statuses() == []
    settle(SLOT + 25 * HOUR)
    assert statuses() == [("missed", SLOT + 24 * HOUR)]


def test_an_edited_schedule_counts_from_its_indexing_on(alice: Member) -> None:
    edit(SLOT + MINUTE, schedule=["0 15 * * *"])
    settle(SLOT + 3 * HOUR)
    assert statuses() == [("missed", SLOT), ("missed", SLOT + 2 * HOUR)]


def test_the_schedule_is_in_the_jobs_time_zone(alice: Member) -> None:
    edit(NOON + MINUTE, timezone="Europe/Berlin", schedule=["0 15 * * *"])
    settle(SLOT + 3 * HOUR)
    assert statuses() == [("missed", SLOT + HOUR)]


def test_a_removed_job_is_pinged_no_more(alice: Member) -> None:
    url_id = monitor().ping_id or ""
    with writing() as session:
        session.delete(session.exec(select(JobIndex)).one())
    sync(SLOT)
    settle(SLOT + HOUR)
    assert (monitor().state, runs()) == ("retired", [])
    assert ping.understood(Ping(url_id, "success"), None, SLOT) == NOT_FOUND


def test_a_job_that_is_given_hosts_is_pinged_no_more(alice: Member) -> None:
    url_id = monitor().ping_id or ""
    edit(NOON + MINUTE, manifest={"agent": {"endpoints": ["alice-host"]}})
    assert ping.understood(Ping(url_id, "success"), None, SLOT) == NOT_FOUND


def test_a_job_removed_between_reading_and_writing_is_not_written(alice: Member) -> None:
    report = ping.understood(Ping(monitor().ping_id or "", "success"), None, SLOT)
    assert isinstance(report, ping.Report)
    assert report.checkin is not None
    edit(SLOT, manifest={"agent": {"endpoints": ["alice-host"]}})
    (outcome,) = checkins.record([checkins.ReceivedCheckin(report.caller, report.checkin)], SLOT)
    assert (str(outcome), runs()) == ("not found", [])


def test_a_time_in_the_future_is_refused(alice: Member) -> None:
    refused = ping.understood(Ping(monitor().ping_id or "", "success", at=SLOT + HOUR), None, SLOT)
    assert isinstance(refused, Refusal)
    assert refused.status == 400
