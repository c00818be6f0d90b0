"""What leaves the forge with a tenant: a bundle of the history first, then the repository and its account."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from crontopus_app.forge.bundle import bundle
from crontopus_app.forge.client import Forgejo, ForgeMisconfigured, ForgeNotFound, ForgeUnavailable
from crontopus_app.forge.removal import remove_bot, remove_repository
from tests.forge.conftest import Repo
from tests.forge.test_git_client import run

NOBODY = "0" * 40


def full_name(repo: Repo) -> str:
    return f"{repo.org}/{repo.name}"


def test_git_clones_a_bundle_with_all_its_history(repo: Repo, tmp_path: Path) -> None:
    first = repo.commit({"production/a.yaml": b"first\n"})
    # Larger than one piece of the answer, and nothing that could be packed smaller.
    data = secrets.token_bytes(300_000)
    second = repo.commit({"production/b.bin": data})
    path = tmp_path / "jobs.bundle"
    path.write_bytes(b"".join(bundle(repo.forge, full_name(repo), "main", second)))
    run("clone", "-q", str(path), "jobs", cwd=tmp_path)
    folder = tmp_path / "jobs"
    assert run("log", "--format=%H", cwd=folder).stdout.split() == [second, first]
    assert run("branch", "--show-current", cwd=folder).stdout == "main\n"
    assert (folder / "production/a.yaml").read_bytes() == b"first\n"
    assert (folder / "production/b.bin").read_bytes() == data
    run("fsck", "--strict", cwd=folder)


def test_a_commit_that_is_not_there_makes_no_bundle(repo: Repo) -> None:
    repo.commit({"a.yaml": b"a"})
    with pytest.raises((ForgeUnavailable, ForgeNotFound)):
        b"".join(bundle(repo.forge, full_name(repo), "main", NOBODY))


def test_a_repository_that_is_not_there_makes_no_bundle(repo: Repo) -> None:
    with pytest.raises(ForgeNotFound):
        next(bundle(repo.forge, f"{repo.org}/none-{repo.name}", "main", NOBODY))


def test_a_wrong_password_is_told_as_such(repo: Repo) -> None:
    with Forgejo(repo.server.url, repo.server.user, "not-the-password") as wrong, pytest.raises(ForgeMisconfigured):
        next(bundle(wrong, full_name(repo), "main", NOBODY))


def test_a_repository_is_removed_and_removing_it_again_is_no_error(repo: Repo) -> None:
    repo.commit({"a.yaml": b"a"})
    for _ in range(2):
        remove_repository(repo.forge, repo.org, repo.name)
        with pytest.raises(ForgeNotFound):
            repo.forge.head(repo.org, repo.name, "main")


def test_an_account_of_ours_is_removed_with_its_tokens(repo: Repo) -> None:
    bot = f"agent-{secrets.token_hex(5)}"
    repo.forge.ensure_bot(bot)
    repo.forge.ensure_collaborator(repo.org, repo.name, bot)
    for _ in range(2):
        remove_bot(repo.forge, bot)
        assert repo.forge.send("GET", f"/api/v1/users/{bot}", expect=(200, 404)).status_code == 404


def test_an_account_that_somebody_else_made_stays(repo: Repo) -> None:
    name = f"person-{secrets.token_hex(5)}"
    body = {"username": name, "email": f"{name}@example.org", "password": "Some-password-1"}
    repo.forge.send("POST", "/api/v1/admin/users", json=body)
    remove_bot(repo.forge, name)
    assert repo.forge.send("GET", f"/api/v1/users/{name}").json()["login"] == name
