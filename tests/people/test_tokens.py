"""Tokens are shown once, end when they should, and never grow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from contract import wire
from crontopus_app.base.actor import SCOPES, Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import BadInput, Forbidden, NotAuthenticated, NotFound
from crontopus_app.people import auth, tokens
from tests.cast import NOON, Member, join

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def alice(db: object) -> Member:
    return join("alice")


def make(actor: Actor, *scopes: str, days: int | None = None) -> wire.ApiToken:
    with writing() as session:
        form = wire.ApiTokenRequest(name="ci", scopes=list(scopes), expires_in_days=days)
        return tokens.create_api(session, actor, form, NOON)


def test_a_token_is_in_the_answer_to_its_creation_only(alice: Member) -> None:
    made = make(alice.actor, "read:runs")
    assert made.token
    assert made.token.startswith("ctp_")
    with reading() as session:
        assert [one.token for one in tokens.list_api(session, alice.actor)] == [None]


def test_a_token_acts_within_its_scopes(alice: Member) -> None:
    token = make(alice.actor, "write:jobs").token
    with reading() as session:
        actor = auth.actor_of(session, token or "", now=NOON)
    actor.require("write:jobs")
    actor.require("read:jobs")
    with pytest.raises(Forbidden, match="read:runs"):
        actor.require("read:runs")


@pytest.mark.parametrize("scope", sorted(SCOPES - {"write:tokens", "read:tokens"}))
def test_a_token_cannot_create_a_stronger_one(alice: Member, scope: str) -> None:
    weak = replace(alice.actor, kind="token", scopes=frozenset({"write:tokens"}))
    with pytest.raises(Forbidden, match="more scopes"):
        make(weak, scope)
    assert make(weak, "read:tokens").scopes == ["read:tokens"]


@pytest.mark.parametrize("scopes", [(), ("all",), ("read:runs", "drop:tables")])
def test_unknown_scopes_are_refused(alice: Member, scopes: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match="Choose one or more"):
        make(alice.actor, *scopes)


def test_a_token_ends_on_its_day(alice: Member) -> None:
    token = make(alice.actor, "read:runs", days=1).token or ""
    with reading() as session:
        assert auth.actor_of(session, token, now=NOON + timedelta(hours=23))
        with pytest.raises(NotAuthenticated):
            auth.actor_of(session, token, now=NOON + timedelta(hours=25))


def test_a_revoked_token_is_dead_at_once(alice: Member) -> None:
    made = make(alice.actor, "read:runs")
    with writing() as session:
        tokens.revoke_api(session, alice.actor, made.id, NOON)
    with reading() as session, pytest.raises(NotAuthenticated):
        auth.actor_of(session, made.token or "", now=NOON)


def test_anothers_tokens_are_not_there(alice: Member) -> None:
    made, charlie = make(alice.actor, "read:runs"), join("charlie")
    with writing() as session:
        assert tokens.list_api(session, charlie.actor) == []
        with pytest.raises(NotFound):
            tokens.revoke_api(session, charlie.actor, made.id, NOON)


def test_an_enrolment_token_is_listed_without_its_secret_and_revoked(alice: Member) -> None:
    with writing() as session:
        form = wire.EnrollmentTokenRequest(name="racks", expires_in_days=7, max_uses=3)
        made = tokens.create_enrollment(session, alice.actor, form, NOON)
        tokens.revoke_enrollment(session, alice.actor, made.id, NOON)
    assert made.token
    assert made.token.startswith("cet_")
    with reading() as session:
        (listed,) = tokens.list_enrollment(session, alice.actor)
    assert (listed.token, listed.revoked, listed.max_uses, listed.uses) == (None, True, 3, 0)
    assert listed.expires_at == NOON + timedelta(days=7)


def test_anothers_enrolment_token_is_not_there(alice: Member) -> None:
    with writing() as session:
        made = tokens.create_enrollment(session, alice.actor, wire.EnrollmentTokenRequest(name="x"), NOON)
    charlie = join("charlie")
    with writing() as session, pytest.raises(NotFound):
        tokens.revoke_enrollment(session, charlie.actor, made.id, NOON)


@pytest.mark.parametrize(
    ("form", "field"),
    [
        (wire.EnrollmentTokenRequest(name=" "), "name"),
        (wire.EnrollmentTokenRequest(name="x", max_uses=0), "max_uses"),
        (wire.EnrollmentTokenRequest(name="x", expires_in_days=0), "expires_in_days"),
        (wire.EnrollmentTokenRequest(name="x", expires_in_days=9999), "expires_in_days"),
    ],
)
def test_a_bad_field_is_named(alice: Member, form: wire.EnrollmentTokenRequest, field: str) -> None:
    with writing() as session, pytest.raises(BadInput) as caught:
        tokens.create_enrollment(session, alice.actor, form, NOON)
    assert caught.value.problems[0].field == field
