"""Ingest, contacts and evaluator together, compared with a slow and obvious count of what happened on one host."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import select

from contract import wire
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import Busy
from crontopus_app.hosts import agent_api, contact
from crontopus_app.models import Endpoint, Monitor, Run
from crontopus_app.monitoring.evaluator import SILENT_AFTER, evaluate
from tests.cast import JOB_ID, NOON, Member, add_endpoint, add_job, join, tell

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
# What has waited for so long on a host is counted by its agent.
STUCK = 10 * SECOND
EVERY = {"*/5 * * * *": 5 * MINUTE, "*/10 * * * *": 10 * MINUTE, "0 * * * *": HOUR}
HORIZON = HOUR
END = NOON + HORIZON + HOUR
SLOT = NOON + HOUR
DEADLINE = SLOT + 5 * MINUTE
HEALTH = {"success": "ok", "failed": "failing", "missed": "missed"}


@dataclass(frozen=True)
class Outage:
    """From ``begin`` to ``end`` the host does not reach the server; ``replay`` later it has sent what waited."""

    begin: datetime
    end: datetime
    replay: timedelta


@dataclass(frozen=True)
class Ran:
    """A run in a slot. Its check-ins travel for ``travel``, and each is sent once or twice."""

    slot: datetime
    delay: timedelta
    took: timedelta
    succeeds: bool
    travel: tuple[timedelta, timedelta]
    twice: bool


@dataclass(frozen=True)
class History:
    """One host with one job. ``lines``: when which expression (None: none) was reported to be installed."""

    lines: tuple[tuple[datetime, str | None], ...]
    runs: tuple[Ran, ...]
    outages: tuple[Outage, ...]
    tells_spool: bool
    first_contact: timedelta

    def due(self) -> list[datetime]:
        """The slots of the installed line: from the report that it is there to the report that it is not."""
        ends = [at for at, _ in self.lines[1:]] + [END]
        return [
            slot
            for (since, schedule), until in zip(self.lines, ends, strict=True)
            for slot in (slots(schedule) if schedule else ())
            if since <= slot < until
        ]

    def expected(self) -> dict[datetime, str]:
        """The status of each slot's only row at the end."""
        ran = {run.slot: "success" if run.succeeds else "failed" for run in self.runs}
        return dict.fromkeys(self.due(), "missed") | ran

    def arrival(self, sent: datetime, travel: timedelta) -> datetime:
        """When the server receives what the host sends at ``sent``."""
        arrives = sent + travel
        for outage in self.outages:
            if outage.begin <= arrives and sent < outage.end:
                arrives = max(arrives, outage.end + outage.replay)
        return arrives

    def is_connected(self, at: datetime) -> bool:
        return not any(outage.begin <= at < outage.end for outage in self.outages)


def slots(schedule: str) -> Iterator[datetime]:
    for number in range(int(HORIZON / EVERY[schedule]) + 1):
        yield NOON + number * EVERY[schedule]


def span(least: int, most: int) -> st.SearchStrategy[timedelta]:
    return st.integers(least, most).map(lambda seconds: seconds * SECOND)


def times(least: int, most: int) -> st.SearchStrategy[list[datetime]]:
    """Lists are filled: Hypothesis likes short ones, in which nothing happens."""
    return st.lists(
        span(0, int(HORIZON.total_seconds())).map(lambda after: NOON + after), min_size=least, max_size=most
    ).map(sorted)


@st.composite
def a_run(draw: st.DrawFn, slot: datetime) -> Ran:
    """It starts within four seconds of its slot and ends before the next. Seldom its check-ins travel for long."""
    travel = st.one_of(span(0, 8), span(0, 8), span(150, 1800))
    took, waits = draw(span(0, 200)), draw(travel)
    return Ran(
        slot,
        draw(span(0, 4)),
        took,
        draw(st.booleans()),
        draw(st.sampled_from([(waits, waits), (waits, draw(travel))])),
        draw(st.booleans()),
    )


