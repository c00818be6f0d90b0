"""Monitors open and close incidents, through check-ins and the evaluator. On both databases."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlmodel import col, select

from contract import wire
from crontopus_app.alerts import levels, monitors
from crontopus_app.base.db import reading, writing
from crontopus_app.hosts import agent_api
from crontopus_app.hosts import contact as contacts
from crontopus_app.models import Endpoint, Incident, IncidentEvent, JobIndex, Monitor, Run, Tenant
from crontopus_app.monitoring.evaluator import evaluate
from crontopus_app.monitoring.sync import sync_monitors
from tests.cast import JOB_ID, NOON, Member, add_job, join, tell

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def alice(db: Engine) -> Member:
    """Her job runs at 13:00 UTC; its line is installed since noon."""
    member = join("alice")
    add_job("alice", member.endpoint_id)
    entry = wire.EntryOutcome(JOB_ID, "production/backup.yaml", "Applied", schedule=["0 13 * * *"], zone="UTC")
    sent = wire.PassReport("Applied", "c" * 40, "c" * 40, NOON, 0.1, entries=[entry])
    with writing() as session:
        agent_api.report(session, member.endpoint_id, sent, NOON)
    contacts.seen(member.endpoint_id, NOON, 0, "")
    return member


def ended(member: Member, kind: str, at: datetime, **facts: object) -> str:
    """A run ends at ``at``. Returns its id."""
    run_id = str(uuid.uuid4())
    given = {"id": str(uuid.uuid4()), "job_id": JOB_ID, "run_id": run_id, "kind": kind, "at": at, "started_at": at}
    tell(member.endpoint_id, wire.Checkin(**given | facts), now=at)  # pyright: ignore[reportArgumentType]
    return run_id


def compare(now: datetime) -> None:
    while monitors.compare_due(now):
        pass


def settle(member: Member, now: datetime) -> None:
    """The host has sent everything, and everything that is due is done."""
    contacts.seen(member.endpoint_id, now, 0, "")
    while evaluate(now):
        pass
    compare(now)


def incidents() -> list[Incident]:
    with reading() as session:
        return list(session.exec(select(Incident).order_by(col(Incident.opened_at))))


def causes() -> list[tuple[str, bool]]:
    """The cause of each incident, and whether it is open."""
    return [(each.cause, each.closed_at is None) for each in incidents()]


def timeline() -> list[str]:
    with reading() as session:
        return [each.kind for each in session.exec(select(IncidentEvent).order_by(col(IncidentEvent.at)))]


def set_alerts(**alerts: object) -> None:
    with writing() as session:
        job = session.exec(select(JobIndex)).one()
        job.manifest = (job.manifest or {}) | {"alerts": alerts}
        session.add(job)


def test_a_failure_opens_an_incident_and_a_success_closes_it(alice: Member) -> None:
    ended(alice, "success", NOON)
    compare(NOON)
    assert causes() == []
    run_id = ended(alice, "fail", NOON + MINUTE, exit_code=3)
    compare(NOON + MINUTE)
    (incident,) = incidents()
    assert (incident.title, incident.what, incident.run_id) == ("production/backup on alice-host", "exit 3", run_id)
    assert (incident.since, incident.opened_at, incident.notify_at) == (NOON + MINUTE,) * 3
    ended(alice, "success", NOON + 2 * MINUTE)
    compare(NOON + 2 * MINUTE)
    assert causes() == [("failing", False)]
    assert timeline() == ["opened", "closed"]


def test_comparing_again_changes_nothing(alice: Member) -> None:
    ended(alice, "fail", NOON)
    compare(NOON)
    with writing() as session:
        session.exec(select(Monitor)).one().alert_at = NOON
    compare(NOON)
    assert causes() == [("failing", True)]
    assert timeline() == ["opened"]


def test_further_failures_belong_to_the_same_incident(alice: Member) -> None:
    for minute in range(3):
        ended(alice, "fail", NOON + minute * MINUTE, exit_code=1)
        compare(NOON + minute * MINUTE)
    (incident,) = incidents()
    assert (incident.what, incident.since) == ("exit 1, 3 times in a row", NOON)


def test_the_manifest_says_how_many_failures_are_forgiven(alice: Member) -> None:
    set_alerts(after=2, recover=2)
    ended(alice, "fail", NOON)
    compare(NOON)
    assert causes() == []
    ended(alice, "fail", NOON + MINUTE)
    compare(NOON + MINUTE)
    assert causes() == [("failing", True)]
    ended(alice, "success", NOON + 2 * MINUTE)
    compare(NOON + 2 * MINUTE)
    assert causes() == [("failing", True)]
    ended(alice, "success", NOON + 3 * MINUTE)
    compare(NOON + 3 * MINUTE)
    assert causes() == [("failing", False)]


def test_time_alone_opens_an_incident_of_too_long_without_a_success(alice: Member) -> None:
    set_alerts(after=100, noSuccessFor="2h")
    ended(alice, "success", NOON)
    ended(alice, "fail", NOON + HOUR)
    compare(NOON + HOUR)
    assert monitors.compare_due(NOON + 2 * HOUR - MINUTE) == 0
    compare(NOON + 2 * HOUR)
    assert causes() == [("no success", True)]


def set_policy(text: str) -> None:
    with writing() as session:
        session.exec(select(Tenant)).one().policy = text.encode()


WORK = 'maintenance: [{from: "2026-11-23T12:30:00Z", until: "2026-11-23T15:00:00Z", when: {endpoints: alice-host}}]'


def test_in_maintenance_nothing_opens_and_what_is_still_wrong_opens_at_its_end(alice: Member) -> None:
    set_policy(WORK)
    ended(alice, "fail", NOON + HOUR, slot=NOON + HOUR)
    settle(alice, NOON + 2 * HOUR)
    assert causes() == []
    compare(NOON + 3 * HOUR - MINUTE)
    assert causes() == []
    compare(NOON + 3 * HOUR)
    assert causes() == [("failing", True)]


def test_what_is_open_when_maintenance_begins_stays_until_it_is_over(alice: Member) -> None:
    ended(alice, "fail", NOON)
    compare(NOON)
    set_policy(WORK)
    ended(alice, "fail", NOON + HOUR, exit_code=9)
    compare(NOON + HOUR)
    assert [(each.what, each.closed_at) for each in incidents()] == [("exit 9, 2 times in a row", None)]
    ended(alice, "success", NOON + 2 * HOUR)
    compare(NOON + 2 * HOUR)
    assert causes() == [("failing", False)]


@pytest.mark.parametrize(
    ("policy", "missed"),
    [(WORK, []), (WORK.replace("alice-host", "other"), ["missed"]), (WORK.replace("12:30", "13:01"), ["missed"])],
)
def test_a_slot_in_maintenance_is_not_missed(alice: Member, policy: str, missed: list[str]) -> None:
    set_policy(policy)
    settle(alice, NOON + 4 * HOUR)
    with reading() as session:
        assert [run.status for run in session.exec(select(Run))] == missed
    assert causes() == [(cause, True) for cause in missed]


def test_a_silent_host_in_maintenance_is_no_problem_until_its_end(alice: Member) -> None:
    set_policy(WORK)
    levels.compare(NOON + HOUR, silence=True)
    assert causes() == []
    levels.compare(NOON + 3 * HOUR, silence=True)
    assert causes() == [("host silent", True)]


def test_a_run_that_does_not_end_in_time_is_an_incident_until_it_ends(alice: Member) -> None:
    with writing() as session:
        session.exec(select(Monitor)).one().finish_by = "13:30"
    slot, over = NOON + HOUR, NOON + 2 * HOUR
    sent = {"job_id": JOB_ID, "run_id": str(uuid.uuid4()), "slot": slot, "started_at": slot}
    tell(alice.endpoint_id, wire.Checkin(id=str(uuid.uuid4()), kind="start", at=slot, **sent), now=slot)
    settle(alice, over)
    (incident,) = incidents()
    assert (incident.cause, incident.severity, incident.what) == ("late", "warning", "did not end by 13:30")
    assert (incident.run_id, incident.since) == (sent["run_id"], slot)
    tell(alice.endpoint_id, wire.Checkin(id=str(uuid.uuid4()), kind="success", at=over, **sent), now=over)
    settle(alice, over + MINUTE)
    assert causes() == [("late", False)]


def test_a_missed_slot_opens_one_and_a_late_report_closes_it(alice: Member) -> None:
    slot = NOON + HOUR
    contacts.seen(alice.endpoint_id, slot + HOUR, 0, "")
    while evaluate(slot + HOUR):
        pass
    compare(slot + HOUR)
    (incident,) = incidents()
    assert (incident.cause, incident.what) == ("missed", "did not start")
    assert "alice-host" in incident.why
    ended(alice, "success", slot, slot=slot)
    compare(slot + 2 * HOUR)
    assert causes() == [("missed", False)]


def test_a_cause_that_changes_is_noted_in_the_same_incident(alice: Member) -> None:
    ended(alice, "fail", NOON)
    compare(NOON)
    contacts.seen(alice.endpoint_id, NOON + 2 * HOUR, 0, "")
    while evaluate(NOON + 2 * HOUR):
        pass
    compare(NOON + 2 * HOUR)
    assert causes() == [("missed", True)]
    assert timeline() == ["opened", "changed"]


def test_more_monitors_than_one_transaction_compares(alice: Member) -> None:
    jobs = [str(uuid.uuid4()) for _ in range(monitors.BATCH + 20)]
    for number, job_id in enumerate(jobs):
        add_job("alice", alice.endpoint_id, job_id=job_id, name=f"job-{number}")
        ended(alice, "fail", NOON, job_id=job_id, exit_code=number % 250 + 1)
    compare(NOON)
    found = {each.job_id: each.what for each in incidents()}
    assert found == {job_id: f"exit {number % 250 + 1}" for number, job_id in enumerate(jobs)}
    for job_id in jobs:
        ended(alice, "success", NOON + MINUTE, job_id=job_id)
    compare(NOON + MINUTE)
    assert {each.closed_at for each in incidents()} == {NOON + MINUTE}


def test_pausing_the_job_closes_its_incident(alice: Member) -> None:
    ended(alice, "fail", NOON)
    compare(NOON)
    with writing() as session:
        session.exec(select(JobIndex)).one().paused = True
        sync_monitors(session, "alice", NOON + MINUTE)
    compare(NOON + MINUTE)
    assert causes() == [("failing", False)]
    ended(alice, "fail", NOON + 2 * MINUTE)
    compare(NOON + 2 * MINUTE)
    assert causes() == [("failing", False)]


def test_a_silent_host_is_one_incident_that_explains_its_missed_jobs(alice: Member) -> None:
    silent = NOON + 4 * MINUTE
    levels.compare(silent, silence=False)
    assert causes() == []
    levels.compare(silent, silence=True)
    levels.compare(silent + MINUTE, silence=True)
    assert causes() == [("host silent", True)]
    back = NOON + 3 * HOUR
    contacts.seen(alice.endpoint_id, back, 0, "")
    contacts.seen(alice.endpoint_id, back + MINUTE, 0, "")
    levels.compare(back + MINUTE, silence=True)
    while evaluate(back + MINUTE):
        pass
    compare(back + MINUTE)
    host, job = incidents()
    assert (host.closed_at, job.cause, job.handling, job.parent_id) == (back + MINUTE, "missed", "bundled", host.id)


def test_an_invalid_file_is_an_incident_until_it_is_valid(alice: Member) -> None:
    with writing() as session:
        job = session.exec(select(JobIndex)).one()
        job.valid, job.errors = False, [{"message": "spec.shedule is not a field"}]
        session.add(job)
    levels.compare(NOON, silence=True)
    (incident,) = incidents()
    assert (incident.cause, incident.title) == ("invalid manifest", "production/backup.yaml")
    assert incident.what.startswith("spec.shedule is not a field")
    with writing() as session:
        session.exec(select(JobIndex)).one().valid = True
    levels.compare(NOON + MINUTE, silence=True)
    assert causes() == [("invalid manifest", False)]


def test_a_host_that_does_not_apply_its_changes_for_ten_minutes(alice: Member) -> None:
    with writing() as session:
        host = session.exec(select(Endpoint)).one()
        host.pass_status, host.pass_message, host.last_seen_at = "Blocked", "42 of 43 jobs would be removed", None
    levels.compare(NOON + 10 * MINUTE, silence=True)
    assert causes() == []
    levels.compare(NOON + 11 * MINUTE, silence=True)
    assert [(each.cause, each.what) for each in incidents()] == [("not applied", "42 of 43 jobs would be removed")]
