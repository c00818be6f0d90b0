"""When an instance is due: one table for all that ask."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.schedule import resolve, seed
from crontopus_app.monitoring import slots
from crontopus_app.monitoring.slots import NOWHERE, Clock, Host, ScheduledJob, between, next_slots

EVE = datetime(2027, 3, 27, 12, tzinfo=UTC)
BERLIN, TOKYO, SILENT, MARS = (
    Host(name, Clock(zone))
    for name, zone in (("h1", "Europe/Berlin"), ("h2", "Asia/Tokyo"), ("h3", ""), ("h4", "Mars/Base"))
)
BUSYBOX = Host("h5", Clock("Europe/Berlin", "busybox"))


def at(told: str) -> datetime:
    return datetime.fromisoformat(f"2027-03-{told}+00:00")


@pytest.mark.parametrize(
    ("schedule", "zone", "hosts", "due"),
    [
        # Of what zone: the job's own, else the host's.
        ("0 15 * * *", None, [BERLIN], ["27 14:00", "28 13:00"]),
        ("0 15 * * *", None, [TOKYO], ["28 06:00", "29 06:00"]),
        ("0 15 * * *", "UTC", [BERLIN, TOKYO], ["27 15:00", "28 15:00"]),
        ("0 15 * * *", None, [BERLIN, TOKYO], ["27 14:00", "28 06:00"]),
        # A zone that is not known is not guessed; others know theirs.
        ("0 15 * * *", None, [SILENT], []),
        ("0 15 * * *", None, [MARS], []),
        ("0 15 * * *", None, [MARS, BERLIN], ["27 14:00", "28 13:00"]),
        ("0 15 * * *", "UTC", [SILENT, MARS], ["27 15:00", "28 15:00"]),
        ("0 15 * * *", "Mars/Base", [BERLIN], []),
        # On no host: the job's zone, else UTC.
        ("0 15 * * *", None, [], ["27 15:00", "28 15:00"]),
        ("0 15 * * *", "Asia/Tokyo", [], ["28 06:00", "29 06:00"]),
        # 02:30 does not exist on 28 March: Debian's cron makes up for it at 03:00, BusyBox leaves it out.
        ("30 2 * * *", None, [BERLIN], ["28 01:00", "29 00:30"]),
        ("30 2 * * *", None, [BUSYBOX], ["29 00:30", "30 00:30"]),
        ("30 2 * * *", None, [BERLIN, BUSYBOX], ["28 01:00", "29 00:30"]),
        # What is due at once on many hosts is due once; what stands at the minute itself is over.
        ("0 12 * * *", "UTC", [BERLIN, TOKYO, BUSYBOX], ["28 12:00", "29 12:00"]),
        # Nothing to be due at.
        ("@reboot", "UTC", [BERLIN], []),
        ("no schedule", "UTC", [BERLIN], []),
    ],
)
def test_when_it_is_due(schedule: str, zone: str | None, hosts: list[Host], due: list[str]) -> None:
    job, expected = ScheduledJob("j", (schedule,), zone), [at(told) for told in due]
    assert next_slots(job, hosts, EVE, 2) == expected
    assert list(islice(between(job, hosts, EVE + timedelta(seconds=1), EVE + timedelta(days=9)), 2)) == expected


@pytest.mark.parametrize("schedule", ["h h * * *", "H H * * *", "h/20 H(2-4) * * *"])
def test_in_either_case_a_hash_is_each_hosts_own(schedule: str) -> None:
    """As the agent of that host works it out, whoever asks."""
    job = ScheduledJob("5b0c7c9e", (schedule,), "UTC")
    plain = {host: resolve(schedule, seed(job.job_id, host.id)) for host in (BERLIN, TOKYO)}
    assert plain[BERLIN] != plain[TOKYO]
    each = {host: next_slots(job, [host], EVE, 1) for host in plain}
    assert each == {
        host: next_slots(ScheduledJob("other", (told,), "UTC"), [host], EVE, 1) for host, told in plain.items()
    }
    assert next_slots(job, plain, EVE, 1) == min(each.values())


def test_several_expressions_are_one_schedule() -> None:
    job = ScheduledJob("j", ("0 13 * * *", "30 12 * * *", "0 13 27 * *"), "UTC")
    assert next_slots(job, [BERLIN], EVE, 3) == [at("27 12:30"), at("27 13:00"), at("28 12:30")]
    assert next_slots(ScheduledJob("j", ()), [BERLIN], EVE, 3) == []


def test_between_holds_its_start_and_not_its_end() -> None:
    job = ScheduledJob("j", ("*/30 * * * *",), "UTC")
    assert list(between(job, [NOWHERE], EVE, EVE + timedelta(hours=1))) == [at("27 12:00"), at("27 12:30")]


@given(
    asked=st.lists(st.tuples(st.integers(0, 6000), st.integers(1, 5)), min_size=2, max_size=8),
    schedule=st.sampled_from(["*/7 * * * *", "0 15 * * *", "0 0 1 1 *"]),
)
def test_what_was_worked_out_earlier_changes_no_answer(asked: list[tuple[int, int]], schedule: str) -> None:
    job = ScheduledJob("j", (schedule,), "Europe/Berlin")
    for seconds, count in asked:
        now = EVE + timedelta(seconds=seconds)
        known = next_slots(job, [BERLIN], now, count)
        assert known == list(
            islice(between(job, [BERLIN], now + timedelta(seconds=1), now + timedelta(days=3000)), count)
        )


@pytest.mark.parametrize(
    ("told", "policy"),
    [({"dst_policy": "busybox"}, "busybox"), ({}, "debian"), ({"dst_policy": ["x"]}, "debian")],
)
def test_the_cron_is_the_one_that_was_reported(told: dict[str, object], policy: str) -> None:
    assert slots.policy_of(told) == policy
