"""Registering and signing in, on both databases."""

from __future__ import annotations

import statistics
import time
from datetime import timedelta

import pytest
from sqlmodel import select

from contract import wire
from crontopus_app.base import security
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import BadInput, Conflict, CrontopusError, Forbidden, NotAuthenticated, NotFound
from crontopus_app.models import LoginSession, Tenant, User
from crontopus_app.people import accounts, auth
from tests.cast import NOON, PASSWORD, join

pytestmark = pytest.mark.usefixtures("db")


def register(username: str, password: str = PASSWORD, *, email: str = "", loopback: bool = False) -> User:
    address = email or f"{username}@example.org"
    form = wire.RegisterRequest(username=username, email=address, password=password)
    return auth.register(form, loopback=loopback, now=NOON)


def actor_of(token: str, days: int = 0) -> Actor:
    with reading() as session:
        return auth.actor_of(session, token, now=NOON + timedelta(days=days))


def test_a_user_gets_a_tenant_of_their_name_in_lower_case() -> None:
    user = register("Alice")
    assert (user.username, user.tenant_id) == ("alice", "alice")
    with reading() as session:
        tenant = session.get_one(Tenant, "alice")
    assert (tenant.repository, tenant.provisioning) == ("crontopus/job-manifests-alice", "pending")


def test_the_first_user_of_a_loopback_server_is_operator_and_nobody_else() -> None:
    assert register("alice", loopback=True).role == "operator"
    assert register("bob", loopback=True).role == "user"


def test_the_first_user_of_an_open_server_is_not_operator() -> None:
    assert register("alice", loopback=False).role == "user"


def test_a_taken_name_is_refused_in_any_case() -> None:
    register("alice")
    with pytest.raises(Conflict, match="taken"):
        register("ALICE")


@pytest.mark.parametrize("name", ["a", "-ab", "ab-", "a--b", "a_b", "../etc", "admin", "Crontopus", "ünal", "a" * 40])
def test_a_name_that_cannot_be_a_tenants_is_refused(name: str) -> None:
    with pytest.raises(BadInput) as caught:
        register(name)
    assert caught.value.problems[0].field == "username"


@pytest.mark.parametrize("password", ["short", "alice-alice"])
def test_a_weak_password_is_refused(password: str) -> None:
    with pytest.raises(BadInput) as caught:
        register("alice-alice", password)
    assert caught.value.problems[0].field == "password"


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput) as caught:
        register("alice", email="not an address")
    assert caught.value.problems[0].field == "email"


def test_all_errors_of_a_form_are_told_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        register("-", "short", email="nobody")
    assert [problem.field for problem in caught.value.problems] == ["username", "email", "password"]
    register("alice", email="ops@example.org")
    with pytest.raises(Conflict) as taken:
        register("alice", email="ops@example.org")
    assert [problem.field for problem in taken.value.problems] == ["username", "email"]


def test_an_address_belongs_to_one_account_in_any_case() -> None:
    register("alice", email="ops@example.org")
    with pytest.raises(Conflict) as caught:
        register("bob", email="OPS@example.org")
    assert (caught.value.code, caught.value.problems[0].field) == ("email_taken", "email")
    with reading() as session:
        assert session.get(Tenant, "bob") is None


def test_nothing_of_a_long_password_is_cut_off() -> None:
    stored = security.hash_password("x" * 100 + "a")
    assert security.password_matches("x" * 100 + "a", stored)
    assert not security.password_matches("x" * 100 + "b", stored)


def test_a_wrong_password_and_an_unknown_user_are_told_apart_by_nothing() -> None:
    register("alice")
    messages, times = set(), {"alice": [], "nobody": []}
    for name in ("alice", "nobody") * 3:
        begin = time.perf_counter()
        with pytest.raises(NotAuthenticated) as caught:
            auth.check_login(name, "wrong password")
        times[name].append(time.perf_counter() - begin)
        messages.add(str(caught.value))
    assert len(messages) == 1
    # Both compare one bcrypt hash, some 200 ms: without that comparison the ratio would be near 0.
    ratio = statistics.median(times["nobody"]) / statistics.median(times["alice"])
    assert 0.4 < ratio < 2.5


