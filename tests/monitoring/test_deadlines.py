"""Which slots are missed and which runs are lost: one row for each situation."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crontopus_app.monitoring.deadlines import (
    AT_ONCE,
    REMEMBERED,
    Loss,
    RunningRun,
    Settlement,
    StartedRun,
    due_slots,
    finish_deadline,
    late,
    loss,
    missed_run_id,
    settle,
    slot_of_run,
    start_flags,
)
from crontopus_app.monitoring.installed import InstalledLine

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def at(text: str) -> datetime:
    """``27 02:00`` is that time on 27 November 2026, UTC."""
    day, clock = text.split()
    hour, minute, *second = (int(part) for part in clock.split(":"))
    return datetime(2026, 11, int(day), hour, minute, *second, tzinfo=UTC)


def line(
    *schedule: str, since: str = "1 00:00", until: str | None = None, zone: str = "UTC", policy: str = "debian"
) -> InstalledLine:
    return InstalledLine(at(since), at(until) if until else None, schedule, zone, policy)


def outcome(
    *lines: InstalledLine,
    now: str,
    settled: str | None = None,
    started: tuple[str, ...] = (),
    heard: str | None = "now",
    grace: timedelta | None = None,
) -> Settlement:
    heard_until = at(now) if heard == "now" else (at(heard) if heard else None)
    return settle(lines, grace, at(settled) if settled else None, [at(each) for each in started], heard_until, at(now))


def missed(*lines: InstalledLine, **facts: object) -> list[datetime]:
    return [slot.at for slot in outcome(*lines, **facts).missed]  # pyright: ignore[reportArgumentType]


DAILY = line("0 2 * * *", since="26 12:00")


def test_a_slot_without_a_run_is_missed_at_its_deadline_and_not_before() -> None:
    early = outcome(DAILY, now="27 02:59:59")
    assert (early.missed, early.next_deadline, early.settled_until) == ((), at("27 03:00"), None)
    late = outcome(DAILY, now="27 03:00")
    assert [slot.at for slot in late.missed] == [at("27 02:00")]
    assert (late.settled_until, late.next_deadline) == (at("27 02:00"), at("28 03:00"))


def test_a_slot_with_a_run_is_settled() -> None:
    found = outcome(DAILY, now="27 03:00", started=("27 02:00",))
    ran = (at("27 02:00"), frozenset({at("27 02:00")}))
    assert found == Settlement((), at("27 02:00"), at("28 03:00"), ran=(ran,))


def test_a_settled_slot_is_not_missed_again() -> None:
    assert missed(DAILY, now="27 12:00", settled="27 02:00") == []


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("27 02:00:03", None, []),  # applied three seconds after the slot
        ("27 02:00", None, ["27 02:00"]),
        ("26 12:00", "27 02:00", []),  # removed before the slot
        ("26 12:00", "27 02:00:01", ["27 02:00"]),
    ],
)
def test_only_slots_of_an_installed_line_count(since: str, until: str | None, expected: list[str]) -> None:
    assert missed(line("0 2 * * *", since=since, until=until), now="27 12:00") == [at(each) for each in expected]


def test_an_edited_schedule_is_due_by_each_line_in_its_time() -> None:
    lines = line("0 * * * *", since="27 00:30", until="27 02:30"), line("15 * * * *", since="27 02:30")
    assert missed(*lines, now="27 04:00") == [at("27 01:00"), at("27 02:00"), at("27 03:15")]


@pytest.mark.parametrize(
    ("started", "is_missed"),
    [
        ("27 02:01", False),  # cron of a loaded host starts a minute late
        ("27 02:59", False),
        ("27 03:00", True),  # after the deadline
        ("27 01:59", False),  # a clock that is ahead
        ("27 01:58", True),
    ],
)
def test_a_run_belongs_to_the_slot_that_it_can_be_of(started: str, *, is_missed: bool) -> None:
    assert bool(missed(DAILY, now="27 03:00", started=(started,))) is is_missed


@pytest.mark.parametrize(
    ("schedule", "started", "slot"),
    [
        ("0 2 * * *", "27 02:00", "27 02:00"),
        ("0 2 * * *", "27 02:59", "27 02:00"),
        ("0 2 * * *", "27 01:59", "27 02:00"),
        ("0 2 * * *", "27 03:00", "27 03:00"),  # none: after the deadline
        ("0 2 * * *", "27 01:58", "27 01:58"),  # none: too early
        ("*/5 * * * *", "27 02:04", "27 02:05"),  # one minute before the next slot, four after the last
        ("*/5 * * * *", "27 02:01", "27 02:00"),
        ("* * * * *", "27 02:01", "27 02:01"),
        ("@reboot", "27 02:01", "27 02:01"),
    ],
)
def test_the_slot_of_a_run_is_the_nearest_that_it_can_be_of(schedule: str, started: str, slot: str) -> None:
    assert slot_of_run([line(schedule)], None, at(started)) == at(slot)


def test_a_start_more_than_a_day_after_its_slot_is_not_looked_up() -> None:
    assert slot_of_run([line("0 2 * * *")], 3 * DAY, at("27 01:00")) == at("26 02:00")
    assert slot_of_run([line("0 2 * * 1")], 3 * DAY, at("25 02:00")) == at("25 02:00")


def test_a_silent_host_must_have_been_heard_after_the_deadline() -> None:
    def held(heard: str) -> bool:
        return settle([DAILY], None, None, [], at(heard), at("27 12:00"), in_contact=False).held

    assert (held("27 02:59"), held("27 03:00")) == (True, False)


def test_a_run_of_one_slot_does_not_hide_the_next_one() -> None:
    every = line("* * * * *", since="27 01:59:30")
    assert missed(every, now="27 02:05", started=("27 02:00", "27 02:02")) == [at("27 02:01"), at("27 02:03")]


def test_slots_stay_open_while_the_grace_is_longer_than_the_interval() -> None:
    found = outcome(line("* * * * *", since="27 01:59:30"), now="27 02:04", grace=5 * MINUTE)
    assert (found.missed, found.next_deadline) == ((), at("27 02:05"))


@pytest.mark.parametrize(
    ("schedule", "grace"),
    [
        ("* * * * *", 2 * MINUTE),
        ("0 * * * *", 3 * MINUTE),
        ("0 2 * * *", HOUR),
        ("0 2 * * 1", HOUR),
        ("0 2 1 * *", HOUR),
    ],
)
def test_the_default_grace_follows_the_interval(schedule: str, grace: timedelta) -> None:
    slot = next(due_slots([line(schedule)], None, at("26 12:00")))
    assert slot.deadline - slot.at == grace


def test_a_given_grace_is_taken() -> None:
    assert outcome(DAILY, now="27 01:00", grace=timedelta(0)).next_deadline == at("27 02:00")


@pytest.mark.parametrize("heard", [None, "27 01:58", "27 02:00:14"])
def test_slots_of_a_host_that_was_not_heard_since_stay_open(heard: str | None) -> None:
    found = outcome(DAILY, now="27 12:00", heard=heard)
    assert found == Settlement((), None, None, held=True)


def test_a_host_that_was_heard_since_has_missed() -> None:
    assert missed(DAILY, now="27 12:00", heard="27 02:00:15") == [at("27 02:00")]


def test_a_run_settles_its_slot_although_the_host_is_silent() -> None:
    found = outcome(DAILY, now="28 12:00", started=("27 02:00",), heard="27 02:00")
    ran = (at("27 02:00"), frozenset({at("27 02:00")}))
    assert found == Settlement((), at("27 02:00"), None, held=True, ran=(ran,))


def test_a_host_that_is_back_settles_all_its_slots() -> None:
    hourly = line("0 * * * *", since="26 12:30")
    assert missed(hourly, now="27 00:04", settled="26 21:00", started=("26 23:00",)) == [at("26 22:00"), at("27 00:00")]


def test_at_boot_and_never_have_no_slots() -> None:
    for schedule in ("@reboot", "0 0 30 2 *"):
        assert outcome(line(schedule), now="27 02:00") == Settlement((), None, None)


def test_a_list_has_the_slots_of_each_expression_once() -> None:
    both = line("0 2 * * *", "0 2,4 * * *", since="26 12:00")
    assert missed(both, now="27 12:00") == [at("27 02:00"), at("27 04:00")]


def test_nothing_is_expected_in_a_zone_that_the_server_does_not_know() -> None:
    assert outcome(line("* * * * *", zone="Mars/Olympus"), now="27 02:00") == Settlement((), None, None)


def test_slots_follow_the_hosts_daemon_over_a_clock_change() -> None:
    """Berlin, 29 March 2026: 02:30 does not exist. Debian's cron runs the job at 03:00, BusyBox' does not."""
    before, after = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 12, tzinfo=UTC)
    found = {
        policy: [
            slot.at
            for slot in settle(
                [InstalledLine(before, None, ("30 2 * * *",), "Europe/Berlin", policy)], None, None, [], after, after
            ).missed
        ]
        for policy in ("debian", "busybox")
    }
    assert found == {"debian": [datetime(2026, 3, 29, 1, 0, tzinfo=UTC)], "busybox": []}


def test_many_missed_slots_are_settled_in_portions() -> None:
    every = line("* * * * *", since="26 00:00")
    found = outcome(every, now="27 00:00")
    assert (len(found.missed), found.next_deadline) == (AT_ONCE, at("27 00:00"))
    assert found.settled_until == found.missed[-1].at
    again = settle([every], None, found.settled_until, [], at("27 00:00"), at("27 00:00"))
    assert again.missed[0].at == found.missed[-1].at + MINUTE


def test_slots_of_long_ago_are_not_recorded() -> None:
    found = missed(line("0 2 * * *", since="1 00:00"), now="27 12:00")
    assert len(found) == REMEMBERED.days
    assert found[0] == at("21 02:00")


def test_the_run_of_a_missed_slot_has_one_id() -> None:
    monitor = str(uuid.uuid4())
    slot = at("27 02:00")
    assert missed_run_id(monitor, slot) == missed_run_id(monitor, slot.astimezone())
    assert missed_run_id(monitor, slot) != missed_run_id(monitor, slot + DAY)
    assert missed_run_id(monitor, slot) != missed_run_id(str(uuid.uuid4()), slot)


START = at("27 02:00")


@pytest.mark.parametrize(
    ("now", "heard", "limit", "boots", "is_lost", "look_again"),
    [
        ("27 02:59", "27 02:58", HOUR, ("a", "a"), False, "27 03:00"),
        ("27 03:00", "27 03:00", HOUR, ("a", "a"), True, None),
        ("27 03:00", "27 02:59", HOUR, ("a", "a"), False, "27 03:00:30"),  # its finish may still be on the host
        ("27 03:00", None, HOUR, ("a", "a"), False, "27 03:00:30"),
        ("29 03:00", "29 03:00", None, ("a", "a"), False, None),  # no limit, no restart: it may take days
        ("27 02:10", "27 02:09", None, ("a", "b"), True, None),  # restarted
        ("27 02:10", "27 01:59", None, ("a", "b"), False, None),
        ("27 02:10", "27 02:09", None, ("", "b"), False, None),
        ("27 02:10", "27 02:09", None, ("a", ""), False, None),
        ("27 02:10", "27 02:09", HOUR, ("a", "b"), True, None),
    ],
)
def test_a_run_is_lost_when_its_time_is_over_or_its_host_restarted(
    now: str,
    heard: str | None,
    limit: timedelta | None,
    boots: tuple[str, str],
    look_again: str | None,
    *,
    is_lost: bool,
) -> None:
    found = loss(RunningRun(START, boots[0]), limit, boots[1], at(heard) if heard else None, at(now))
    assert (bool(found.why), found.look_again) == (is_lost, at(look_again) if look_again else None)


@pytest.mark.parametrize(
    ("now", "alive", "heard", "is_lost", "overdue"),
    [
        ("27 02:59", "27 02:58", "27 02:58", False, ""),
        ("27 03:00", "27 02:58", "27 03:00", False, "stuck"),
        ("27 09:00", "27 08:56", "27 09:00", False, "stuck"),
        ("27 09:00", "27 08:55", "27 09:00", True, ""),
        ("27 09:00", "27 08:55", "27 08:59", False, ""),  # more may wait on the host
        ("27 03:00", "27 02:10", "27 03:00", True, ""),
    ],
)
def test_a_run_that_is_heard_of_is_stuck_and_not_lost(
    now: str, alive: str, heard: str, overdue: str, *, is_lost: bool
) -> None:
    found = loss(RunningRun(START, "a", at(alive)), HOUR, "a", at(heard), at(now))
    assert (bool(found.why), found.overdue) == (is_lost, overdue)
    assert (found.look_again is None) == is_lost


@pytest.mark.parametrize(
    ("slot", "finish_by", "deadline"),
    [
        ("2026-11-27T02:00+00:00", "06:00", "2026-11-27T06:00+00:00"),
        ("2026-11-27T22:00+00:00", "06:00", "2026-11-28T06:00+00:00"),
        ("2026-11-27T06:00+00:00", "06:00", "2026-11-28T06:00+00:00"),
        ("2026-11-27T02:00+00:00", "", None),
    ],
)
def test_a_run_must_have_ended_by_the_next_such_time_of_day(slot: str, finish_by: str, deadline: str | None) -> None:
    lines = [line("0 2 * * *", since="1 00:00")]
    found = finish_deadline(lines, finish_by, datetime.fromisoformat(slot))
    assert found == (datetime.fromisoformat(deadline) if deadline else None)
    assert finish_deadline([], finish_by, datetime.fromisoformat(slot)) is None


def test_the_time_of_day_is_that_of_the_lines_zone() -> None:
    """The night of 28 March 2026 has no 02:30 in Berlin, and one hour less."""
    berlin = replace(line("0 23 * * *", since="1 00:00"), zone="Europe/Berlin", since=at("1 00:00") - 365 * DAY)
    slot = datetime.fromisoformat("2026-03-28T23:00+01:00")
    assert finish_deadline([berlin], "06:00", slot) == datetime.fromisoformat("2026-03-29T06:00+02:00")
    assert finish_deadline([berlin], "02:30", slot) == datetime.fromisoformat("2026-03-29T03:30+02:00")
    assert finish_deadline([replace(berlin, zone="Mars/Base")], "06:00", slot) is None


@pytest.mark.parametrize(
    ("now", "heard", "overdue", "look_again"),
    [
        ("27 05:59", "27 05:59", "", "27 06:00"),
        ("27 06:00", "27 06:00", "late", "27 06:00:30"),
        ("27 06:00", "27 05:59", "", "27 06:00:30"),  # its finish may wait on the host
        ("27 06:00", None, "", "27 06:00:30"),
    ],
)
def test_a_run_is_late_if_nothing_of_it_waits_on_its_host(
    now: str, heard: str | None, overdue: str, look_again: str
) -> None:
    found = late(Loss(), at("27 06:00"), at(heard) if heard else None, at(now))
    assert found == Loss("", at(look_again), overdue)
    assert late(Loss("gone"), at("27 06:00"), at(now), at(now)) == Loss("gone")
    assert late(Loss("", at("27 05:00"), "stuck"), at("27 06:00"), at(now), at(now)) == Loss(
        "", at("27 05:00"), "stuck"
    )


def started(after_s: float, run_id: str, *flags: str) -> StartedRun:
    begun = START + timedelta(seconds=after_s)
    return StartedRun(run_id, begun.replace(second=0), begun, frozenset(flags))


@pytest.mark.parametrize(
    ("runs", "flags"),
    [
        ([started(0.4, "a")], {}),
        ([started(60, "a")], {}),
        ([started(61, "a", "too_fast")], {"a": {"late_start", "too_fast"}}),
        ([started(61, "a", "late_start")], {}),
        ([started(30, "b"), started(1, "a")], {"b": {"extra"}}),
        ([started(1, "b"), started(1, "a")], {"b": {"extra"}}),
        ([started(90, "a"), started(95, "b"), started(99, "c", "extra")], {"a": {"late_start"}, "b": {"extra"}}),
        ([StartedRun("a", START, None)], {}),
        ([started(61, "b"), replace(started(1, "a"), is_skipped=True)], {"b": {"late_start"}}),
        ([replace(started(1, "a"), is_skipped=True)], {}),
    ],
)
def test_a_run_may_start_late_and_a_second_one_is_extra(runs: list[StartedRun], flags: dict[str, set[str]]) -> None:
    assert start_flags(START, runs) == flags
    assert start_flags(START, reversed(runs)) == flags


SLOTS = [at("27 00:00") + number * 5 * MINUTE for number in range(12)]
END = SLOTS[-1] + 2 * HOUR


@dataclass(frozen=True)
class History:
    """Which slots ran, and how long each run's check-in waited on the host; when the server evaluated."""

    waits: dict[datetime, timedelta]
    evaluations: list[datetime]

    def arrived(self, now: datetime) -> list[datetime]:
        return [slot for slot, wait in self.waits.items() if slot + wait <= now]

    def heard_until(self, now: datetime) -> datetime | None:
        """The last minute up to ``now`` in which the host said that nothing waits: its runs of before had arrived."""
        minutes = int((now - SLOTS[0]) / MINUTE)
        contacts = [SLOTS[0] + minute * MINUTE for minute in range(minutes, -1, -1)]
        return next((contact for contact in contacts if not self._spool(contact)), None)

    def _spool(self, now: datetime) -> list[datetime]:
        begun = [slot for slot in self.waits if slot + timedelta(seconds=10) <= now]
        return [slot for slot in begun if slot + self.waits[slot] > now]


@st.composite
def histories(draw: st.DrawFn) -> History:
    ran = draw(st.sets(st.sampled_from(SLOTS)))
    minutes = st.integers(0, 90).map(lambda count: count * MINUTE)
    seconds = st.integers(0, int((END - SLOTS[0]).total_seconds()))
    evaluated = draw(st.lists(seconds, max_size=30))
    return History(
        {slot: draw(minutes) for slot in sorted(ran)},
        [*sorted(SLOTS[0] + timedelta(seconds=second) for second in evaluated), END],
    )


@given(histories())
def test_exactly_the_slots_without_a_run_are_missed_however_late_runs_report(history: History) -> None:
    every = InstalledLine(SLOTS[0], SLOTS[-1] + MINUTE, ("*/5 * * * *",), "UTC", "debian")
    settled, missed_slots = None, []
    for now in history.evaluations:
        found = settle([every], None, settled, history.arrived(now), history.heard_until(now), now)
        missed_slots += [slot.at for slot in found.missed]
        settled = found.settled_until
    assert missed_slots == [slot for slot in SLOTS if slot not in history.waits]
