"""One's own account, on both databases: password, address, zone, sessions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from redis.client import PubSub
from sqlmodel import select

from contract import wire
from crontopus_app.base import live, queue
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import (
    BadInput,
    Conflict,
    CrontopusError,
    Forbidden,
    NotAuthenticated,
    NotFound,
    RateLimited,
)
from crontopus_app.models import Audit, User
from crontopus_app.people import accounts, auth, user_agents
from tests.cast import NOON, PASSWORD, Member, join

NEW = "a new password"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture(autouse=True)
def _rates(redis_url: str) -> None:
    queue.redis().flushdb()


@pytest.fixture
def alice(db: object) -> Member:
    return join("alice")


@pytest.fixture
def events(redis_url: str) -> Iterator[PubSub]:
    """What is told to open pages."""
    with queue.redis().pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe(live.CHANNEL)
        heard.get_message(timeout=5)
        yield heard


def told(events: PubSub) -> tuple[str, str]:
    message = events.get_message(timeout=5)
    assert message, "nothing was told"
    event = json.loads(message["data"])
    return event["tenant_id"], event["kind"]


def sign_in(member: Member, user_agent: str = "", address: str = "", minutes: int = 0) -> str:
    with writing() as session:
        user = session.get_one(User, member.actor.user_id)
        at = NOON + timedelta(minutes=minutes)
        return auth.open_session(session, user, user_agent=user_agent, address=address, now=at)


def alive(token: str) -> bool:
    with reading() as session:
        try:
            return bool(auth.actor_of(session, token, now=NOON))
        except NotAuthenticated:
            return False


def sessions_of(member: Member) -> list[wire.SessionInfo]:
    with reading() as session:
        return accounts.list_sessions(session, member.actor, NOON)


def change(member: Member, current: str = PASSWORD, new: str = NEW) -> int:
    return accounts.change_password(member.actor, wire.PasswordChange(current, new), NOON)


def update(member: Member, **values: str) -> wire.Me:
    return accounts.update_account(member.actor, wire.AccountUpdate(**values), NOON)


def field_of(error: CrontopusError) -> str:
    return error.problems[0].field


def audited() -> list[str]:
    with reading() as session:
        return list(session.exec(select(Audit.action)))


def test_a_new_password_ends_the_other_sessions_and_no_others(alice: Member, events: PubSub) -> None:
    other, charlie = sign_in(alice), join("charlie")
    assert change(alice) == 1
    assert (alive(alice.session_token), alive(other), alive(charlie.session_token)) == (True, False, True)
    assert told(events) == ("alice", "session")
    assert auth.check_login("alice", NEW)
    with pytest.raises(NotAuthenticated):
        auth.check_login("alice", PASSWORD)
    assert audited() == ["account.password"]


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [("wrong password", NEW, "current"), ("", NEW, "current"), (PASSWORD, "short", "new"), (PASSWORD, "", "new")],
)
def test_a_wrong_or_weak_password_changes_nothing(alice: Member, current: str, new: str, field: str) -> None:
    other = sign_in(alice)
    with pytest.raises(BadInput) as caught:
        change(alice, current, new)
    assert field_of(caught.value) == field
    assert alive(other)
    assert audited() == []


def test_the_name_is_no_password(db: object) -> None:
    member = join("alice-alice")
    with pytest.raises(BadInput, match="user name") as caught:
        change(member, PASSWORD, "Alice-Alice")
    assert field_of(caught.value) == "new"


def test_guessing_the_password_of_an_open_session_is_slow(alice: Member) -> None:
    """Each act that asks for it counts: changing it, another address, deleting the account."""
    for _ in range(4):
        with pytest.raises(BadInput):
            change(alice, "wrong password")
    with pytest.raises(BadInput):
        update(alice, email="new@example.org", password="wrong password")
    with pytest.raises(RateLimited):
        change(alice)
    assert change(join("charlie")) == 0


def test_giving_the_right_password_is_never_too_often(alice: Member) -> None:
    for number in range(accounts.PASSWORD.count + 1):
        update(alice, email=f"new{number}@example.org", password=PASSWORD)


def test_a_password_that_is_no_text_is_wrong_and_nothing_more(alice: Member) -> None:
    with pytest.raises(BadInput) as caught:
        change(alice, "\ud800\0" * 5)
    assert field_of(caught.value) == "current"
    assert change(alice, PASSWORD, "\ud800 half a letter") == 0


def test_a_token_is_no_person(alice: Member) -> None:
    token = replace(alice.actor, kind="token", scopes=frozenset({"admin:*"}))
    member = replace(alice, actor=token)
    acts = [
        lambda: change(member),
        lambda: update(member, timezone="UTC"),
        lambda: sessions_of(member),
        lambda: accounts.end_session(token, "x", NOON),
        lambda: accounts.end_other_sessions(token, NOON),
    ]
    for act in acts:
        with pytest.raises(Forbidden, match="Sign in"):
            act()


def test_another_address_asks_for_the_password_and_belongs_to_nobody_else(alice: Member) -> None:
    join("bob")
    update(replace(alice, actor=join("dora").actor), email="Dora@example.net", password=PASSWORD)
    assert update(alice, email="New@example.org", password=PASSWORD).email == "New@example.org"
    with pytest.raises(Conflict) as caught:
        update(alice, email="dora@EXAMPLE.net", password=PASSWORD)
    assert field_of(caught.value) == "email"
    with pytest.raises(BadInput) as refused:
        update(alice, email="other@example.org")
    assert field_of(refused.value) == "password"
    assert update(alice, timezone="").email == "New@example.org"


@pytest.mark.parametrize("email", ["", "no address", "a@b\n", "<a@b>", "x" * 65 + "@b", "a@\0"])
def test_an_address_that_is_none_is_refused(alice: Member, email: str) -> None:
    with pytest.raises(BadInput) as caught:
        update(alice, email=email, password=PASSWORD)
    assert field_of(caught.value) == "email"


def test_a_zone_is_kept_and_nothing_is_the_browsers(alice: Member) -> None:
    assert update(alice, timezone="Pacific/Auckland").timezone == "Pacific/Auckland"
    assert update(alice).timezone == "Pacific/Auckland"
    assert update(alice, timezone="").timezone == ""


def test_a_zone_is_told_to_ones_other_pages(alice: Member, events: PubSub) -> None:
    update(alice, timezone="Pacific/Auckland")
    assert told(events) == ("alice", "tenant")


@pytest.mark.parametrize("zone", ["Mars/Base", "../../etc/passwd", "europe/berlin", "UTC\0", "x" * 5000])
def test_a_zone_that_is_none_is_refused_and_nothing_else_is_set(alice: Member, zone: str) -> None:
    with pytest.raises(BadInput) as caught:
        update(alice, timezone=zone, email="new@example.org", password=PASSWORD)
    assert field_of(caught.value) == "timezone"
    assert update(alice).email == "alice@example.org"


def test_sessions_are_listed_with_the_asking_one_first(alice: Member) -> None:
    sign_in(alice, FIREFOX, "192.0.2.7", minutes=5)
    mine, other = sessions_of(alice)
    assert (mine.current, other.current) == (True, False)
    assert (other.client, other.address) == ("Firefox on Linux", "192.0.2.7")
    assert other.created_at == NOON + timedelta(minutes=5)
    assert len(sessions_of(join("charlie"))) == 1


def test_a_user_agent_of_anything_is_kept_short_and_printable(alice: Member) -> None:
    sign_in(alice, "\0\x1b[31m" + "x" * 5000, "y" * 500)
    _, other = sessions_of(alice)
    assert "\x1b" not in other.client
    assert (len(other.client), len(other.user_agent), len(other.address)) == (40, 200, 64)


def test_one_session_is_ended_at_once(alice: Member, events: PubSub) -> None:
    gone, kept = sign_in(alice, FIREFOX), sign_in(alice)
    (ended,) = [one.id for one in sessions_of(alice) if one.client == "Firefox on Linux"]
    accounts.end_session(alice.actor, ended, NOON)
    assert (alive(gone), alive(kept), alive(alice.session_token)) == (False, True, True)
    assert told(events) == ("alice", "session")
    with pytest.raises(NotFound):
        accounts.end_session(alice.actor, ended, NOON)


def test_all_other_sessions_are_ended(alice: Member) -> None:
    others = [sign_in(alice), sign_in(alice)]
    assert accounts.end_other_sessions(alice.actor, NOON) == 2
    assert not any(map(alive, others))
    assert alive(alice.session_token)


@pytest.mark.parametrize("session_id", ["", "x" * 5000, "00000000-0000-4000-8000-000000000000"])
def test_a_session_that_is_not_there_is_told(alice: Member, session_id: str) -> None:
    with pytest.raises(NotFound):
        accounts.end_session(alice.actor, session_id, NOON)


def test_anothers_session_is_not_there(alice: Member) -> None:
    charlie = join("charlie")
    with pytest.raises(NotFound):
        accounts.end_session(charlie.actor, alice.actor.credential, NOON)
    assert accounts.end_other_sessions(charlie.actor, NOON) == 0
    assert alive(alice.session_token)


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0",
         "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 Version/17.5 Safari/605.1.15",
         "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) CriOS/126.0 Mobile Safari/604.1", "Chrome on iPhone"),
        ("Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36", "Chrome on Android"),
        ("crontopus-cli/0.1.0 Linux", "crontopus command line on Linux"),
        ("curl/8.5.0", "curl"),
        ("something of my own", "something of my own"),
        ("", "unknown"),
    ],
)  # fmt: skip
def test_a_client_has_a_name(user_agent: str, words: str) -> None:
    assert user_agents.named(user_agent) == words
