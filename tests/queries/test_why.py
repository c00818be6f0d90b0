"""Why a job did not run, from what agents, runners and commits have reported. On both databases."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from contract import wire
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import BadInput, NotFound
from crontopus_app.hosts import agent_api, contact
from crontopus_app.models import Change, Endpoint, JobIndex, Monitor, Run, Tenant
from crontopus_app.monitoring.evaluator import evaluate
from crontopus_app.queries.why import why, why_of_run
from tests.cast import JOB_ID, NOON, Member, add_endpoint, add_job, join, tell

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SLOT = NOON + HOUR
DEADLINE = SLOT + 5 * MINUTE
FREEZE = b"freeze: [{from: 2026-11-23T12:30:00Z, until: 2026-11-23T13:30:00Z, reason: release}]"


@pytest.fixture
def alice(db: Engine) -> Member:
    """Her job runs at 13:00 UTC with a grace of five minutes; its line is installed since noon."""
    member = join("alice")
    add_job("alice", member.endpoint_id)
    with writing() as session:
        monitor = session.exec(select(Monitor)).one()
        monitor.grace_s = 300
        session.add(monitor)
        job = session.exec(select(JobIndex)).one()
        job.schedule, job.commit_at, job.commit_author = ["0 13 * * *"], NOON - HOUR, "Ann"
        session.add(job)
    report(member.endpoint_id, NOON)
    return member


def report(endpoint_id: str, now: datetime, *, boot_id: str = "one", spool: int = 0, outcome: str = "Applied",
           schedule: str = "0 13 * * *", drift: tuple[wire.Drift, ...] = ()) -> None:  # fmt: skip
    entry = wire.EntryOutcome(
        JOB_ID, "production/backup.yaml", outcome, "no such user", "c" * 40,
        schedule=[schedule] if schedule else [], zone="UTC",
    )  # fmt: skip
    sent = wire.PassReport(
        outcome, "c" * 40, "c" * 40, now, 0.1, entries=[entry], drift=list(drift), boot_id=boot_id, spool=spool
    )
    with writing() as session:
        agent_api.report(session, endpoint_id, sent, now)


def in_contact(member: Member, until: datetime = DEADLINE) -> None:
    now = NOON
    while now < until:
        now = min(now + 2 * MINUTE, until)
        contact.seen(member.endpoint_id, now, 0, "one")


def settle(now: datetime) -> None:
    while evaluate(now):
        pass


def checkin(kind: str, at: datetime, slot: datetime | None, **facts: object) -> wire.Checkin:
    ids = {"id": str(uuid.uuid4()), "run_id": str(uuid.uuid4()), "job_id": JOB_ID}
    return wire.Checkin(**{"kind": kind, "at": at, "started_at": at, "slot": slot, **ids, **facts})  # pyright: ignore[reportArgumentType]


def ask(
    member: Member, at: datetime | None = None, endpoint: str | None = None, now: datetime = DEADLINE + HOUR
) -> wire.Why:
    with reading() as session:
        return why(session, member.actor, "production", "backup", now, at=at, endpoint=endpoint)


def test_the_latest_missed_run_is_explained(alice: Member) -> None:
    contact.seen(alice.endpoint_id, DEADLINE + HOUR, 0, "two")
    settle(DEADLINE + HOUR)
    answer = ask(alice)
    assert (answer.verdict, answer.at, answer.endpoint_name) == ("host_off", SLOT, "alice-host")
    with reading() as session:
        missed = session.exec(select(Run).where(Run.status == "missed")).one()
        assert why_of_run(session, alice.actor, missed.id, DEADLINE + HOUR) == answer
    assert (answer.run_id, answer.sentence) == (missed.id, missed.error)


def test_nothing_explains_a_host_in_contact(alice: Member) -> None:
    in_contact(alice)
    settle(DEADLINE)
    assert ask(alice).verdict == "unexplained"


def test_a_change_of_the_line_by_others_is_found_by_the_evaluator_too(alice: Member) -> None:
    in_contact(alice)
    line = wire.Drift("line_missing", f"run-job {JOB_ID}", "", "bob", SLOT - MINUTE)
    report(alice.endpoint_id, DEADLINE, drift=(line,))
    settle(DEADLINE)
    answer = ask(alice)
    with reading() as session:
        missed = session.exec(select(Run)).one()
    assert (answer.verdict, answer.sentence) == ("drift", missed.error)


def test_a_damaged_job_file_is_found_by_its_exit_code(alice: Member) -> None:
    in_contact(alice)
    started = SLOT + timedelta(seconds=1)
    tell(alice.endpoint_id, checkin("fail", started, None, exit_code=78, error="The job file is empty"), now=started)
    settle(DEADLINE)
    assert ask(alice).verdict == "job_file_damaged"


def test_a_skipped_run_names_the_one_that_still_ran(alice: Member) -> None:
    before = checkin("start", SLOT - 20 * MINUTE, None)
    skipped = checkin("skipped", SLOT, SLOT)
    tell(alice.endpoint_id, before, skipped, now=SLOT)
    answer = ask(alice, SLOT)
    assert answer.verdict == "overlap"
    assert any(before.run_id in each.fact for each in answer.evidence)


def test_a_run_that_started_a_minute_late_is_the_run_of_its_slot(alice: Member) -> None:
    late = checkin("success", SLOT + MINUTE, SLOT + MINUTE)
    tell(alice.endpoint_id, late, now=SLOT + MINUTE)
    answer = ask(alice, SLOT)
    assert (answer.verdict, answer.run_id) == ("ran", late.run_id)


@pytest.mark.parametrize(("boot_id", "verdict"), [("two", "host_restarted"), ("one", "end_not_reported")])
def test_a_lost_run_says_why(alice: Member, boot_id: str, verdict: str) -> None:
    with writing() as session:
        monitor = session.exec(select(Monitor)).one()
        monitor.run_limit_s = 120
        session.add(monitor)
    in_contact(alice, SLOT)
    tell(alice.endpoint_id, checkin("start", SLOT, SLOT, boot_id="one"), now=SLOT)
    contact.seen(alice.endpoint_id, SLOT + 3 * MINUTE, 0, boot_id)
    settle(SLOT + 3 * MINUTE)
    answer = ask(alice)
    assert (answer.verdict, answer.at) == (verdict, SLOT)


def test_a_time_without_a_zone_is_in_the_zone_of_the_job(alice: Member) -> None:
    with writing() as session:
        job = session.exec(select(JobIndex)).one()
        job.timezone = "America/New_York"
        session.add(job)
    assert ask(alice, datetime.fromisoformat("2026-11-23T08:00")).at == SLOT
    assert ask(alice, datetime(2026, 11, 23, 13, 0, tzinfo=UTC)).at == SLOT


def test_a_job_without_a_line_had_a_freeze_a_pause_or_a_fault(alice: Member) -> None:
    report(alice.endpoint_id, SLOT - MINUTE, schedule="", outcome="Kept")
    assert ask(alice, SLOT).verdict == "line_removed"
    with writing() as session:
        session.get_one(Tenant, "alice").policy = FREEZE
    assert ask(alice, SLOT).verdict == "freeze"
    report(alice.endpoint_id, SLOT - MINUTE, schedule="", outcome="Blocked")
    answer = ask(alice, SLOT)
    assert (answer.verdict, "no such user" in answer.sentence) == ("not_installable", True)
    with writing() as session:
        for at, summary in ((SLOT - HOUR, "schedule 1 → 2, paused"), (SLOT + HOUR, "resumed")):
            session.add(Change(tenant_id="alice", user_id="u", author_name="Bob", author_email="", operation="edit",
                               path="production/backup.yaml", message="", summary=summary, state="done",
                               commit_sha="d" * 40, created_at=at, done_at=at))  # fmt: skip
    answer = ask(alice, SLOT)
    assert (answer.verdict, "by Bob" in answer.sentence) == ("paused", True)


def test_a_job_on_several_hosts_needs_one_named(alice: Member) -> None:
    second, _ = add_endpoint("alice", "second")
    with writing() as session:
        session.add(Monitor(tenant_id="alice", job_id=JOB_ID, source_id=second, endpoint_id=second, job_name="backup",
                            namespace="production", updated_at=NOON))  # fmt: skip
    with pytest.raises(BadInput, match="2 endpoints"):
        ask(alice, SLOT)
    assert ask(alice, SLOT, "second").verdict == "not_applied"
    assert ask(alice, SLOT, second).endpoint_name == "second"


def test_what_does_not_exist_is_not_found(alice: Member) -> None:
    with pytest.raises(NotFound, match="missed or lost"):
        ask(alice)
    with pytest.raises(NotFound, match="does not run on nowhere"):
        ask(alice, SLOT, "nowhere")


def test_other_tenants_see_nothing(alice: Member) -> None:
    in_contact(alice)
    settle(DEADLINE)
    charlie = join("charlie")
    with pytest.raises(NotFound):
        ask(charlie)
    with reading() as session, pytest.raises(NotFound):
        why_of_run(session, charlie.actor, session.exec(select(Run)).one().id, DEADLINE)


def test_a_job_without_an_agent_had_no_ping(alice: Member) -> None:
    with writing() as session:
        session.add(Monitor(tenant_id="alice", job_id=JOB_ID, source_id="key", job_name="backup", health="missed",
                            namespace="production", updated_at=NOON))  # fmt: skip
        session.delete(session.exec(select(Monitor).where(Monitor.source_id == alice.endpoint_id)).one())
        session.get_one(Endpoint, alice.endpoint_id).status = "revoked"
    assert ask(alice, SLOT).verdict == "no_ping"
