"""Personal Git credentials, on both databases and the real embedded forge: made whole or not at all, ended for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import pytest
from sqlmodel import select

from contract import wire
from crontopus_app.base import clock, queue
from crontopus_app.base.actor import SCOPES, Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import BadInput, Forbidden, NotAuthenticated, NotFound, RateLimited, Unavailable
from crontopus_app.base.leases import lease
from crontopus_app.forge import names
from crontopus_app.forge.client import Forgejo
from crontopus_app.models import Audit, GitCredential, Tenant
from crontopus_app.operations import tenant_deletion
from crontopus_app.people import git_credentials
from tests.cast import NOON, PASSWORD, join
from tests.fixtures.forge_server import PASSWORD as FORGE_PASSWORD
from tests.fixtures.forge_server import USER as FORGE_USER
from tests.fixtures.repositories import Repo
from tests.fixtures.tenants import provisioned

LATER = NOON + git_credentials.INTERRUPTED_AFTER + timedelta(seconds=1)
WRITE = {"branch": "main", "message": "m", "files": [{"operation": "create", "path": "production/x", "content": ""}]}


class Cuts(httpx.HTTPTransport):
    """The way to the forge, cut at one kind of call: before the forge hears it, or before its answer is heard."""

    def __init__(self, method: str, part: str, heard: bool, for_good: bool = False) -> None:
        """``for_good``: nothing that comes after it is heard either."""
        super().__init__()
        self.method, self.part, self.heard, self.for_good = method, part, heard, for_good
        self.away = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        cut = request.method == self.method and self.part in request.url.path
        if self.away or (cut and not self.heard):
            raise httpx.ConnectError("cut", request=request)
        answer = super().handle_request(request)
        if cut:
            self.away = self.for_good
            answer.close()
            raise httpx.ReadError("cut", request=request)
        return answer


class Meanwhile(httpx.HTTPTransport):
    """The way to the forge, on which something happens before a token is asked for."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self.happens = happens

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("/tokens"):
            self.happens()
        return super().handle_request(request)


@pytest.fixture(autouse=True)
def _rates(redis_url: str) -> None:
    queue.redis().flushdb()


@pytest.fixture
def away() -> Iterator[Forgejo]:
    with Forgejo("http://127.0.0.1:1", "nobody", "none") as made:
        yield made


def make(actor: Actor, forge: Forgejo, access: str = "write", name: str = "laptop") -> wire.GitCredential:
    return git_credentials.create(actor, wire.GitCredentialRequest(name, access), forge, NOON)


def listed(actor: Actor) -> list[tuple[str, str, str]]:
    with reading() as session:
        return [(one.name, one.access, one.state) for one in git_credentials.list_all(session, actor)]


def states() -> list[str]:
    with reading() as session:
        return list(session.exec(select(GitCredential.state)))


def reads(repo: Repo, token: str | None) -> int:
    where = f"{repo.forge.url}/api/v1/repos/{repo.org}/{repo.name}/branches/main"
    return httpx.get(where, auth=("anybody", token or "none")).status_code


def writes(repo: Repo, token: str | None) -> int:
    where = f"{repo.forge.url}/api/v1/repos/{repo.org}/{repo.name}/contents"
    return httpx.post(where, json=WRITE, auth=("anybody", token or "none")).status_code


def due(now: datetime = NOON) -> list[str]:
    with reading() as session:
        return git_credentials.unsettled(session, now)


def suspend(tenant_id: str, suspended: bool) -> None:
    with writing() as session:
        session.get_one(Tenant, tenant_id).suspended = suspended


def tokens_of(forge: Forgejo, tenant_id: str) -> list[str]:
    """Names of the tokens that the forge has for the tenant's users."""
    found = []
    for role in ("read", "push"):
        account = f"/api/v1/users/{names.account_name(role, tenant_id)}"
        if forge.send("GET", account, expect=(200, 404)).status_code == 200:
            found += [token["name"] for token in forge.send("GET", f"{account}/tokens").json()]
    return found