@st.composite
def histories(draw: st.DrawFn) -> History:
    """The line is first reported at some time, changed or removed a few times, and gone at the end."""
    changes = sorted(set(draw(times(0, 3))) | {NOON + draw(span(0, 600))})
    kinds = st.sampled_from(["*/5 * * * *", *EVERY, None])
    first = draw(st.sampled_from(["*/5 * * * *", "*/10 * * * *"]))
    lines = ((changes[0], first), *((at, draw(kinds)) for at in changes[1:]), (NOON + HORIZON + SECOND, None))
    outages = []
    for begin in draw(times(1, 2)):
        outages.append(Outage(begin, begin + draw(span(30, 1500)), draw(span(0, 60))))
    bare = History(lines, (), tuple(outages), draw(st.booleans()), draw(span(0, 119)))
    # A report needs a connection.
    bare = replace(bare, lines=tuple(each for each in lines if bare.is_connected(each[0]) or each is lines[-1]))
    bare = replace(bare, outages=tuple(each for each in outages if each.end < NOON + HORIZON))
    runs = tuple(draw(a_run(slot)) for slot in bare.due() if draw(st.sampled_from([True, True, False])))
    return replace(bare, runs=runs)


class Replay:
    """Lets a history happen to a new host with a new job, and evaluates at the given times."""

    def __init__(self, history: History, evaluations: list[datetime]) -> None:
        self.history, self.evaluations = history, evaluations
        self.job_id, name = str(uuid.uuid4()), uuid.uuid4().hex
        self.host, _ = add_endpoint("alice", name)
        add_job("alice", self.host, job_id=self.job_id, name=name)
        self.sent: list[tuple[datetime, datetime, wire.Checkin]] = []
        for run in history.runs:
            self._send(run)

    def _send(self, run: Ran) -> None:
        """The run's check-ins with the times at which they are made and received."""
        begun, run_id = run.slot + run.delay, str(uuid.uuid4())
        ended = begun + run.took
        finish = "success" if run.succeeds else "fail"
        for kind, at, travel in (("start", begun, run.travel[0]), (finish, ended, run.travel[1])):
            checkin = wire.Checkin(str(uuid.uuid4()), self.job_id, run_id, kind, at, slot=run.slot, started_at=begun)
            arrives = self.history.arrival(at, travel)
            self.sent += [(at, arrives, checkin), (at, arrives + 7 * MINUTE, checkin)][: 1 + run.twice]

    def waiting(self, now: datetime) -> int:
        """How many check-ins the agent says have waited for long; a repeat does not wait."""
        first = {checkin.id: (made, arrives) for made, arrives, checkin in reversed(self.sent)}
        return sum(made + STUCK < now < arrives for made, arrives in first.values()) if self.history.tells_spool else 0

    def events(self) -> list[tuple[datetime, int, Callable[[datetime], object]]]:
        """What happens, in order; at one instant check-ins come first and evaluations last."""
        told = [(at, 0, partial(self._tell, checkin)) for _, at, checkin in self.sent]
        reported = [(at, 1, partial(self._report, schedule)) for at, schedule in self.history.lines]
        minutes = (
            NOON + self.history.first_contact + number * 2 * MINUTE
            for number in range(int((END - NOON) / MINUTE) // 2 - 1)
        )
        heard = [*filter(self.history.is_connected, minutes), *(outage.end for outage in self.history.outages)]
        contacts = [(at, 2, self._contact) for at in heard if self.history.is_connected(at)]
        looks = [(at, 3, self._evaluate) for at in self.evaluations]
        return sorted([*told, *reported, *contacts, *looks], key=lambda event: event[:2])

    def _tell(self, checkin: wire.Checkin, now: datetime) -> None:
        (answer,) = tell(self.host, checkin, now=now)
        assert isinstance(answer, wire.CheckinAnswer), answer

    def _report(self, schedule: str | None, now: datetime) -> None:
        report(self.host, now, (self.job_id,), [schedule] if schedule else [], spool=self.waiting(now))

    def _contact(self, now: datetime) -> None:
        contact.seen(self.host, now, self.waiting(now))

    def _evaluate(self, now: datetime) -> None:
        settle(now)
        if self.history.tells_spool:
            ran = {run.slot for run in self.history.runs}
            early = [slot for status, slot in rows(self.job_id) if status == "missed" and slot in ran]
            assert not early, f"at {now}, slots that ran were called missed: {early}"

    def run(self) -> tuple[list[tuple[str, datetime | None]], tuple[str, str | None]]:
        """The rows of the job and the state of its monitor at the end, when the host has nothing left to say."""
        for now, _, happen in self.events():
            happen(now)
        contact.seen(self.host, END)
        settle(END)
        with writing() as session:
            monitor = session.exec(select(Monitor).where(Monitor.job_id == self.job_id)).one()
            state = monitor.state, monitor.last_run_status
            session.delete(monitor)  # the next replay's evaluations are not for it
        return rows(self.job_id), state


def report(host: str, now: datetime, job_ids: tuple[str, ...], schedule: list[str], *, spool: int = 0) -> None:
    """The agent says that each job has these lines."""
    entries = [wire.EntryOutcome(job_id, "", "Applied", schedule=schedule, zone="UTC") for job_id in job_ids]
    sent = wire.PassReport("Applied", "c" * 40, "c" * 40, now, 0.1, entries=entries, spool=spool)
    with writing() as session:
        agent_api.report(session, host, sent, now)


def rows(job_id: str = JOB_ID) -> list[tuple[str, datetime | None]]:
    with reading() as session:
        return sorted((run.status, run.slot) for run in session.exec(select(Run).where(Run.job_id == job_id)))  # pyright: ignore[reportCallIssue, reportArgumentType]


def settle(now: datetime) -> None:
    """Evaluates until nothing is due."""
    while evaluate(now):
        pass


def check(history: History, evaluations: list[datetime]) -> None:
    """Exactly the due slots without a run are missed, each slot has one row, and the last row gives the state."""
    expected = history.expected()
    found, (state, last_status) = Replay(history, evaluations).run()
    assert found == sorted((status, slot) for slot, status in expected.items())
    last = expected[max(expected)] if expected else None
    assert (state, last_status) == (HEALTH[last] if last else "waiting", last)


def eventful(most: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Without shrinking, which would take minutes of replays when a test fails."""
    health = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return examples(max_examples=most, phases=[Phase.reuse, Phase.generate], suppress_health_check=health)


@pytest.fixture
def alice(sqlite_db: Engine) -> Member:
    return join("alice")


@pytest.fixture
def alice_on_postgres(on_postgres: Engine) -> Member:
    return join("alice")


@eventful(35)
@given(histories(), times(20, 30))
def test_the_rows_are_what_happened(alice: Member, history: History, evaluations: list[datetime]) -> None:
    """Whatever is delayed, repeated or waits on the host. A run is not even for a while missed if the host told so."""
    check(history, evaluations)


@eventful(8)
@given(histories(), times(20, 30))
def test_the_rows_are_what_happened_on_postgres(
    alice_on_postgres: Member, history: History, evaluations: list[datetime]
) -> None:
    check(history, evaluations)


@eventful(8)
@given(histories(), times(20, 30), times(20, 30))
def test_it_does_not_matter_when_is_evaluated(
    alice: Member, history: History, one: list[datetime], other: list[datetime]
) -> None:
    """Two histories that differ only in the times of evaluation, one of them evaluated at its end alone."""
    assert Replay(history, one).run() == Replay(history, other).run() == Replay(history, []).run()


@pytest.fixture
def backup(alice: Member) -> Member:
    """Her job runs at 13:00 with a grace of five minutes; its line is installed since noon."""
    add_job("alice", alice.endpoint_id)
    change_monitor(grace_s=300)
    report(alice.endpoint_id, NOON, (JOB_ID,), ["0 13 * * *"])
    return alice


def change_monitor(**values: object) -> None:
    with writing() as session:
        monitor = session.exec(select(Monitor)).one()
        for name, value in values.items():
            setattr(monitor, name, value)
        session.add(monitor)


def state() -> str:
    with reading() as session:
        return session.exec(select(Monitor)).one().state


def checkin(kind: str, started: datetime, after: timedelta, run_id: str = "", **facts: object) -> wire.Checkin:
    """A check-in ``after`` its run started. The runner's slot is the minute in which the run started."""
    given = {"slot": started.replace(second=0), "started_at": started, "job_id": JOB_ID} | facts
    ids = {"id": str(uuid.uuid4()), "run_id": run_id or str(uuid.uuid4())}
    return wire.Checkin(kind=kind, at=started + after, **ids, **given)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("late", [-2 * SECOND, 63 * SECOND])
@pytest.mark.parametrize("evaluated_first", [False, True])
def test_a_run_of_the_minute_beside_its_slot_replaces_the_missed_one(
    backup: Member, late: timedelta, *, evaluated_first: bool
) -> None:
    """A run that started early or late counts for its slot, whether its report comes before the deadline or after."""
    contact.seen(backup.endpoint_id, DEADLINE)
    if evaluated_first:
        settle(DEADLINE)
    tell(backup.endpoint_id, checkin("success", SLOT + late, SECOND), now=DEADLINE)
    settle(DEADLINE + HOUR)
    assert [status for status, _ in rows()] == ["success"]


def test_a_slot_whose_host_is_silent_before_the_deadline_stays_open(backup: Member) -> None:
    """The run starts late and within its grace, after the last contact: only the host can tell."""
    change_monitor(grace_s=3600)
    contact.seen(backup.endpoint_id, SLOT + 16 * SECOND)
    settle(SLOT + HOUR)
    assert rows() == []
    contact.seen(backup.endpoint_id, SLOT + HOUR + MINUTE)
    settle(SLOT + HOUR + MINUTE)
    assert rows() == [("missed", SLOT)]


def test_a_run_whose_finish_waits_on_a_restarted_host_is_not_lost(backup: Member) -> None:
    """It ended, its finish went to the spool, and then the host restarted: it says that something waits."""
    contact.seen(backup.endpoint_id, SLOT - MINUTE, boot_id="one")
    tell(backup.endpoint_id, checkin("start", SLOT, 0 * SECOND, boot_id="one"), now=SLOT)
    contact.seen(backup.endpoint_id, SLOT + 2 * MINUTE, boot_id="one")
    contact.seen(backup.endpoint_id, SLOT + 20 * MINUTE, spool=1, boot_id="two")
    settle(SLOT + 20 * MINUTE)
    assert rows() == [("running", SLOT)]


@pytest.mark.parametrize("next_is", ["skipped", "start"])
def test_a_failure_is_noticed_although_the_next_slot_has_come(backup: Member, next_is: str) -> None:
    """The run takes longer than the interval, so the next one is skipped (``forbid``) or runs beside it; it fails."""
    run_id = str(uuid.uuid4())
    for told in (
        checkin("start", SLOT, 0 * SECOND, run_id),
        checkin(next_is, SLOT + 5 * MINUTE, 0 * SECOND),
        checkin("fail", SLOT, 7 * MINUTE, run_id),
    ):
        tell(backup.endpoint_id, told, now=told.at)
    assert state() == "failing"


@pytest.mark.parametrize("kind", ["skipped", "start"])
def test_a_missed_slot_that_was_not_missed_after_all_leaves_no_trace(backup: Member, kind: str) -> None:
    """The state is the same whether the report comes before the slot is settled or after."""
    before = checkin("success", NOON, MINUTE, slot=None)
    tell(backup.endpoint_id, before, now=before.at)
    contact.seen(backup.endpoint_id, DEADLINE)
    settle(DEADLINE)
    assert state() == "missed"
    tell(backup.endpoint_id, checkin(kind, SLOT, 0 * SECOND), now=DEADLINE + MINUTE)
    assert state() == "ok"


@pytest.mark.parametrize("behind", [0 * SECOND, SECOND])
def test_a_slot_does_not_sleep_when_clocks_of_server_processes_differ(backup: Member, behind: timedelta) -> None:
    """The evaluator calls the host silent; the next contact, by a clock that may be a second behind, does not."""
    change_monitor(grace_s=120)
    contact.seen(backup.endpoint_id, SLOT - 30 * SECOND)
    silent = SLOT - 30 * SECOND + SILENT_AFTER + SECOND
    settle(silent)
    assert rows() == []
    for number in range(90):
        contact.seen(backup.endpoint_id, silent - behind + number * MINUTE)
        settle(silent + number * MINUTE)
    assert rows() == [("missed", SLOT)]


def test_a_run_before_the_line_was_reported_does_not_hide_its_first_slot(backup: Member) -> None:
    """A job of each minute ran at 12:59; the report of its line came just after. It does not run at 13:00."""
    report(backup.endpoint_id, SLOT - 50 * SECOND, (JOB_ID,), ["* * * * *"])
    tell(backup.endpoint_id, checkin("success", SLOT - MINUTE, SECOND), now=SLOT - 58 * SECOND)
    report(backup.endpoint_id, SLOT + 30 * SECOND, (JOB_ID,), [])
    contact.seen(backup.endpoint_id, DEADLINE)
    settle(DEADLINE)
    assert ("missed", SLOT) in rows()


@eventful(5)
@given(st.lists(st.integers(1, 60), max_size=12, unique=True).map(sorted), st.integers(20, 70), st.booleans())
def test_a_run_is_stuck_while_it_is_heard_of_and_then_lost(
    alice: Member, heartbeats: list[int], ends: int, succeeds: bool
) -> None:
    """Evaluated each minute. It may take ten minutes; the host is in contact all the time and nothing waits there."""
    job_id, run_id = str(uuid.uuid4()), str(uuid.uuid4())
    add_job("alice", alice.endpoint_id, job_id=job_id, name=job_id)
    with writing() as session:
        session.exec(select(Monitor).where(Monitor.job_id == job_id)).one().run_limit_s = 600
    told = {0: "start", ends: "success" if succeeds else "fail"} | dict.fromkeys(
        (minute for minute in heartbeats if minute != ends), "heartbeat"
    )
    status, state = "running", "waiting"
    for minute in range(75):
        now = SLOT + minute * MINUTE
        if minute in told:
            tell(alice.endpoint_id, checkin(told[minute], SLOT, minute * MINUTE, run_id, job_id=job_id), now=now)
        contact.seen(alice.endpoint_id, now)
        settle(now)
        if minute == ends:
            status, state = ("success", "ok") if succeeds else ("failed", "failing")
        elif status == "running" and minute >= 10:
            alive = any(minute - 5 < each <= minute for each in heartbeats)
            status, state = ("running", "stuck") if alive else ("lost", "failing")
        assert (rows(job_id)[0][0], state_of(job_id)) == (status, state), minute


def state_of(job_id: str) -> str:
    with reading() as session:
        return session.exec(select(Monitor).where(Monitor.job_id == job_id)).one().state


@eventful(6)
@given(st.integers(1, 40), st.integers(1, 60), st.booleans(), st.booleans())
def test_a_run_is_late_from_its_finish_by_until_it_ends(
    alice: Member, finish: int, ends: int, succeeds: bool, in_contact: bool
) -> None:
    """Evaluated each minute. The flag and the state at the end do not depend on what the server heard meanwhile."""
    job_id, run_id = str(uuid.uuid4()), str(uuid.uuid4())
    add_job("alice", alice.endpoint_id, job_id=job_id, name=job_id)
    with writing() as session:
        deadline = SLOT + finish * MINUTE
        session.exec(select(Monitor).where(Monitor.job_id == job_id)).one().finish_by = f"{deadline:%H:%M}"
    report(alice.endpoint_id, SLOT - MINUTE, (job_id,), ["0 13 * * *"])
    outcome, state = ("success", "ok") if succeeds else ("fail", "failing")
    for minute in range(62):
        now = SLOT + minute * MINUTE
        kind = {0: "start", ends: outcome}.get(minute)
        if kind:
            told = checkin(kind, SLOT, minute * MINUTE, run_id, job_id=job_id, slot=SLOT)
            tell(alice.endpoint_id, told, now=now)
        contact.seen(alice.endpoint_id, now, spool=0 if in_contact else 1)
        settle(now)
        before = "late" if in_contact and minute >= finish else "waiting"
        assert state_of(job_id) == (state if minute >= ends else before), minute
    with reading() as session:
        run = session.exec(select(Run).where(Run.job_id == job_id)).one()
    assert ("late_finish" in run.flags) == (ends > finish)


def test_a_stuck_run_does_not_hide_behind_a_good_one(backup: Member) -> None:
    """Two runs overlap; the later ends well. Only the end of the stuck one ends the state."""
    change_monitor(run_limit_s=600)
    stuck, now = str(uuid.uuid4()), SLOT + 12 * MINUTE
    for told in (checkin("start", SLOT, 0 * SECOND, stuck), checkin("heartbeat", SLOT, 11 * MINUTE, stuck)):
        tell(backup.endpoint_id, told, now=told.at)
    contact.seen(backup.endpoint_id, now)
    settle(now)
    assert state() == "stuck"
    tell(backup.endpoint_id, checkin("success", SLOT + 5 * MINUTE, 7 * MINUTE), now=now)
    settle(now)
    assert state() == "stuck"
    tell(backup.endpoint_id, checkin("success", SLOT, 12 * MINUTE, stuck), now=now)
    settle(now)
    assert state() == "ok"


def test_check_ins_contacts_reports_and_evaluations_at_once(alice_on_postgres: Member) -> None:
    """Starts, finishes and repeats of half of the jobs arrive while their slots are settled and their host reports."""
    host, late = alice_on_postgres.endpoint_id, SLOT + HOUR
    jobs = tuple(str(uuid.uuid4()) for _ in range(40))
    for number, job_id in enumerate(jobs):
        add_job("alice", host, job_id=job_id, name=f"job-{number}")
    report(host, NOON, jobs, ["0 13 * * *"])
    contact.seen(host, late)
    at_once = [partial(send_all, host, jobs[::2]), partial(send_all, host, jobs[1::4])]
    at_once += [partial(evaluate_often, late)] * 2 + [partial(report_often, host, jobs, late)]
    with ThreadPoolExecutor(len(at_once)) as threads:
        for done in [threads.submit(each) for each in at_once]:
            done.result()
    settle(late + MINUTE)
    ran = {*jobs[::2], *jobs[1::4]}
    for job_id in jobs:
        assert rows(job_id) == [("success" if job_id in ran else "missed", SLOT)]
    with reading() as session:
        states = {monitor.job_id: monitor.state for monitor in session.exec(select(Monitor))}
        assert session.get_one(Endpoint, host).spool == 0
    assert states == {job_id: "ok" if job_id in ran else "missed" for job_id in jobs}


def send_all(host: str, jobs: tuple[str, ...]) -> None:
    for job_id in jobs:
        run_id = str(uuid.uuid4())
        start, end = (checkin(kind, SLOT, SECOND, run_id, job_id=job_id) for kind in ("start", "success"))
        for each in (start, end, start, end):
            while isinstance(tell(host, each, now=SLOT + HOUR)[0], Busy):
                pass  # the runner sends it again too


def evaluate_often(now: datetime) -> None:
    for _ in range(60):
        evaluate(now)


def report_often(host: str, jobs: tuple[str, ...], now: datetime) -> None:
    """The spool fills and empties, which wakes all monitors each time."""
    for number in range(10):
        contact.seen(host, now + number * SECOND, spool=1)
        report(host, now + number * SECOND, jobs, ["0 13 * * *"])
