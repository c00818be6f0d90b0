"""The evaluator records missed slots and lost runs, once. On both databases."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from contract import wire
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import Busy
from crontopus_app.base.leases import lease
from crontopus_app.hosts import agent_api
from crontopus_app.hosts import contact as contacts
from crontopus_app.models import Endpoint, Monitor, Run
from crontopus_app.monitoring import evaluator
from crontopus_app.monitoring.evaluator import LEASE, LEASE_LENGTH, evaluate
from tests.cast import JOB_ID, NOON, Member, add_endpoint, add_job, join, tell
from tests.fixtures.processes import wait_until

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SLOT = NOON + HOUR
DEADLINE = SLOT + 5 * MINUTE


@pytest.fixture
def alice(db: Engine) -> Member:
    """Her job runs at 13:00 UTC with a grace of five minutes; its line is installed since noon."""
    member = join("alice")
    add_job("alice", member.endpoint_id)
    with writing() as session:
        monitor = session.exec(select(Monitor)).one()
        monitor.grace_s = 300
        session.add(monitor)
    report(member.endpoint_id, NOON)
    contact(member.endpoint_id, NOON)
    return member


def report(
    endpoint_id: str, now: datetime, schedule: tuple[str, ...] = ("0 13 * * *",), boot_id: str = "", spool: int = 0
) -> None:
    """The agent says that these lines are installed."""
    entry = wire.EntryOutcome(JOB_ID, "production/backup.yaml", "Applied", schedule=list(schedule), zone="UTC")
    sent = wire.PassReport("Applied", "c" * 40, "c" * 40, now, 0.1, entries=[entry], boot_id=boot_id, spool=spool)
    with writing() as session:
        agent_api.report(session, endpoint_id, sent, now)


def contact(endpoint_id: str, now: datetime, spool: int = 0, boot_id: str = "") -> None:
    contacts.seen(endpoint_id, now, spool, boot_id)


def start(slot: datetime | None = SLOT, **facts: object) -> wire.Checkin:
    ids = {"id": str(uuid.uuid4()), "run_id": str(uuid.uuid4()), "job_id": JOB_ID}
    given = {"kind": "start", "at": slot or NOON, "started_at": slot or NOON, "slot": slot, **ids, **facts}
    return wire.Checkin(**given)  # pyright: ignore[reportArgumentType]


def monitor() -> Monitor:
    with reading() as session:
        return session.exec(select(Monitor)).one()


def statuses() -> list[tuple[str, datetime | None]]:
    with reading() as session:
        return [(run.status, run.slot) for run in session.exec(select(Run).order_by(Run.sort_at))]  # pyright: ignore[reportArgumentType]


def settle(now: datetime) -> None:
    """Evaluates until nothing is due."""
    while evaluate(now):
        pass


def test_a_slot_that_nothing_started_in_is_missed_once(alice: Member) -> None:
    contact(alice.endpoint_id, DEADLINE - MINUTE)
    settle(DEADLINE - timedelta(seconds=1))
    assert statuses() == []
    settle(DEADLINE)
    settle(DEADLINE + MINUTE)
    assert statuses() == [("missed", SLOT)]
    found = monitor()
    assert (found.state, found.last_run_status, found.next_deadline) == (
        "missed",
        "missed",
        DEADLINE + timedelta(days=1),
    )
    with reading() as session:
        run = session.exec(select(Run)).one()
    assert (run.job_name, run.namespace, run.endpoint_name, run.sort_at) == ("backup", "production", "alice-host", SLOT)


def test_a_slot_that_a_run_started_in_is_not_missed(alice: Member) -> None:
    tell(alice.endpoint_id, start(), now=SLOT)
    contact(alice.endpoint_id, DEADLINE)
    settle(DEADLINE)
    assert statuses() == [("running", SLOT)]


def test_nothing_is_looked_at_before_it_is_due(alice: Member) -> None:
    settle(NOON)
    assert evaluate(DEADLINE - timedelta(seconds=1)) == 0


def test_a_late_report_of_the_run_replaces_the_missed_one(alice: Member) -> None:
    contact(alice.endpoint_id, DEADLINE)
    settle(DEADLINE)
    late = start(kind="success", at=SLOT + MINUTE)
    tell(alice.endpoint_id, late, now=DEADLINE + HOUR)
    assert statuses() == [("success", SLOT)]
    assert monitor().state == "ok"
    settle(DEADLINE + 2 * HOUR)
    assert statuses() == [("success", SLOT)]


def test_a_run_that_started_early_by_a_wrong_clock_ends_the_missed_state(alice: Member) -> None:
    contact(alice.endpoint_id, DEADLINE)
    settle(DEADLINE)
    early = start(kind="success", started_at=SLOT - timedelta(seconds=20), at=SLOT)
    tell(alice.endpoint_id, early, now=DEADLINE + HOUR)
    assert monitor().state == "ok"


def test_the_slots_of_a_silent_host_wait_for_it(alice: Member) -> None:
    settle(DEADLINE + HOUR)
    assert (statuses(), monitor().next_deadline) == ([], None)
    contact(alice.endpoint_id, DEADLINE + 2 * HOUR, spool=1)
    settle(DEADLINE + 2 * HOUR)
    assert statuses() == []
    tell(alice.endpoint_id, start(kind="success", at=SLOT), now=DEADLINE + 2 * HOUR)
    contact(alice.endpoint_id, DEADLINE + 2 * HOUR + MINUTE)
    settle(DEADLINE + 2 * HOUR + MINUTE)
    assert statuses() == [("success", SLOT)]


def test_a_report_is_a_contact(alice: Member) -> None:
    """The first that is heard of a host may be a report."""
    contact(alice.endpoint_id, NOON + MINUTE, boot_id="one")
    settle(DEADLINE + HOUR)
    report(alice.endpoint_id, DEADLINE + HOUR, boot_id="two", spool=1)
    settle(DEADLINE + HOUR)
    assert statuses() == []
    report(alice.endpoint_id, DEADLINE + HOUR + MINUTE, boot_id="two")
    settle(DEADLINE + HOUR + MINUTE)
    assert statuses() == [("missed", SLOT)]
    with reading() as session:
        assert "it was off" in session.exec(select(Run)).one().error


def test_a_host_that_is_back_and_has_nothing_to_tell_has_missed(alice: Member) -> None:
    settle(DEADLINE + HOUR)
    contact(alice.endpoint_id, DEADLINE + 2 * HOUR)
    settle(DEADLINE + 2 * HOUR)
    assert statuses() == [("missed", SLOT)]


@pytest.mark.parametrize(("boot_id", "why"), [("two", "it was off"), ("one", "without a restart")])
def test_a_missed_slot_says_what_its_host_did(alice: Member, boot_id: str, why: str) -> None:
    contact(alice.endpoint_id, NOON + MINUTE, boot_id="one")
    contact(alice.endpoint_id, DEADLINE + HOUR, boot_id=boot_id)
    settle(DEADLINE + HOUR)
    with reading() as session:
        said = session.exec(select(Run)).one().error
    assert said.startswith("alice-host was silent from 2026-11-23 12:01 to 2026-11-23 14:05 UTC ")
    assert why in said


def test_a_missed_slot_of_a_host_in_contact_says_so(alice: Member) -> None:
    for minutes in range(2, 66, 2):
        contact(alice.endpoint_id, NOON + minutes * MINUTE)
    settle(DEADLINE)
    with reading() as session:
        assert (
            session.exec(select(Run)).one().error == "alice-host was in contact and had the line, but reported no run."
        )


def test_check_ins_that_cannot_be_sent_do_not_hold_up_deadlines_for_ever(alice: Member) -> None:
    for minutes in range(0, 60, 2):
        contact(alice.endpoint_id, SLOT + minutes * MINUTE, spool=1)
        settle(SLOT + minutes * MINUTE)
        assert statuses() == []
    for minutes in (60, 62):
        contact(alice.endpoint_id, SLOT + minutes * MINUTE, spool=1)
        settle(SLOT + minutes * MINUTE)
    assert statuses() == [("missed", SLOT)]


@pytest.mark.parametrize("state", ["paused", "retired"])
def test_a_job_that_rests_misses_nothing(alice: Member, state: str) -> None:
    with writing() as session:
        found = session.exec(select(Monitor)).one()
        found.state = state
        session.add(found)
    contact(alice.endpoint_id, DEADLINE)
    settle(DEADLINE)
    assert (statuses(), monitor().next_deadline) == ([], None)


def test_a_removed_line_misses_nothing(alice: Member) -> None:
    report(alice.endpoint_id, SLOT - MINUTE, schedule=())
    contact(alice.endpoint_id, DEADLINE)
    settle(DEADLINE)
    assert (statuses(), monitor().next_deadline) == ([], None)


def test_the_slot_before_a_line_changed_is_still_missed(alice: Member) -> None:
    report(alice.endpoint_id, SLOT + MINUTE, schedule=("30 13 * * *",))
    contact(alice.endpoint_id, DEADLINE)
    settle(DEADLINE)
    assert statuses() == [("missed", SLOT)]
    assert monitor().next_deadline == SLOT + 35 * MINUTE


def test_a_late_start_and_a_second_run_of_a_slot_are_flagged_when_it_is_settled(alice: Member) -> None:
    late, second, skipped = (SLOT + seconds * timedelta(seconds=1) for seconds in (125, 200, 210))
    for begun, kind in ((second, "success"), (late, "start"), (skipped, "skipped")):
        told = start(begun.replace(second=0), kind=kind, at=begun, started_at=begun, flags=["manual_test"])
        tell(alice.endpoint_id, told, now=begun)
    contact(alice.endpoint_id, DEADLINE)
    settle(DEADLINE)
    settle(DEADLINE + MINUTE)
    with reading() as session:
        flags = {run.status: run.flags for run in session.exec(select(Run))}
    assert flags == {
        "running": ["late_start", "manual_test"],
        "success": ["extra", "manual_test"],
        "skipped": ["manual_test"],
    }


def limit(seconds: float) -> None:
    with writing() as session:
        found = session.exec(select(Monitor)).one()
        found.run_limit_s = seconds
        session.add(found)


def test_a_run_that_is_not_heard_of_any_more_is_lost_until_it_reports(alice: Member) -> None:
    limit(600)
    settle(NOON)
    begun = start()
    tell(alice.endpoint_id, begun, now=SLOT)
    contact(alice.endpoint_id, SLOT + 10 * MINUTE)
    settle(SLOT + 10 * MINUTE)
    assert statuses() == [("lost", SLOT)]
    assert monitor().state == "failing"
    finish = replace(begun, id=str(uuid.uuid4()), kind="success", at=SLOT + 9 * MINUTE)
    tell(alice.endpoint_id, finish, now=SLOT + HOUR)
    assert statuses() == [("success", SLOT)]
    assert monitor().state == "ok"


def test_a_manual_run_is_found_lost_at_its_own_deadline(alice: Member) -> None:
    limit(600)
    settle(NOON)
    tell(alice.endpoint_id, start(slot=None), now=NOON)
    assert monitor().next_deadline == NOON + 10 * MINUTE
    contact(alice.endpoint_id, NOON + 10 * MINUTE)
    settle(NOON + 10 * MINUTE)
    assert statuses() == [("lost", None)]


def test_a_run_during_which_its_host_restarted_is_lost(alice: Member) -> None:
    contact(alice.endpoint_id, SLOT, boot_id="one")
    tell(alice.endpoint_id, start(boot_id="one"), now=SLOT)
    contact(alice.endpoint_id, SLOT + 10 * MINUTE, boot_id="one")
    settle(SLOT + 10 * MINUTE)
    assert statuses() == [("running", SLOT)]
    contact(alice.endpoint_id, SLOT + 12 * MINUTE, boot_id="two")
    settle(SLOT + 12 * MINUTE)
    assert statuses() == [("lost", SLOT)]
    with reading() as session:
        assert "restarted" in session.exec(select(Run)).one().error


def test_each_host_and_tenant_has_slots_of_its_own(alice: Member) -> None:
    second, _ = add_endpoint("alice", "second")
    join("charlie")
    with writing() as session:
        session.add(Monitor(tenant_id="alice", job_id=JOB_ID, source_id=second, endpoint_id=second, job_name="backup",
                            namespace="production", grace_s=300, updated_at=NOON))  # fmt: skip
    report(second, NOON)
    tell(alice.endpoint_id, start(), now=SLOT)
    for endpoint_id in (alice.endpoint_id, second):
        contact(endpoint_id, DEADLINE)
    settle(DEADLINE)
    with reading() as session:
        runs = {(run.source_id, run.status, run.tenant_id) for run in session.exec(select(Run))}
    assert runs == {(alice.endpoint_id, "running", "alice"), (second, "missed", "alice")}


@pytest.mark.logs_errors
def test_a_monitor_that_cannot_be_evaluated_does_not_stop_the_others(
    alice: Member, caplog: pytest.LogCaptureFixture
) -> None:
    with writing() as session:
        session.add(Monitor(tenant_id="alice", job_id=str(uuid.uuid4()), source_id=alice.endpoint_id, job_name="broken",
                            endpoint_id=alice.endpoint_id, namespace="production", lines=[{"since": "never"}],
                            next_deadline=NOON, updated_at=NOON))  # fmt: skip
    contact(alice.endpoint_id, DEADLINE)
    settle(DEADLINE)
    assert statuses() == [("missed", SLOT)]
    assert "cannot be evaluated" in caplog.text


def test_the_lag_is_the_age_of_the_oldest_deadline(alice: Member) -> None:
    settle(NOON)
    with reading() as session:
        assert evaluator.lag(session, NOON) == timedelta(0)
        assert evaluator.lag(session, DEADLINE + MINUTE) == MINUTE


def test_another_process_takes_over_when_the_leader_is_gone(alice: Member) -> None:
    """The leader holds the lease and does nothing, as a process that hangs."""
    contact(alice.endpoint_id, DEADLINE)
    clock = [DEADLINE]
    stop = threading.Event()
    with lease(LEASE, lambda: clock[0], LEASE_LENGTH) as held:
        assert held is not None
        standing_by = threading.Thread(target=evaluator.run, args=(stop, lambda: clock[0]))
        standing_by.start()
        try:
            stop.wait(0.3)
            assert statuses() == []
            clock[0] += LEASE_LENGTH + timedelta(seconds=1)
            wait_until(lambda: statuses() == [("missed", SLOT)], "takes over")
        finally:
            stop.set()
            standing_by.join()


def test_who_leads_is_known(alice: Member) -> None:
    with reading() as session:
        assert not evaluator.is_led(session, NOON)
    with lease(LEASE, lambda: datetime.now(UTC), LEASE_LENGTH), reading() as session:
        assert evaluator.is_led(session, datetime.now(UTC))


def test_a_contact_is_written_at_most_every_15_seconds(alice: Member) -> None:
    contact(alice.endpoint_id, NOON + timedelta(seconds=10))
    with reading() as session:
        assert session.get_one(Endpoint, alice.endpoint_id).last_seen_at == NOON
    contact(alice.endpoint_id, NOON + timedelta(seconds=11), spool=2)
    with reading() as session:
        assert session.get_one(Endpoint, alice.endpoint_id).spool == 2


def test_check_ins_and_evaluations_at_once_lose_and_double_nothing(on_postgres: Engine) -> None:
    """The runs of half of the jobs report in the instant in which their slots are settled."""
    member = join("alice")
    jobs = [str(uuid.uuid4()) for _ in range(60)]
    for number, job_id in enumerate(jobs):
        add_job("alice", member.endpoint_id, job_id=job_id, name=f"job-{number}")
    entries = [wire.EntryOutcome(job_id, "", "Applied", schedule=["0 13 * * *"], zone="UTC") for job_id in jobs]
    sent = wire.PassReport("Applied", "c" * 40, "c" * 40, NOON, 0.1, entries=entries)
    with writing() as session:
        agent_api.report(session, member.endpoint_id, sent, NOON)
    late = SLOT + HOUR
    contact(member.endpoint_id, late)
    reported = jobs[::2]

    def send() -> None:
        for job_id in reported:
            checkin = start(job_id=job_id)
            while isinstance(tell(member.endpoint_id, checkin, now=late)[0], Busy):
                pass  # the runner sends it again too

    sender = threading.Thread(target=send)
    evaluators = [threading.Thread(target=settle, args=(late,)) for _ in range(2)]
    for each in (sender, *evaluators):
        each.start()
    for each in (sender, *evaluators):
        each.join()
    settle(late)
    with reading() as session:
        found = sorted((run.job_id, run.status) for run in session.exec(select(Run)))
    expected = sorted((job_id, "running" if job_id in reported else "missed") for job_id in jobs)
    assert found == expected
