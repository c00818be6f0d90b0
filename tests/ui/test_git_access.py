"""Git credentials on the Repository page: shown once, listed, revoked by their owner only."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import select

from crontopus_app.base import queue
from crontopus_app.base.db import reading, writing
from crontopus_app.forge.client import Forgejo
from crontopus_app.models import GitCredential, Tenant
from crontopus_app.ui.repository.state import RepositoryState
from tests.cast import NOON, Member
from tests.fixtures.forge_server import configured_at, forge, forge_server
from tests.ui.states import page_at, run, shown

__all__ = ["forge", "forge_server"]


@pytest.fixture(autouse=True)
def _ready(alice: Member, redis_url: str) -> None:
    queue.redis().flushdb()
    with writing() as session:
        session.get_one(Tenant, "alice").provisioning = "ready"


@pytest.fixture
def made(forge: Forgejo, alice: Member) -> None:
    """Creates the repository on the forge too."""
    forge.ensure_org("crontopus")
    forge.ensure_repository("crontopus", "job-manifests-alice", "")


async def opened(cookie: str) -> Any:
    page = page_at("/repository", RepositoryState, cookie)
    await run(page, "load")
    return page


def keep(state: str = "active") -> str:
    """Id of a credential of alice's that exists in the database only."""
    row = GitCredential(tenant_id="alice", user_id="u", made_by="alice", name="old", access="read", created_at=NOON)
    row.state = state
    with writing() as session:
        session.add(row)
    return row.id


async def test_a_credential_is_shown_once_and_listed_until_it_is_revoked(cookie: str, made: None) -> None:
    page = await opened(cookie)
    assert await run(page, "create_credential", {"name": "laptop", "access": "write"}) is None
    token = page.access.created.token
    assert len(token) == 40
    assert (page.access.created.name, page.access.created.username) == ("laptop", "alice")
    (one,) = page.access.credentials
    assert (one.name, one.access, one.made_by, one.state) == ("laptop", "read and push", "alice", "active")
    await run(page, "load")
    assert token not in shown(page)
    assert [one.name for one in page.access.credentials] == ["laptop"]
    assert "Git now rejects it" in str(await run(page, "revoke_credential", {"id": one.id}))
    assert page.access.credentials == []


async def test_a_double_click_creates_one_credential_and_keeps_showing_it(cookie: str, made: None) -> None:
    page = await opened(cookie)
    clicked = {"name": "laptop", "access": "write", "form_key": page.form_key}
    await run(page, "create_credential", clicked)
    token = page.access.created.token
    assert await run(page, "create_credential", clicked) is None
    assert page.access.created.token == token != ""
    assert len(page.access.credentials) == 1
    with reading() as session:
        assert len(session.exec(select(GitCredential)).all()) == 1


async def test_an_invalid_form_shows_its_error_and_creates_nothing(cookie: str) -> None:
    page = await opened(cookie)
    for form, said in (
        ({}, "access must be read or write"),
        ({"access": "write"}, "A credential needs a name"),
        ({"name": "x", "access": "admin"}, "access must be read or write"),
        ({"name": ["x"] * 99, "access": "read"}, "needs a name"),
    ):
        assert said in str(await run(page, "create_credential", form)), form
    with reading() as session:
        assert session.exec(select(GitCredential)).all() == []


async def test_another_tenants_credential_is_not_found(cookie: str, charlies: str) -> None:
    theirs = keep()
    with writing() as session:
        session.get_one(Tenant, "charlie").provisioning = "ready"
    stranger = await opened(charlies)
    assert stranger.access.credentials == []
    for credential_id in (theirs, "", "\0", "x" * 10_000):
        assert "No credential " in str(await run(stranger, "revoke_credential", {"id": credential_id}))
    assert [one.state for one in (await opened(cookie)).access.credentials] == ["active"]


async def test_a_credential_that_the_git_server_still_accepts_is_marked(cookie: str, forge_server: object) -> None:
    keep("revoked")
    theirs = keep()
    page = await opened(cookie)
    with configured_at("http://127.0.0.1:1"):
        assert "as soon as it does" in str(await run(page, "revoke_credential", {"id": theirs}))
    assert [one.state for one in page.access.credentials] == ["ending"]


async def test_without_a_session_nothing_is_created(alice: Member) -> None:
    page = page_at("/repository", RepositoryState, "crontopus_session=forged")
    assert "Sign in" in str(await run(page, "create_credential", {"name": "x", "access": "write"}))
    with reading() as session:
        assert session.exec(select(GitCredential)).all() == []