def test_a_session_ends_by_signing_out_and_by_itself() -> None:
    alice = join("alice")
    with writing() as session:
        user = session.get_one(User, alice.actor.user_id)
        token = auth.open_session(session, user, user_agent="tests", now=NOON)
    assert actor_of(token).username == "alice"
    with pytest.raises(NotAuthenticated):
        actor_of(token, days=31)
    with writing() as session:
        auth.logout(session, token)
    with pytest.raises(NotAuthenticated):
        actor_of(token)


def test_using_a_session_moves_its_end_on() -> None:
    alice = join("alice")
    later = NOON + timedelta(days=20)
    with writing() as session:
        assert auth.is_stale(session, alice.actor, later)
        auth.touch(session, alice.actor, later)
        session.flush()
        session.expire_all()
        assert not auth.is_stale(session, alice.actor, later)
    assert actor_of(alice.session_token, days=45).username == "alice"


@pytest.mark.parametrize("token", ["", "cts_unknown", "ctp_unknown", "ep_wrong-kind", "x" * 5000])
def test_an_unknown_token_is_nobody(token: str) -> None:
    with pytest.raises(NotAuthenticated):
        actor_of(token)


def test_a_suspended_tenant_is_locked_out_at_once() -> None:
    alice = join("alice")
    with writing() as session:
        session.get_one(Tenant, "alice").suspended = True
    with pytest.raises(Forbidden, match="suspended"):
        actor_of(alice.session_token)


def test_a_disabled_user_is_locked_out_at_once() -> None:
    alice = join("alice")
    with writing() as session:
        session.get_one(User, alice.actor.user_id).is_active = False
    with pytest.raises(NotAuthenticated, match="disabled"):
        actor_of(alice.session_token)
    with pytest.raises(Forbidden):
        auth.check_login("alice", PASSWORD)


def test_a_session_that_begins_while_the_password_changes_does_not_outlive_it() -> None:
    """Signing in compares the password first and opens the session later."""
    alice = join("alice")
    checked = auth.check_login("alice", PASSWORD)
    accounts.change_password(alice.actor, wire.PasswordChange(PASSWORD, "a new password"), NOON)
    with writing() as session, pytest.raises(NotAuthenticated):
        auth.open_session(session, checked, user_agent="", now=NOON)


def test_signing_in_forgets_sessions_that_are_over() -> None:
    alice, later = join("alice"), NOON + timedelta(days=31)
    with writing() as session:
        user = session.get_one(User, alice.actor.user_id)
        auth.open_session(session, user, user_agent="old", now=NOON)
        auth.open_session(session, user, user_agent="new", now=later)
    with reading() as session:
        left = {one.user_agent for one in session.exec(select(LoginSession))}
    assert "old" not in left
    assert "new" in left


def test_granting_makes_an_operator_and_names_who_is_missing() -> None:
    register("alice")
    with writing() as session:
        auth.grant_operator(session, "Alice")
    with reading() as session:
        assert session.get_one(User, _id_of("alice")).role == "operator"
    with writing() as session, pytest.raises(NotFound, match="nobody"):
        auth.grant_operator(session, "nobody")


def _id_of(username: str) -> str:
    with reading() as session:
        return session.exec(select(User.id).where(User.username == username)).one()


def test_what_is_stored_of_a_token_is_not_the_token() -> None:
    token = security.new_token("ep")
    assert token not in security.token_hmac(token)
    assert security.token_hmac(token) == security.token_hmac(token) != security.token_hmac(token + "x")


def test_every_error_has_a_status_and_a_word() -> None:
    for kind in CrontopusError.__subclasses__():
        assert kind.code
        assert 400 <= kind.status < 600