def test_each_access_opens_what_it_says_and_the_token_is_shown_once(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    reader, writer = make(alice, forge, "read", "ci"), make(alice, forge, "write", " laptop ")
    assert (writer.username, writer.made_by, writer.state) == (alice.username, alice.username, "active")
    assert writer.url.endswith(f"/{repo.org}/{repo.name}.git")
    assert (reads(repo, reader.token), writes(repo, reader.token)) == (200, 403)
    assert (reads(repo, writer.token), writes(repo, writer.token)) == (200, 201)
    assert sorted(listed(alice)) == [("ci", "read", "active"), ("laptop", "write", "active")]
    with reading() as session:
        assert [one.token for one in git_credentials.list_all(session, alice)] == [None, None]
        kept = str([row.model_dump() for row in session.exec(select(GitCredential))])
        noted = {(row.action, row.subject, row.detail) for row in session.exec(select(Audit))}
    assert writer.token
    assert writer.token not in kept
    assert ("git_credential.create", "laptop", "write") in noted


def test_it_opens_no_other_repository_and_is_nobody_elses(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    mine = make(alice, forge)
    charlie = provisioned(f"{alice.tenant_id}-c", forge)
    theirs = Repo(forge, repo.org, f"job-manifests-{charlie.tenant_id}")
    assert (reads(theirs, mine.token), writes(theirs, mine.token)) == (404, 404)
    assert listed(charlie) == []
    with pytest.raises(NotFound):
        git_credentials.revoke(charlie, mine.id, forge, NOON)
    assert reads(repo, mine.token) == 200


def test_a_revoked_one_is_refused_at_once_and_the_others_are_not(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    lost, kept = make(alice, forge), make(alice, forge, name="desk")
    git_credentials.revoke(alice, lost.id, forge, NOON)
    git_credentials.revoke(alice, lost.id, forge, NOON)
    assert (reads(repo, lost.token), writes(repo, lost.token)) == (401, 401)
    assert writes(repo, kept.token) == 201
    assert sorted(listed(alice)) == [("desk", "write", "active"), ("laptop", "write", "revoked")]
    with reading() as session:
        revoked = session.exec(select(Audit).where(Audit.action == "git_credential.revoke")).one()
    assert revoked.subject == "laptop"
    assert due() == []


def test_a_forge_that_is_away_ends_it_as_soon_as_it_is_back(
    alice: Actor, forge: Forgejo, repo: Repo, away: Forgejo
) -> None:
    made = make(alice, forge)
    with pytest.raises(Unavailable, match="as soon as it does"):
        git_credentials.revoke(alice, made.id, away, NOON)
    assert listed(alice) == [("laptop", "write", "ending")]
    with pytest.raises(Unavailable):
        git_credentials.settle(alice.tenant_id, away, NOON)
    assert due() == [alice.tenant_id]
    git_credentials.settle(alice.tenant_id, forge, NOON)
    assert (reads(repo, made.token), states(), due()) == (401, ["revoked"], [])


@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize(
    ("method", "part"), [("POST", "/admin/users"), ("PUT", "/collaborators/"), ("POST", "/tokens")]
)  # fmt: skip
def test_one_that_breaks_off_leaves_nothing(anna: Actor, forge: Forgejo, method: str, part: str, heard: bool) -> None:
    with (
        Forgejo(forge.url, FORGE_USER, FORGE_PASSWORD, transport=Cuts(method, part, heard)) as cut,
        pytest.raises(Unavailable),
    ):
        make(anna, cut)
    assert (listed(anna), tokens_of(forge, anna.tenant_id)) == ([], [])
    assert due() == [], "it may be under way elsewhere"
    assert due(LATER) == [anna.tenant_id]
    git_credentials.settle(anna.tenant_id, forge, LATER)
    assert states() == []
    assert make(anna, forge).state == "active"


def test_a_token_whose_answer_was_lost_is_ended_by_the_sweep(anna: Actor, forge: Forgejo) -> None:
    """The forge made it and went away before it could be taken back."""
    way = Cuts("POST", "/tokens", heard=True, for_good=True)
    with (
        Forgejo(forge.url, FORGE_USER, FORGE_PASSWORD, transport=way) as cut,
        pytest.raises(Unavailable),
    ):
        make(anna, cut)
    assert len(tokens_of(forge, anna.tenant_id)) == 1
    git_credentials.settle(anna.tenant_id, forge, LATER)
    assert (tokens_of(forge, anna.tenant_id), states()) == ([], [])


def test_a_forge_that_is_away_makes_none(alice: Actor, away: Forgejo) -> None:
    with pytest.raises(Unavailable):
        make(alice, away)
    assert listed(alice) == []


def test_while_suspended_it_opens_nothing_and_afterwards_again(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    reader, writer = make(alice, forge, "read"), make(alice, forge, "write")
    suspend(alice.tenant_id, True)
    assert due() == [alice.tenant_id]
    git_credentials.settle(alice.tenant_id, forge, NOON)
    assert (reads(repo, reader.token), writes(repo, writer.token), due()) == (404, 404, [])
    suspend(alice.tenant_id, False)
    git_credentials.settle(alice.tenant_id, forge, NOON)
    assert (reads(repo, reader.token), writes(repo, reader.token)) == (200, 403)
    assert (writes(repo, writer.token), due()) == (201, [])


def test_one_made_while_the_suspension_came_is_shut_too(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    old = make(anna, forge)
    suspend(anna.tenant_id, True)
    git_credentials.settle(anna.tenant_id, forge, NOON)
    late = make(anna, forge)
    assert reads(repo, old.token) == 200, "the account was given its right anew"
    assert due() == [anna.tenant_id]
    git_credentials.settle(anna.tenant_id, forge, NOON)
    assert (reads(repo, old.token), reads(repo, late.token)) == (404, 404)


def test_two_workers_do_not_settle_at_once(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    made = make(anna, forge)
    suspend(anna.tenant_id, True)
    with lease(f"git-access:{anna.tenant_id}", clock.now):
        git_credentials.settle(anna.tenant_id, forge, NOON)
    assert (reads(repo, made.token), due()) == (200, [anna.tenant_id])


def test_with_the_account_go_its_credentials_and_accounts(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    made = make(alice, forge)
    tenant_deletion.delete_account(alice, wire.AccountDeletion(alice.username, PASSWORD), NOON)
    assert (states(), due(LATER)) == ([], [])
    tenant_deletion.finish(alice.tenant_id, forge, NOON + tenant_deletion.SETTLE)
    assert reads(repo, made.token) == 401
    account = f"/api/v1/users/{names.account_name('push', alice.tenant_id)}"
    assert forge.send("GET", account, expect=(200, 404)).status_code == 404


def test_an_account_that_is_deleted_meanwhile_gets_none(anna: Actor, forge: Forgejo) -> None:
    way = Meanwhile(lambda: tenant_deletion.delete_account(anna, wire.AccountDeletion(anna.username, PASSWORD), NOON))
    with (
        Forgejo(forge.url, FORGE_USER, FORGE_PASSWORD, transport=way) as slow,
        pytest.raises(NotAuthenticated),
    ):
        make(anna, slow)
    assert (states(), tokens_of(forge, anna.tenant_id)) == ([], [])


def test_a_token_makes_no_stronger_credential(anna: Actor, forge: Forgejo) -> None:
    def limited(*scopes: str) -> Actor:
        return replace(anna, kind="token", scopes=frozenset(scopes))

    with pytest.raises(Forbidden, match="write:tokens"):
        make(limited(*(SCOPES - {"write:tokens", "admin:*"})), forge)
    for scopes, access in ((("write:tokens",), "read"), (("write:tokens", "read:jobs"), "write")):
        with pytest.raises(Forbidden, match="more access"):
            make(limited(*scopes), forge, access)
    assert make(limited("write:tokens", "read:jobs"), forge, "read").access == "read"
    with pytest.raises(Forbidden), reading() as session:
        git_credentials.list_all(session, limited("read:jobs"))


@pytest.mark.parametrize(
    ("form", "field"),
    [
        (wire.GitCredentialRequest(" "), "name"),
        (wire.GitCredentialRequest("a\0b"), "name"),
        (wire.GitCredentialRequest("x" * 101), "name"),
        (wire.GitCredentialRequest("x", "admin"), "access"),
        (wire.GitCredentialRequest("x", ""), "access"),
    ],
)
def test_a_bad_field_is_named(anna: Actor, away: Forgejo, form: wire.GitCredentialRequest, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        git_credentials.create(anna, form, away, NOON)
    assert caught.value.problems[0].field == field
    assert states() == []


def test_they_are_not_made_without_end_nor_without_a_repository(anna: Actor, away: Forgejo) -> None:
    with pytest.raises(NotFound, match="still being created"):
        make(join("bob").actor, away)
    for _ in range(git_credentials.MAKE.count):
        with pytest.raises(Unavailable):
            make(anna, away)
    with pytest.raises(RateLimited):
        make(anna, away)
