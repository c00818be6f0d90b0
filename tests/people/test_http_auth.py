"""Who sends a request is read from its headers in one way, for the API, the console and the dashboard."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from crontopus_app.base.db import reading
from crontopus_app.base.errors import Forbidden, NotAuthenticated
from crontopus_app.models import LoginSession
from crontopus_app.people import http_auth
from tests.cast import NOON, Member, join

PUBLIC = "https://cron.example.org"


@pytest.fixture
def alice(sqlite_db: Engine) -> Member:
    return join("alice")


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("token abc", "abc"),
        ("Basic abc", ""),
        ("Bearer", ""),
        ("", ""),
        ("abc", ""),
    ],
)
def test_the_bearer_token(value: str, token: str) -> None:
    assert http_auth.bearer(value) == token


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("crontopus_session=abc", "abc"),
        ("a=b; crontopus_session=abc; c=d", "abc"),
        ('crontopus_session="abc"', "abc"),
        # What other programs of the same host set must not sign anybody out.
        ("odd[name]={1,2}; \x01; =; crontopus_session=abc", "abc"),
        ("not_crontopus_session=abc", ""),
        ("crontopus_session", ""),
        ("", ""),
    ],
)
def test_the_session_cookie(value: str, token: str) -> None:
    assert http_auth.session_cookie(value) == token


@given(st.text())
def test_any_header_is_read(text: str) -> None:
    assert text.strip().endswith(http_auth.bearer(text))
    assert http_auth.session_cookie(text) in text
    with suppress(Forbidden):
        http_auth.check_origin({"origin": text, "host": text}, PUBLIC)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": PUBLIC},
        {"origin": PUBLIC, "host": "10.0.0.5:8000"},
        {"origin": "http://10.0.0.5:8000", "host": "10.0.0.5:8000"},
        {"sec-fetch-site": "same-origin"},
        {},
    ],
)
def test_our_own_pages_and_programs_may_change_something(headers: dict[str, str]) -> None:
    http_auth.check_origin(headers, PUBLIC)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "https://cron.example.org.evil.example"},
        {"origin": "https://cron.example.org:444"},
        {"origin": "https://cron.example.org@evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "//", "host": ""},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_another_sites_page_may_not(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden) as refused:
        http_auth.check_origin(headers, PUBLIC)
    assert refused.value.code == "foreign_origin"


def test_where_an_origin_is_needed_none_is_a_refusal() -> None:
    with pytest.raises(Forbidden):
        http_auth.check_origin({"host": "cron.example.org"}, PUBLIC, needed=True)
    http_auth.check_origin({"origin": PUBLIC}, PUBLIC, needed=True)


def authenticated(headers: dict[str, str], *, changes: bool = False) -> str:
    return http_auth.authenticate(headers, NOON, changes=changes, public_url=PUBLIC).username


def test_the_bearer_token_counts_before_the_cookie(alice: Member) -> None:
    charlie = join("charlie")
    cookie, bearer = f"crontopus_session={alice.session_token}", f"Bearer {charlie.session_token}"
    assert authenticated({"cookie": cookie}) == "alice"
    assert authenticated({"cookie": cookie, "authorization": bearer}) == "charlie"
    with pytest.raises(NotAuthenticated):
        authenticated({"cookie": cookie, "authorization": "Bearer nonsense"})


def test_only_a_cookie_is_sent_by_other_sites_pages(alice: Member) -> None:
    evil = {"origin": "https://evil.example"}
    cookie = {"cookie": f"crontopus_session={alice.session_token}", **evil}
    assert authenticated(cookie) == "alice"
    with pytest.raises(Forbidden):
        authenticated(cookie, changes=True)
    assert authenticated({"authorization": f"Bearer {alice.session_token}", **evil}, changes=True) == "alice"


def test_who_sends_nothing_is_told_to_sign_in(alice: Member) -> None:
    with pytest.raises(NotAuthenticated, match="Sign in"):
        authenticated({})


def test_a_use_moves_the_sessions_end_on_and_a_look_does_not(alice: Member) -> None:
    def ends() -> object:
        with reading() as session:
            return session.get_one(LoginSession, alice.actor.credential).expires_at

    before, later = ends(), NOON + timedelta(hours=1)
    assert http_auth.actor_of(alice.session_token, later) == alice.actor
    assert ends() == before
    assert http_auth.use(alice.session_token, later) == alice.actor
    assert ends() != before
