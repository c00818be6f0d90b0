"""Making a tenant's repository: repeatable, visible, repairable."""

from __future__ import annotations

import hashlib
import hmac
import json

import httpx
import pytest
from rq import Queue
from sqlalchemy import Engine

from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import NotAuthenticated, NotFound
from crontopus_app.base.leases import lease
from crontopus_app.base.queue import LONG_QUEUE, redis
from crontopus_app.base.settings import settings
from crontopus_app.forge import names
from crontopus_app.forge.client import Forgejo
from crontopus_app.jobs import webhook
from crontopus_app.models import Tenant
from crontopus_app.operations import provisioning
from tests.cast import join
from tests.fixtures.forge_server import PASSWORD, USER, ForgeServer
from tests.fixtures.repositories import Repo


@pytest.fixture
def newcomer(db: Engine, redis_url: str, forge: Forgejo, tenant_name: str) -> Actor:
    return join(tenant_name).actor


def tenant(actor: Actor) -> Tenant:
    with reading() as session:
        found = session.get(Tenant, actor.tenant_id)
    assert found is not None
    return found


def standing(actor: Actor) -> tuple[str, str, str]:
    row = tenant(actor)
    return row.provisioning, row.provisioning_step, row.provisioning_error


def provision(actor: Actor, forge: Forgejo) -> None:
    provisioning.provision(actor.tenant_id, forge, clock.now())


def test_everything_is_made_and_the_first_commit_is_the_users(newcomer: Actor, forge: Forgejo, repo: Repo) -> None:
    provision(newcomer, forge)
    assert standing(newcomer) == ("ready", "done", "")
    (first,) = repo.commits()
    assert (first.author_name, first.author_email) == (newcomer.username, newcomer.email)
    assert set(repo.files()) == {"README.md", "example.yaml", "production/.gitkeep", "staging/.gitkeep"}
    assert newcomer.tenant_id.encode() in repo.files()["README.md"]
    assert all(line.startswith(b"#") for line in repo.files()["example.yaml"].splitlines())
    assert tenant(newcomer).indexed_head == first.sha
    token = forge.create_token(names.bot_name(newcomer.tenant_id), "test", repo.org, repo.name)
    mine = f"{forge.url}/api/v1/repos/{repo.org}/{repo.name}"
    assert httpx.get(mine, headers={"Authorization": f"token {token.secret}"}).status_code == 200


def test_the_webhook_leads_to_us(newcomer: Actor, forge: Forgejo, repo: Repo) -> None:
    provision(newcomer, forge)
    hooks = f"{forge.url}/api/v1/repos/{repo.org}/{repo.name}/hooks"
    (hook,) = httpx.get(hooks, auth=(USER, PASSWORD)).json()
    assert hook["config"]["url"] == f"{settings().public_url}/api/git/webhook"
    assert hook["active"] is True


def test_repeating_changes_nothing(newcomer: Actor, forge: Forgejo, repo: Repo) -> None:
    provision(newcomer, forge)
    before = repo.commits()
    provision(newcomer, forge)
    assert repo.commits() == before
    assert standing(newcomer) == ("ready", "done", "")
    hooks = f"{forge.url}/api/v1/repos/{repo.org}/{repo.name}/hooks"
    assert len(httpx.get(hooks, auth=(USER, PASSWORD)).json()) == 1


def test_a_forge_that_is_away_is_waited_for(newcomer: Actor, forge: Forgejo) -> None:
    with Forgejo("http://127.0.0.1:9", USER, PASSWORD) as away:
        provision(newcomer, away)
    state, step, error = standing(newcomer)
    assert (state, step) == ("pending", "organisation")
    assert error.startswith("waiting: The Git server at http://127.0.0.1:9 does not respond")
    provision(newcomer, forge)
    assert standing(newcomer) == ("ready", "done", "")


def test_a_wrong_password_fails_with_a_reason_and_is_repaired_by_one_call(
    newcomer: Actor, forge: Forgejo, forge_server: ForgeServer
) -> None:
    with Forgejo(forge_server.url, USER, "wrong password") as refused:
        provision(newcomer, refused)
    state, step, error = standing(newcomer)
    assert (state, step) == ("failed", "organisation")
    assert "rejects the administrator's user name or password" in error
    with writing() as session:
        provisioning.retry(session, newcomer, clock.now())
    assert standing(newcomer) == ("pending", "organisation", "")
    provision(newcomer, forge)
    assert standing(newcomer)[0] == "ready"


def test_an_account_that_is_not_ours_is_never_touched(newcomer: Actor, forge: Forgejo) -> None:
    name = names.bot_name(newcomer.tenant_id)
    body = {"username": name, "email": f"{name}@example.org", "password": "some-long-password"}
    made = httpx.post(f"{forge.url}/api/v1/admin/users", json=body, auth=(USER, PASSWORD))
    assert made.status_code == 201
    provision(newcomer, forge)
    state, step, error = standing(newcomer)
    assert (state, step) == ("failed", "reading account")
    assert f"account '{name}' that Crontopus did not create" in error


def test_one_process_at_a_time(newcomer: Actor, forge: Forgejo) -> None:
    with lease(f"provision:{newcomer.tenant_id}", clock.now):
        provision(newcomer, forge)
    assert standing(newcomer) == ("pending", "", "")


def test_an_unknown_tenant_is_not_found(newcomer: Actor, forge: Forgejo) -> None:
    with pytest.raises(NotFound):
        provisioning.provision("nobody", forge, clock.now())


def test_bots_have_short_names_that_differ(newcomer: Actor) -> None:
    assert names.bot_name("alice") == "crontopus-agent-2bd806c97f0e"
    assert names.bot_name("alice") != names.bot_name("alicf")
    assert len(names.bot_name("a" * 39)) < 40


def push(actor: Actor, ref: str = "refs/heads/main") -> bytes:
    return json.dumps({"ref": ref, "repository": {"full_name": tenant(actor).repository}}).encode()


def sign(body: bytes, secret: str = "whs_tests") -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def accept(body: bytes, signature: str, event: str = "push") -> bool:
    return webhook.accept(body, signature=signature, event=event)


def rung() -> list[tuple[str, str]]:
    """The tasks that workers are asked for, each with its tenant."""
    return [
        (str(task.func_name).removeprefix("worker.tasks."), *task.args)
        for task in Queue(LONG_QUEUE, connection=redis()).jobs
    ]


def test_a_signed_push_has_its_tenant_indexed(newcomer: Actor) -> None:
    body = push(newcomer)
    assert accept(body, sign(body))
    assert rung() == [("index_tenant", newcomer.tenant_id)]


def test_other_branches_and_events_are_no_news(newcomer: Actor) -> None:
    other = push(newcomer, "refs/heads/try")
    assert not accept(other, sign(other))
    body = push(newcomer)
    assert not accept(body, sign(body), event="issues")
    assert rung() == []


@pytest.mark.parametrize("signature", ["", "0" * 64, "é", "sha256="])
def test_an_empty_or_wrong_signature_is_refused(newcomer: Actor, signature: str) -> None:
    with pytest.raises(NotAuthenticated):
        accept(push(newcomer), signature)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"repository": {"full_name": "crontopus/unknown"}}']
)
def test_what_names_no_repository_of_ours_is_refused(newcomer: Actor, body: bytes) -> None:
    with pytest.raises(NotAuthenticated):
        accept(body, sign(body, webhook.DUMMY_SECRET))
