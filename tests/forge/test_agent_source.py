"""The agent's own fetching against the forge: shallow, following the branch, refused without a credential."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from agent.errors import FetchFailed
from agent.source import RepositoryAccess, Source
from tests.forge.conftest import Repo, Server
from tests.forge.test_contract import blob_sha


@pytest.fixture
def access(server: Server, repo: Repo) -> RepositoryAccess:
    bot = f"agent-{secrets.token_hex(5)}"
    repo.forge.ensure_bot(bot)
    repo.forge.ensure_collaborator(repo.org, repo.name, bot)
    with server.client(allow_broad_tokens=True) as forge:
        token = forge.create_token(bot, "reader", repo.org, repo.name).secret
    return RepositoryAccess(repo.clone_url, "main", bot, token)


def test_shallow_fetches_follow_the_branch(repo: Repo, access: RepositoryAccess, tmp_path: Path) -> None:
    source = Source(tmp_path / "source")
    first = repo.commit({f"production/{number}.yaml": b"%d" % number for number in range(40)})
    assert source.fetch(access).head == first
    assert source.fetch(access).head == first, "nothing new is no error"
    for number in range(3):
        late = repo.commit({f"production/late-{number}.yaml": b"late %d" % number})
        found = source.fetch(access)
        assert found.head == late
        assert len(found.files) == 41 + number
        assert found.read(blob_sha(b"late %d" % number)) == b"late %d" % number
        assert found.read(blob_sha(b"0")) == b"0"


def test_the_messages_between_two_commits_can_be_read(repo: Repo, access: RepositoryAccess, tmp_path: Path) -> None:
    first = repo.commit({"production/a.yaml": b"a"}, "First")
    repo.commit({"production/b.yaml": b"b"}, "Second")
    head = repo.commit({"production/c.yaml": b"c"}, "Third")
    messages = Source(tmp_path / "source").messages_since(access, first, head)
    assert [message.strip() for message in messages] == ["Third", "Second"]


def test_a_wrong_token_is_an_error_and_never_an_empty_repository(
    repo: Repo, access: RepositoryAccess, tmp_path: Path
) -> None:
    repo.commit({"production/a.yaml": b"a"})
    wrong = RepositoryAccess(access.url, access.branch, access.username, "f" * 40)
    with pytest.raises(FetchFailed):
        Source(tmp_path / "source").fetch(wrong)


def test_a_disabled_account_is_an_error_and_never_an_empty_repository(
    repo: Repo, access: RepositoryAccess, tmp_path: Path
) -> None:
    repo.commit({"production/a.yaml": b"a"})
    body = {"login_name": access.username, "source_id": 0, "prohibit_login": True}
    repo.forge.send("PATCH", f"/api/v1/admin/users/{access.username}", json=body)
    with pytest.raises(FetchFailed):
        Source(tmp_path / "source").fetch(access)


def test_an_empty_repository_is_an_error(access: RepositoryAccess, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed):
        Source(tmp_path / "source").fetch(access)
