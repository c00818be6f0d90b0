"""Reports by mail: when, about which time, at most once, what they say, and how to end them. On both databases."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_string, policy
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, update
from sqlmodel import select

from crontopus_app.alerts import report_periods, reports
from crontopus_app.alerts.report_facts import in_words
from crontopus_app.base import meters
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import NotFound
from crontopus_app.base.settings import settings
from crontopus_app.models import Change, Endpoint, Incident, Mail, Report, Run, Tenant, User
from crontopus_app.operations import retention
from tests.alerts.test_mail import _Server, server
from tests.cast import JOB_ID, NOON, Member, add_job, join
from tests.jobs.test_races import at_once

__all__ = ["server"]

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# A Monday in 2026, 10:59 in UTC: the last minute of everybody's time there.
LAST = NOON.replace(hour=10, minute=59)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def alice(db: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Member:
    monkeypatch.setenv("CRONTOPUS_PUBLIC_URL", "https://crontopus.example.org")
    settings.cache_clear()
    member = join("alice")
    add_job("alice", member.endpoint_id)
    with writing() as session:
        session.execute(update(Endpoint).values(last_seen_at=LAST))
    return member


def choose(kind: str, zone: str = "") -> None:
    with writing() as session:
        session.execute(update(User).values(report=kind, timezone=zone))


def send_all(now: datetime = LAST) -> int:
    """Writes what is due and sends it. Returns how many were sent or tried."""
    reports.write_due(now)
    count = 0
    while reports.send_next(now):
        count += 1
    return count


def mails() -> list[EmailMessage]:
    with reading() as session:
        rows = session.exec(select(Mail.raw).order_by(Mail.at))  # pyright: ignore[reportArgumentType] -- a column
        return [message_from_string(raw, policy=policy.default) for raw in rows]  # pyright: ignore[reportReturnType]


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return part.get_content()


def add_runs(member: Member, at: datetime, *statuses: str, name: str = "backup", took: float | None = 10.0) -> None:
    names: dict[str, Any] = {"job_id": JOB_ID, "job_name": name, "namespace": "production", "endpoint_name": "h"}
    names |= {"tenant_id": "alice", "source_id": member.endpoint_id, "received_at": at, "sort_at": at}
    with writing() as session:
        session.add_all(Run(id=str(uuid.uuid4()), status=status, duration_s=took, **names) for status in statuses)


# When, and about which time.


@pytest.mark.parametrize(
    ("kind", "zone", "now", "first", "last"),
    [
        ("daily", "UTC", "2026-03-01T10:00Z", "2026-02-28", "2026-02-28"),
        ("weekly", "UTC", "2026-03-02T10:00Z", "2026-02-23", "2026-03-01"),  # a Monday
        ("weekly", "UTC", "2026-03-01T10:00Z", "2026-02-16", "2026-02-22"),  # the Sunday before
        ("monthly", "UTC", "2026-03-01T10:00Z", "2026-02-01", "2026-02-28"),
        ("monthly", "UTC", "2026-01-31T10:00Z", "2025-12-01", "2025-12-31"),
        ("daily", "Pacific/Kiritimati", "2026-03-01T20:00Z", "2026-03-01", "2026-03-01"),  # there it is the 2nd
        ("daily", "America/Los_Angeles", "2026-03-02T07:00Z", "2026-02-28", "2026-02-28"),  # there it is the 1st
    ],
)
def test_the_period_is_the_latest_that_is_over_for_the_reader(
    kind: str, zone: str, now: str, first: str, last: str
) -> None:
    period = report_periods.latest(kind, ZoneInfo(zone), datetime.fromisoformat(now))
    assert (str(period.first), str(period.last)) == (first, last)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Africa/Cairo", "2026-04-24", 23),  # midnight itself is skipped
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
    ],
)
def test_a_day_is_as_long_as_it_was(zone: str, day: str, hours: float) -> None:
    noon_after = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone)) + DAY
    period = report_periods.latest("daily", ZoneInfo(zone), noon_after)
    assert (str(period.first), period.end - period.start) == (day, timedelta(hours=hours))


ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo", "Pacific/Kiritimati", "Asia/Kathmandu", "Pacific/Apia"]
)


@given(ZONES, st.sampled_from(report_periods.KINDS), st.integers(0, 500))
def test_periods_follow_each_other_without_a_gap(zone: str, kind: str, days: int) -> None:
    where, now = ZoneInfo(zone), datetime(2026, 1, 1, 12, tzinfo=UTC) + days * DAY
    period = report_periods.latest(kind, where, now)
    before = report_periods.latest(kind, where, period.end - MINUTE)
    assert before.end == period.start < period.end <= now


@given(ZONES, st.text("abc", min_size=1, max_size=8), st.integers(0, 365))
def test_there_is_a_time_on_each_day_and_only_from_nine_to_eleven(zone: str, reader: str, days: int) -> None:
    where = ZoneInfo(zone)
    begin = datetime(2026, 1, 1, tzinfo=where) + days * DAY
    moments = [begin.astimezone(UTC) + minutes * 10 * MINUTE for minutes in range(144)]
    due = [moment.astimezone(where) for moment in moments if report_periods.is_time(reader, where, moment)]
    assert len(due) >= 3
    assert all(9 <= moment.hour < 11 for moment in due)


def test_readers_are_spread_over_the_time() -> None:
    nine = NOON.replace(hour=9, minute=45)
    count = sum(report_periods.is_time(str(number), ZoneInfo("UTC"), nine) for number in range(1000))
    assert 400 < count < 600


def test_an_unknown_zone_is_utc() -> None:
    assert report_periods.zone_of("Nowhere/Else").key == report_periods.zone_of("").key == "UTC"


# At most once.


def test_one_mail_for_each_period(alice: Member) -> None:
    choose("daily")
    assert send_all(LAST) == 1
    assert send_all(LAST) == 0
    assert send_all(LAST + DAY) == 1
    assert [mail["Date"] for mail in mails()] == ["Mon, 23 Nov 2026 10:59:00 +0000", "Tue, 24 Nov 2026 10:59:00 +0000"]


def test_the_time_is_that_of_the_readers_zone(alice: Member) -> None:
    choose("daily", "Asia/Kathmandu")  # UTC+05:45
    assert send_all(LAST) == 0
    assert send_all(datetime(2026, 11, 23, 3, 14, tzinfo=UTC) - 15 * MINUTE - 2 * HOUR) == 0  # before nine
    assert send_all(datetime(2026, 11, 23, 5, 14, tzinfo=UTC)) == 1  # 10:59


def test_a_weekly_report_that_was_due_while_the_server_was_away_comes_on_the_next_day(alice: Member) -> None:
    choose("weekly")
    assert send_all(LAST + DAY) == 1
    assert send_all(LAST + 2 * DAY) == 0
    assert send_all(LAST + 7 * DAY) == 1
    with reading() as session:
        assert set(session.exec(select(Report.period))) == {"weekly 2026-11-16", "weekly 2026-11-23"}


def test_two_processes_write_and_send_one(alice: Member) -> None:
    choose("daily")
    at_once(*[lambda: reports.write_due(LAST)] * 4)
    sent = at_once(*[lambda: reports.send_next(LAST)] * 4)
    assert sorted(map(bool, sent)) == [False, False, False, True]
    assert len(mails()) == 1


def test_a_process_that_ends_while_it_sends_does_not_send_twice(alice: Member) -> None:
    """What such a process leaves is a report that is marked as sending."""
    choose("daily")
    reports.write_due(LAST)
    with writing() as session:
        session.execute(update(Report).values(state="sending"))
    assert send_all(LAST + HOUR) == 0
    assert mails() == []


@pytest.mark.parametrize(
    "change",
    [
        update(User).values(report="off"),
        update(User).values(is_active=False),
        update(Tenant).values(suspended=True),
        update(Tenant).values(deleted_at=NOON),
    ],
)
def test_nobody_else_gets_one(alice: Member, change: Any) -> None:
    choose("daily")
    with writing() as session:
        session.execute(change)
    assert send_all() == 0


def test_one_that_is_not_wanted_any_more_is_not_sent(alice: Member) -> None:
    choose("daily")
    reports.write_due(LAST)
    choose("off")
    assert reports.send_next(LAST)
    assert mails() == []
    with reading() as session:
        assert session.exec(select(Report.state)).one() == "cancelled"


def test_old_reports_are_removed(alice: Member) -> None:
    choose("daily")
    send_all()
    retention.remove(LAST + 91 * DAY, lambda _: False)
    with reading() as session:
        assert session.exec(select(Report)).all() == []


# The mail server.


@pytest.fixture
def with_server(alice: Member, server: _Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> _Server:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    monkeypatch.setenv("CRONTOPUS_SMTP_URL", server.url)
    settings.cache_clear()
    choose("weekly")
    return server


def test_a_mail_server_gets_it_once(with_server: _Server) -> None:
    assert send_all() == 1
    assert send_all() == 0
    (mail,) = with_server.inbox.mails
    assert mail["To"] == "alice@example.org"
    assert mail["List-Unsubscribe"].startswith("<https://crontopus.example.org/api/reports/unsubscribe?token=")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mails() == []


def test_a_mail_server_that_is_away_gets_it_later_and_once(
    with_server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRONTOPUS_SMTP_URL", "smtp://localhost:1")
    settings.cache_clear()
    assert send_all() == 1
    monkeypatch.setenv("CRONTOPUS_SMTP_URL", with_server.url)
    settings.cache_clear()
    assert send_all(LAST + 9 * MINUTE) == 0
    assert send_all(LAST + 10 * MINUTE) == 1
    assert len(with_server.inbox.mails) == 1
    assert with_server.inbox.mails[0]["Date"] == "Mon, 23 Nov 2026 10:59:00 +0000"


def test_it_is_given_up_after_a_day(alice: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRONTOPUS_SMTP_URL", "smtp://localhost:1")
    settings.cache_clear()
    choose("weekly")
    send_all()
    assert reports.send_next(LAST + 24 * HOUR)
    assert not reports.send_next(LAST + 48 * HOUR)
    with reading() as session:
        assert session.exec(select(Report.state)).one() == "failed"


# What it says.


def test_all_is_well_is_said_too(alice: Member) -> None:
    choose("weekly")
    add_runs(alice, NOON - 2 * DAY, "success", "success")
    send_all()
    (mail,) = mails()
    assert mail["Subject"] == ("alice, week 2026-11-16 to 2026-11-22: All is well: 2 runs, none failed or was missed.")
    assert text_of(mail).splitlines()[0] == "All is well: 2 runs, none failed or was missed."


def test_a_time_without_runs_is_well(alice: Member) -> None:
    choose("monthly")
    send_all()
    assert mails()[0]["Subject"] == "alice, October 2026: All is well: no runs."


def test_sent_reports_are_counted(alice: Member) -> None:
    choose("daily")
    send_all()
    meters.flush()
    assert meters.totals()["deliveries"] == {("report", "sent"): 1}


def test_it_says_what_was_wrong_and_what_changed(alice: Member) -> None:
    choose("weekly", "Europe/Berlin")
    monday = datetime(2026, 11, 16, tzinfo=BERLIN)
    add_runs(alice, monday, "success", "failed", "missed", took=3725.0)
    add_runs(alice, monday + DAY, "lost", "timeout", "failed", name="sync", took=None)
    add_runs(alice, monday - MINUTE, "failed")
    add_runs(alice, monday + 7 * DAY, "failed")
    about: dict[str, Any] = {"tenant_id": "alice", "cause": "failing", "since": NOON - DAY, "opened_at": NOON - DAY}
    change: dict[str, Any] = {
        "tenant_id": "alice",
        "user_id": "",
        "author_email": "",
        "operation": "update",
        "path": "p",
    }
    with writing() as session:
        session.execute(update(Endpoint).values(last_seen_at=NOON - DAY))
        session.add(Incident(subject="monitor:1", title="production/sync on db01", what="exit 1", **about))
        session.add(
            Change(
                author_name="Ann", message="Faster\n\nmore", state="done", done_at=NOON - DAY, created_at=NOON, **change
            )
        )
    send_all(LAST - HOUR)
    (mail,) = mails()
    assert text_of(mail).splitlines()[:-2] == [
        "2 jobs failed or were missed, 1 incident is open, 1 host is silent (6 runs).",
        "",
        "alice, week 2026-11-16 to 2026-11-22. Times are in Europe/Berlin.",
        "",
        "Runs",
        "  1 success",
        "  2 failed",
        "  1 timeout",
        "  1 lost",
        "  1 missed",
        "  1 job in the repository",
        "",
        "Failed or missed most",
        "  production/sync: 3",
        "  production/backup: 2, of which 1 missed",
        "",
        "Open incidents (1 was opened in this time)",
        "  production/sync on db01: exit 1, since 2026-11-22 13:00",
        "",
        "Silent hosts",
        "  alice-host, last seen 2026-11-22 13:00",
        "",
        "Slowest",
        "  production/backup: 1 h 2 min, on average 1 h 2 min",
        "",
        "Changes",
        "  2026-11-22 13:00 Ann: Faster",
        "",
    ]


def test_lists_are_short_and_count_the_rest(alice: Member) -> None:
    choose("weekly")
    for number in range(12):
        add_runs(alice, NOON - 2 * DAY, "failed", name=f"job-{number:02}")
    send_all()
    lines = text_of(mails()[0]).splitlines()
    first = lines.index("Failed or missed most")
    assert lines[first + 11] == "  … and 2 more"
    assert lines[0].startswith("12 jobs failed or were missed (12 runs).")


def test_another_tenants_runs_are_not_in_it(alice: Member) -> None:
    join("charlie")
    choose("weekly")
    add_runs(alice, NOON - 2 * DAY, "failed")
    send_all()
    by_name = {mail["To"]: text_of(mail) for mail in mails()}
    assert "backup" in by_name["alice@example.org"]
    assert "backup" not in by_name["charlie@example.org"]
    assert "alice" not in by_name["charlie@example.org"]


def test_hostile_names_are_shown_and_do_nothing(alice: Member) -> None:
    choose("weekly")
    add_runs(alice, NOON - 2 * DAY, "failed", name="<b>x\r\nBcc: y@example.com\x1b[31m")
    send_all()
    (mail,) = mails()
    part = mail.get_body(("html",))
    assert part is not None
    assert "<b>" not in part.get_content()
    assert "\x1b" not in text_of(mail)
    assert mail["Bcc"] is None


def test_durations_in_words() -> None:
    assert [in_words(each) for each in (0.25, 59.0, 200, 7500)] == ["0.2 s", "59.0 s", "3 min 20 s", "2 h 5 min"]


# How to end them.


@dataclass
class Link:
    url: str

    @property
    def token(self) -> str:
        return self.url.partition("?token=")[2]


@pytest.fixture
def link(alice: Member) -> Link:
    choose("weekly")
    send_all()
    (mail,) = mails()
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    return Link(mail["List-Unsubscribe"].strip("<>"))


def test_the_link_of_the_mail_ends_the_reports(alice: Member, link: Link) -> None:
    assert link.url.startswith("https://crontopus.example.org/api/reports/unsubscribe?token=")
    with writing() as session:
        reports.unsubscribe(session, link.token)
    with reading() as session:
        assert session.exec(select(User.report)).one() == "off"
    assert send_all(LAST + 7 * DAY) == 0


def test_the_header_has_the_link_as_it_is(alice: Member, link: Link) -> None:
    """Mail programs do not decode it: RFC 2369, section 2."""
    with reading() as session:
        lines = session.exec(select(Mail.raw)).one().splitlines()
    expected = (
        f"https://crontopus.example.org/api/reports/unsubscribe?token={reports.unsubscribe_token(alice.actor.user_id)}"
    )
    assert f"List-Unsubscribe: <{expected}>" in lines
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines


def test_a_link_is_for_one_reader_only(alice: Member, link: Link) -> None:
    charlie = join("charlie")
    _, _, secret = link.token.partition(".")
    for token in ("", ".", "x", f"{charlie.actor.user_id}.{secret}", link.token[:-1], f"{link.token}x", "é.é"):
        with writing() as session, pytest.raises(NotFound):
            reports.unsubscribe(session, token)


def test_no_one_click_is_promised_without_https(alice: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRONTOPUS_PUBLIC_URL", "http://crontopus.example.org")
    settings.cache_clear()
    choose("weekly")
    send_all()
    (mail,) = mails()
    assert mail["List-Unsubscribe"]
    assert mail["List-Unsubscribe-Post"] is None
