"""A create that is sent twice creates once, on both databases."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from contract import wire
from crontopus_app.base import idempotency
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import BadInput, Conflict, Forbidden, NotAuthenticated, Unavailable
from crontopus_app.forge.client import Forgejo
from crontopus_app.jobs import edits
from crontopus_app.jobs.changes import Submitted
from crontopus_app.models import ApiToken, Audit, Change, Creation, EnrollmentToken, GitCredential, User
from crontopus_app.people import auth, git_credentials, tokens
from tests.cast import NOON, PASSWORD, Member, join

KEY = "6f1c-of-the-opened-form"
FORM = wire.ApiTokenRequest("ci", ["read:runs"])


@pytest.fixture
def owner(db: object, redis_url: str) -> Member:
    return join("owner")


def create(actor: Actor, form: wire.ApiTokenRequest = FORM, key: str = KEY, now: datetime = NOON) -> wire.ApiToken:
    with writing() as session:
        return tokens.create_api(session, actor, form, now, key=key)


def rows(table: Any) -> list[Any]:
    with reading() as session:
        return list(session.exec(select(table)))


def test_a_key_that_is_sent_again_gets_the_same_token(owner: Member) -> None:
    first, again = create(owner.actor), create(owner.actor)
    assert first == again
    assert (first.token or "").startswith("ctp_")
    assert len(rows(ApiToken)) == 1
    assert [one.action for one in rows(Audit)] == ["api_token.create"]
    with reading() as session:
        assert auth.actor_of(session, again.token or "", now=NOON).kind == "token"


def test_without_a_key_each_request_creates(owner: Member) -> None:
    assert create(owner.actor, key="").token != create(owner.actor, key="").token
    assert rows(Creation) == []


def test_another_key_gets_another_token(owner: Member) -> None:
    assert create(owner.actor).token != create(owner.actor, key="another").token


def test_the_key_of_another_user_is_another(owner: Member) -> None:
    stranger = join("stranger").actor
    first, other = create(owner.actor), create(stranger)
    assert first.token != other.token
    assert {row.tenant_id for row in rows(ApiToken)} == {"owner", "stranger"}


def test_what_is_stored_does_not_tell_the_token(owner: Member) -> None:
    token = create(owner.actor).token or ""
    (row,) = rows(Creation)
    stored = " ".join(map(str, row.model_dump().values()))
    assert KEY not in stored
    assert token.removeprefix("ctp_") not in stored


def test_a_key_for_another_request_is_refused(owner: Member) -> None:
    create(owner.actor)
    with pytest.raises(BadInput) as other_form:
        create(owner.actor, wire.ApiTokenRequest("ci", ["read:jobs"]))
    with pytest.raises(BadInput) as other_operation, writing() as session:
        tokens.create_enrollment(session, owner.actor, wire.EnrollmentTokenRequest("ci"), NOON, key=KEY)
    assert {other_form.value.code, other_operation.value.code} == {"idempotency_key_reused"}


def test_a_weaker_token_is_not_shown_what_a_stronger_one_made(owner: Member) -> None:
    create(owner.actor)
    weak = replace(owner.actor, kind="token", scopes=frozenset({"write:tokens"}))
    with pytest.raises(Forbidden):
        create(weak)


def test_a_key_lasts_a_day(owner: Member) -> None:
    first = create(owner.actor)
    assert create(owner.actor, now=NOON + idempotency.LIFE - timedelta(seconds=1)).token == first.token
    assert create(owner.actor, now=NOON + idempotency.LIFE).token != first.token
    assert len(rows(Creation)) == 1


def test_a_create_that_is_refused_leaves_its_key_free(owner: Member) -> None:
    with pytest.raises(BadInput):
        create(owner.actor, wire.ApiTokenRequest(" ", ["read:runs"]))
    assert create(owner.actor).name == "ci"


@pytest.mark.parametrize("key", ["x" * 256, "line\nbreak", "ключ"])
def test_a_key_that_is_none_is_refused(owner: Member, key: str) -> None:
    with pytest.raises(BadInput, match="Idempotency-Key"):
        create(owner.actor, key=key)


def test_of_many_at_once_one_creates(owner: Member) -> None:
    together = threading.Barrier(4)

    def click() -> str | None:
        together.wait()
        return create(owner.actor).token

    with ThreadPoolExecutor(4) as clicks:
        shown = {one.result() for one in [clicks.submit(click) for _ in range(4)]}
    assert len(shown) == len(rows(ApiToken)) == 1


def test_an_enrolment_token_is_created_once(owner: Member) -> None:
    def click() -> wire.EnrollmentToken:
        with writing() as session:
            form = wire.EnrollmentTokenRequest("fleet", 7, 20)
            return tokens.create_enrollment(session, owner.actor, form, NOON, key=KEY)

    assert click() == click()
    assert len(rows(EnrollmentToken)) == 1


YAML = b"apiVersion: v1\nkind: Job\nmetadata: {name: a}\nspec: {schedule: '0 2 * * *', command: x}\n"
JOB = {"name": "a", "namespace": "production", "schedule": "0 2 * * *", "command": "x"}


@pytest.mark.parametrize("kind", ["form", "yaml", "namespace"])
def test_a_job_and_a_namespace_are_created_once(owner: Member, kind: str) -> None:
    def click(key: str = KEY) -> Submitted:
        with writing() as session:
            if kind == "form":
                return edits.create(session, owner.actor, JOB, NOON, key=key)
            if kind == "yaml":
                return edits.create_yaml(session, owner.actor, "production", YAML, NOON, key=key)
            return edits.create_namespace(session, owner.actor, "production", NOON, key=key)

    assert click().id == click().id
    assert len(rows(Change)) == 1


def test_a_registration_is_made_once_and_only_for_its_password(db: object) -> None:
    def click(password: str = PASSWORD, key: str = KEY) -> User:
        form = wire.RegisterRequest("dora", "dora@example.org", password)
        return auth.register(form, loopback=False, now=NOON, key=key)

    assert click().id == click().id
    assert len(rows(User)) == 1
    with pytest.raises(NotAuthenticated):
        click("another password")
    with pytest.raises(Conflict, match="taken"):
        click(key="another")


def git(actor: Actor, forge: Forgejo, now: datetime = NOON) -> wire.GitCredential:
    return git_credentials.create(actor, wire.GitCredentialRequest("laptop", "read"), forge, now, key=KEY)


def test_a_git_credential_is_made_once_and_its_token_is_not_shown_again(alice: Actor, forge: Forgejo) -> None:
    made = git(alice, forge)
    with pytest.raises(Conflict) as again:
        git(alice, forge)
    assert again.value.code == "already_created"
    assert [row.id for row in rows(GitCredential)] == [made.id]


def test_a_git_credential_that_could_not_be_made_leaves_its_key_free(alice: Actor, forge: Forgejo) -> None:
    with Forgejo("http://127.0.0.1:1", "nobody", "none") as away, pytest.raises(Unavailable):
        git(alice, away)
    assert git(alice, forge).token


def test_one_that_is_being_made_is_not_made_twice(alice: Actor, forge: Forgejo) -> None:
    made = git(alice, forge)
    with writing() as session:
        session.get_one(GitCredential, made.id).state = "making"
    with pytest.raises(Conflict) as again:
        git(alice, forge)
    assert again.value.code == "being_created"
    with writing() as session:  # as the sweep does with what was cut off
        session.delete(session.get_one(GitCredential, made.id))
    assert git(alice, forge).id != made.id
