"""Handlers of Settings and Tokens, with valid and invalid input."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from contract import wire
from crontopus_app.base import clock, queue
from crontopus_app.base.actor import SCOPES
from crontopus_app.base.db import reading, writing
from crontopus_app.models import ApiToken, EnrollmentToken, LoginSession, Tenant, User
from crontopus_app.people import tokens
from crontopus_app.ui import session
from crontopus_app.ui.jobs.state import JobsState
from crontopus_app.ui.kit import host_tokens
from crontopus_app.ui.live import watchers
from crontopus_app.ui.session import SessionState
from crontopus_app.ui.settings import rows
from crontopus_app.ui.settings.state import SettingsState
from crontopus_app.ui.tokens import rows as token_rows
from crontopus_app.ui.tokens.state import TokensState
from tests.cast import NOON, PASSWORD, Member
from tests.ui.states import cookie_of, page_at, run, shown

NEW = "a new password"


@pytest.fixture(autouse=True)
def _rates(redis_url: str) -> None:
    queue.redis().flushdb()


async def opened(cookie: str, state: Any = SettingsState, token: str = "browser-1") -> Any:
    page = page_at("/tokens" if state is TokensState else "/settings", state, cookie, token)
    await run(page, "load")
    return page


def hashed(member: Member) -> str:
    with reading() as db:
        return db.get_one(User, member.actor.user_id).password_hash


async def test_the_account_and_its_sessions_are_shown(cookie: str, alice: Member) -> None:
    page = await opened(cookie)
    assert (page.me.username, page.me.email, page.me.role) == ("alice", "alice@example.org", "user")
    assert [(one.client, one.current) for one in page.sessions] == [("tests", True), ("tests", False)]
    assert page.others
    assert page.deletion.deletes.startswith("1 job, 1 run with their output, 1 endpoint and the repository crontopus/")
    assert (page.deletion.ends, page.deletion.hosts) == ("2 sessions", "alice-host")


async def test_no_secret_reaches_the_browser(cookie: str, alice: Member) -> None:
    page = await opened(cookie)
    await run(page, "change_password", {"current": PASSWORD, "new": NEW, "again": NEW})
    await run(page, "save_email", {"email": "new@example.org", "password": NEW})
    seen = shown(page)
    assert [secret for secret in (PASSWORD, NEW, hashed(alice), alice.endpoint_token) if secret in seen] == []


async def test_a_report_is_chosen(cookie: str, alice: Member) -> None:
    page = await opened(cookie)
    assert page.me.report == "off"
    told = await run(page, "save_report", {"report": "weekly"})
    assert "You get a weekly report by mail." in str(told)
    assert page.me.report == "weekly"
    await run(page, "save_report", {"report": "hourly"})
    assert list(page.wrong) == ["report.report"]
    with reading() as db:
        assert db.get_one(User, alice.actor.user_id).report == "weekly"


async def test_a_new_password_ends_other_sessions(cookie: str, alice: Member) -> None:
    page = await opened(cookie)
    told = await run(page, "change_password", {"current": PASSWORD, "new": NEW, "again": NEW})
    assert "1 other session ended" in str(told)
    assert (len(page.sessions), page.others, page.wrong) == (1, False, {})


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"current": "wrong", "new": NEW, "again": NEW}, "password.current"),
        ({"current": PASSWORD, "new": "short", "again": "short"}, "password.new"),
        ({"current": PASSWORD, "new": NEW, "again": "another one"}, "password.again"),
        ({"current": PASSWORD}, "password.new"),
        ({"current": ["x"], "new": {"a": 1}, "again": "{'a': 1}"}, "password.current"),
        ({}, "password.current"),
    ],
)
async def test_errors_are_shown_at_their_fields(cookie: str, alice: Member, form: dict[str, Any], field: str) -> None:
    page, before = await opened(cookie), hashed(alice)
    assert await run(page, "change_password", form) is None
    assert list(page.wrong) == [field]
    assert hashed(alice) == before


async def test_a_sixth_guess_has_to_wait(cookie: str) -> None:
    page = await opened(cookie)
    for _ in range(5):
        await run(page, "change_password", {"current": "wrong", "new": NEW, "again": NEW})
    told = await run(page, "change_password", {"current": PASSWORD, "new": NEW, "again": NEW})
    assert "Too many wrong passwords" in str(told)


async def test_the_zone_applies_at_once_and_after_loading(cookie: str) -> None:
    page = await opened(cookie)
    assert "Europe/Berlin" in str(await run(page, "save_zone", {"timezone": " Europe/Berlin "}))
    assert (await page.get_state(SessionState)).timezone == "Europe/Berlin"
    again = await opened(cookie)
    assert (again.me.timezone, (await again.get_state(SessionState)).timezone) == ("Europe/Berlin", "Europe/Berlin")
    assert await run(page, "save_zone", {"timezone": "Mars/Base"}) is None
    assert "Europe/Berlin" in page.wrong["zone.timezone"]
    assert "browser" in str(await run(page, "save_zone", {}))


async def test_a_new_e_mail_address_needs_the_password(cookie: str) -> None:
    page = await opened(cookie)
    await run(page, "save_email", {"email": "new@example.org", "password": "wrong"})
    assert list(page.wrong) == ["email.password"]
    await run(page, "save_email", {"email": "none", "password": PASSWORD})
    assert list(page.wrong) == ["email.email"]
    assert "changed" in str(await run(page, "save_email", {"email": "new@example.org", "password": PASSWORD}))
    assert (page.me.email, page.wrong) == ("new@example.org", {})


async def test_a_session_is_ended_by_its_owner_only(cookie: str, charlies: str, alice: Member) -> None:
    page, stranger = await opened(cookie), await opened(charlies)
    other = next(one.id for one in page.sessions if not one.current)
    assert "This session has already ended" in str(await run(stranger, "end_session", {"id": other}))
    assert "This session has already ended" in str(await run(page, "end_session", {"id": ["x"]}))
    assert "Signed out" in str(await run(page, "end_session", {"id": other}))
    assert [one.current for one in page.sessions] == [True]


async def test_all_other_sessions_are_ended(cookie: str, alice: Member) -> None:
    cookie_of(alice)
    page = await opened(cookie)
    assert len(page.sessions) == 3
    await run(page, "end_others", {})
    assert [one.current for one in page.sessions] == [True]


async def test_a_page_of_an_ended_session_shows_only_that(cookie: str, alice: Member) -> None:
    page = page_at("/jobs", JobsState, cookie, "tab-9")
    await run(page, "load")
    [(token, watch)] = watchers.of("alice", {"session"})
    assert token == "tab-9"
    with writing() as db:
        for row in db.exec(select(LoginSession)):
            db.delete(row)
    await session.refill(watch.kinds, page, watch)
    assert (await page.get_state(SessionState)).ended
    assert "session has ended" in page.problem
    assert watchers.of("alice", {"session", "job"}) == []


async def test_opening_pages_keeps_a_session_alive(cookie: str, alice: Member) -> None:
    """Opening a page extends the session, as a call of the API does."""
    long_ago = clock.now() - timedelta(days=20)
    with writing() as db:
        for row in db.exec(select(LoginSession)):
            row.last_seen_at, row.expires_at = long_ago, long_ago + timedelta(days=30)
            db.add(row)
    page = await opened(cookie)
    (mine, other) = page.sessions
    assert (mine.current, mine.seen > other.seen) == (True, True)
    with reading() as db:
        ends = {row.id: row.expires_at for row in db.exec(select(LoginSession))}
    assert ends[mine.id] > clock.now() + timedelta(days=29) > ends[other.id]


async def test_a_page_of_an_active_session_stays(cookie: str) -> None:
    page = page_at("/jobs", JobsState, cookie, "tab-9")
    await run(page, "load")
    [(_, watch)] = watchers.of("alice", {"session"})
    await session.refill(watch.kinds, page, watch)
    assert ((await page.get_state(SessionState)).ended, page.problem) == (False, "")


async def test_an_account_is_deleted_and_the_page_shows_what_is_left_to_do(cookie: str, alice: Member) -> None:
    page = await opened(cookie, token="tab-3")
    told = await run(page, "leave", {"username": "alice", "password": PASSWORD, "exported": True})
    assert "/api/auth/logout" in str(told)
    assert (page.gone, page.deletion.hosts, page.sessions) == (True, "alice-host", [])
    assert watchers.of("alice", {"session"}) == []
    with reading() as db:
        assert db.get_one(Tenant, "alice").provisioning == "deleting"


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"username": "alice", "password": "wrong"}, "leave.password"),
        ({"username": "bob", "password": PASSWORD}, "leave.username"),
        ({}, "leave.password"),
    ],
)
async def test_deletion_needs_the_user_name_and_the_password(
    cookie: str, alice: Member, form: dict[str, Any], field: str
) -> None:
    page = await opened(cookie, token="tab-3")
    assert await run(page, "leave", form) is None
    assert (list(page.wrong), page.gone) == ([field], False)
    assert [token for token, _ in watchers.of("alice", {"session"})] == ["tab-3"]
    with reading() as db:
        assert db.get_one(Tenant, "alice").deleted_at is None


async def test_without_a_session_no_handler_does_anything(alice: Member) -> None:
    page = page_at("/settings", SettingsState, "crontopus_session=forged")
    for name, form in (
        ("change_password", {"current": PASSWORD, "new": NEW, "again": NEW}),
        ("save_email", {"email": "x@example.org", "password": PASSWORD}),
        ("save_zone", {"timezone": "UTC"}),
        ("end_session", {"id": alice.actor.credential}),
        ("end_others", {}),
        ("leave", {"username": "alice", "password": PASSWORD}),
    ):
        assert "Sign in" in str(await run(page, name, form)) or "session" in str(await run(page, name, form))
    with reading() as db:
        assert db.get_one(Tenant, "alice").deleted_at is None


def test_many_hosts_are_counted() -> None:
    names = [f"host-{number:02d}" for number in range(23)]
    assert rows.names(names[:2]) == "host-00, host-01"
    assert rows.names(names).endswith("host-19 and 3 more")


# Tokens


def test_every_scope_has_a_description() -> None:
    assert {name for name, _ in token_rows.SCOPES} == SCOPES
    assert all(words for _, words in token_rows.SCOPES)


async def test_an_api_token_is_revoked_by_its_owner_only(cookie: str, charlies: str) -> None:
    page, stranger = await opened(cookie, TokensState), await opened(charlies, TokensState)
    await run(page, "create", {"name": "ci", "read:runs": True})
    assert page.new_token.startswith("ctp_")
    form = {"id": page.tokens[0].id}
    assert "No token " in str(await run(stranger, "revoke", form))
    assert "No token " in str(await run(page, "revoke", {"id": None}))
    assert page.tokens[0].state == "active"
    assert "It no longer works." in str(await run(page, "revoke", form))
    assert (page.tokens[0].state, page.new_token) == ("revoked", "")
    with reading() as db:
        assert db.exec(select(ApiToken.revoked_at)).one() is not None


async def test_enrolment_tokens_are_listed_with_their_uses_left_and_revoked(
    cookie: str, charlies: str, alice: Member
) -> None:
    with writing() as db:
        form = wire.EnrollmentTokenRequest("racks", 7, 3)
        made = tokens.create_enrollment(db, alice.actor, form, clock.now())
    page, stranger = await opened(cookie, TokensState), await opened(charlies, TokensState)
    assert [(one.name, one.uses, one.state) for one in page.enrolment] == [("racks", "3 of 3 left", "active")]
    assert stranger.enrolment == []
    assert "No enrolment token " in str(await run(stranger, "revoke_enrolment", {"id": made.id}))
    assert "No more hosts" in str(await run(page, "revoke_enrolment", {"id": made.id}))
    assert page.enrolment[0].state == "revoked"
    with reading() as db:
        assert db.exec(select(EnrollmentToken.revoked_at)).one() is not None


@pytest.mark.parametrize(
    ("uses", "most", "days", "shown_as"),
    [(0, None, 1, ("unused · no limit", "active")), (1, None, -1, ("1 host · no limit", "expired")),
     (2, 2, 1, ("0 of 2 left", "used up")), (2, 1, 1, ("0 of 1 left", "used up"))],
)  # fmt: skip
def test_an_inactive_token_shows_its_state(uses: int, most: int | None, days: int, shown_as: tuple[str, str]) -> None:
    token = wire.EnrollmentToken("1", "x", NOON + timedelta(days=days), most, uses, NOON)
    row = host_tokens.row(token, NOON)
    assert (row.uses, row.state) == shown_as
