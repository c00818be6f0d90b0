"""The ordinary git client against the forge: clone, fetch, push, shallow, refused and forced."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from crontopus_app.forge.client import FileOperation, Forgejo
from crontopus_app.forge.removal import remove_permission
from tests.fixtures.processes import wait_until
from tests.forge.conftest import ALICE, Repo, Server

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Bob",
    "GIT_AUTHOR_EMAIL": "bob@example.org",
    "GIT_COMMITTER_NAME": "Bob",
    "GIT_COMMITTER_EMAIL": "bob@example.org",
}


def run(*arguments: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Git with nothing of this machine's configuration; its output belongs to the assertion when it fails."""
    environment = ENVIRONMENT | {"HOME": str(cwd)}
    done = subprocess.run(["git", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def with_login(url: str, user: str, password: str) -> str:
    return url.replace("://", f"://{user}:{password}@")


@pytest.fixture
def url(repo: Repo) -> str:
    """Clone address with the administrator's login: may write."""
    return with_login(repo.clone_url, repo.server.user, repo.server.password)


@pytest.fixture
def token(server: Server, repo: Repo) -> str:
    bot = f"agent-{secrets.token_hex(5)}"
    repo.forge.ensure_bot(bot)
    repo.forge.ensure_collaborator(repo.org, repo.name, bot)
    with server.client(allow_broad_tokens=True) as forge:
        return forge.create_token(bot, "reader", repo.org, repo.name).secret


def clone(url: str, folder: Path, *options: str) -> Path:
    run("clone", "-q", *options, url, str(folder), cwd=folder.parent)
    return folder


def commit(folder: Path, files: Mapping[str, str], message: str = "Change") -> str:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    run("add", "-A", cwd=folder)
    run("commit", "-q", "-m", message, cwd=folder)
    return head(folder)


def head(folder: Path) -> str:
    return run("rev-parse", "HEAD", cwd=folder).stdout.strip()


def log(folder: Path, ref: str = "HEAD") -> list[str]:
    return run("log", "--format=%H", ref, cwd=folder).stdout.split()


def objects(folder: Path) -> int:
    """How many objects a repository holds, loose and packed."""
    counts = dict(line.split(": ") for line in run("count-objects", "-v", cwd=folder).stdout.splitlines())
    return int(counts["count"]) + int(counts["in-pack"])


def wait_for_head(repo: Repo, sha: str) -> None:
    """Forgejo takes note of a first push after it has answered it."""
    wait_until(lambda: repo.forge.head(repo.org, repo.name, "main") == sha, "the push to be noted")


def test_the_first_push_fills_an_empty_repository(repo: Repo, url: str, tmp_path: Path) -> None:
    folder = clone(url, tmp_path / "work")
    run("checkout", "-q", "-B", "main", cwd=folder)
    sha = commit(folder, {"production/a.yaml": "name: a\n"})
    run("push", "-q", "origin", "main", cwd=folder)
    wait_for_head(repo, sha)
    assert repo.forge.file_at(repo.org, repo.name, "production/a.yaml", "main") == b"name: a\n"


def test_a_clone_has_every_file_and_passes_gits_own_check(repo: Repo, url: str, tmp_path: Path) -> None:
    files = {f"production/job-{number}.yaml": b"job %d\n" % number for number in range(150)}
    sha = repo.commit(files)
    folder = clone(url, tmp_path / "work")
    assert head(folder) == sha
    assert {path: (folder / path).read_bytes() for path in files} == files
    assert "error" not in run("fsck", "--full", "--strict", cwd=folder).stderr


def test_a_fetch_brings_only_what_is_new(repo: Repo, url: str, tmp_path: Path) -> None:
    repo.commit({f"{number}.yaml": b"%d" % number for number in range(60)})
    folder = clone(url, tmp_path / "work")
    before = objects(folder)
    sha = repo.commit({"late.yaml": b"late"})
    run("pull", "-q", "--ff-only", cwd=folder)
    assert head(folder) == sha
    assert objects(folder) == before + 3, "a commit, a tree and a blob"


def test_changes_by_rest_and_by_push_follow_each_other(repo: Repo, url: str, tmp_path: Path) -> None:
    repo.commit({"a.yaml": b"a"})
    folder = clone(url, tmp_path / "work")
    pushed = commit(folder, {"b.yaml": "b"})
    run("push", "-q", cwd=folder)
    made = repo.forge.commit_files(repo.org, repo.name, "main", [FileOperation("create", "c.yaml")], "C", ALICE)
    assert made.parent == pushed
    run("pull", "-q", "--ff-only", cwd=folder)
    assert (folder / "c.yaml").exists()


def test_a_push_behind_the_branch_is_refused(repo: Repo, url: str, tmp_path: Path) -> None:
    repo.commit({"a.yaml": b"a"})
    folder = clone(url, tmp_path / "work")
    theirs = repo.commit({"b.yaml": b"b"})
    commit(folder, {"c.yaml": "c"})
    done = run("push", "origin", "main", cwd=folder, check=False)
    assert done.returncode != 0
    assert "rejected" in done.stderr
    assert repo.forge.head(repo.org, repo.name, "main") == theirs


def test_a_forced_push_moves_the_branch(repo: Repo, url: str, tmp_path: Path) -> None:
    repo.commit({"a.yaml": b"a"})
    folder = clone(url, tmp_path / "work")
    repo.commit({"b.yaml": b"b"})
    mine = commit(folder, {"c.yaml": "c"})
    run("push", "-q", "--force", "origin", "main", cwd=folder)
    assert repo.forge.head(repo.org, repo.name, "main") == mine


def test_force_with_lease_fails_once_the_branch_has_moved(repo: Repo, url: str, tmp_path: Path) -> None:
    seen = repo.commit({"a.yaml": b"a"})
    folder = clone(url, tmp_path / "work")
    theirs = repo.commit({"b.yaml": b"b"})
    commit(folder, {"c.yaml": "c"})
    done = run("push", f"--force-with-lease=main:{seen}", "origin", "main", cwd=folder, check=False)
    assert done.returncode != 0
    assert repo.forge.head(repo.org, repo.name, "main") == theirs


def test_a_fetch_follows_a_forced_push(repo: Repo, url: str, tmp_path: Path) -> None:
    repo.commit({"a.yaml": b"a"})
    one, two = clone(url, tmp_path / "one"), clone(url, tmp_path / "two")
    commit(two, {"lost.yaml": "lost"})
    run("push", "-q", cwd=two)
    run("fetch", "-q", cwd=one)
    run("reset", "-q", "--hard", "HEAD~1", cwd=two)
    mine = commit(two, {"kept.yaml": "kept"})
    run("push", "-q", "--force", "origin", "main", cwd=two)
    run("fetch", "-q", cwd=one)
    assert log(one, "origin/main")[0] == mine


def test_shallow_clone_then_fetch_then_unshallow(repo: Repo, url: str, tmp_path: Path) -> None:
    shas = [repo.commit({f"{number}.yaml": b"%d" % number}) for number in range(5)]
    folder = clone(url, tmp_path / "work", "--depth", "1")
    assert log(folder) == shas[-1:]
    assert len(list(folder.glob("*.yaml"))) == 5
    late = repo.commit({"late.yaml": b"late"})
    run("pull", "-q", "--ff-only", cwd=folder)
    assert log(folder) == [late, shas[-1]]
    run("fetch", "-q", "--depth", "3", cwd=folder)
    assert log(folder) == [late, *shas[:2:-1]]
    run("fetch", "-q", "--unshallow", cwd=folder)
    assert log(folder) == [late, *shas[::-1]]
    assert "error" not in run("fsck", "--full", cwd=folder).stderr


def test_a_shallow_fetch_moves_to_the_new_head_alone(repo: Repo, url: str, tmp_path: Path) -> None:
    repo.commit({"a.yaml": b"a"})
    folder = clone(url, tmp_path / "work", "--depth", "1")
    repo.commit({"b.yaml": b"b"})
    late = repo.commit({"c.yaml": b"c"})
    run("fetch", "-q", "--depth", "1", cwd=folder)
    assert log(folder, "origin/main") == [late]


def test_a_push_from_a_shallow_clone_is_taken(repo: Repo, url: str, tmp_path: Path) -> None:
    for number in range(3):
        repo.commit({f"{number}.yaml": b"%d" % number})
    folder = clone(url, tmp_path / "work", "--depth", "1")
    mine = commit(folder, {"mine.yaml": "mine"})
    run("push", "-q", cwd=folder)
    assert repo.forge.head(repo.org, repo.name, "main") == mine
    assert len(repo.forge.commits(repo.org, repo.name, ref="main")) == 4


def test_a_merge_of_an_old_branch_reaches_a_shallow_clone_whole(repo: Repo, url: str, tmp_path: Path) -> None:
    repo.commit({"a.yaml": b"a"})
    work = clone(url, tmp_path / "work")
    run("checkout", "-q", "-b", "old", cwd=work)
    commit(work, {"old.yaml": "old"})
    repo.commit({"b.yaml": b"b"})
    shallow = clone(url, tmp_path / "shallow", "--depth", "1")
    run("checkout", "-q", "main", cwd=work)
    run("pull", "-q", "--ff-only", cwd=work)
    run("merge", "-q", "--no-ff", "-m", "Merge old", "old", cwd=work)
    run("push", "-q", "origin", "main", cwd=work)
    run("pull", "-q", "--ff-only", cwd=shallow)
    assert head(shallow) == head(work)
    assert "error" not in run("fsck", "--full", cwd=shallow).stderr


def test_branches_and_tags_are_pushed_fetched_and_deleted(repo: Repo, url: str, tmp_path: Path) -> None:
    repo.commit({"a.yaml": b"a"})
    folder = clone(url, tmp_path / "work")
    run("checkout", "-q", "-b", "feature/x", cwd=folder)
    sha = commit(folder, {"b.yaml": "b"})
    run("tag", "-a", "-m", "one", "v1", cwd=folder)
    run("push", "-q", "origin", "feature/x", "v1", cwd=folder)
    assert repo.forge.head(repo.org, repo.name, "feature/x") == sha
    other = clone(url, tmp_path / "other")
    assert run("rev-parse", "v1^{commit}", cwd=other).stdout.strip() == sha
    run("push", "-q", "origin", ":feature/x", cwd=folder)
    assert repo.forge.head(repo.org, repo.name, "feature/x") is None


def test_the_default_branch_cannot_be_deleted(repo: Repo, url: str, tmp_path: Path) -> None:
    sha = repo.commit({"a.yaml": b"a"})
    folder = clone(url, tmp_path / "work")
    assert run("push", "origin", ":main", cwd=folder, check=False).returncode != 0
    assert repo.forge.head(repo.org, repo.name, "main") == sha


def test_a_partial_clone_falls_back_to_a_whole_one(repo: Repo, url: str, tmp_path: Path) -> None:
    repo.commit({"a.yaml": b"a", "dir/b.yaml": b"b"})
    folder = clone(url, tmp_path / "work", "--filter=blob:none")
    assert (folder / "dir/b.yaml").read_text() == "b"


def test_a_large_push_goes_through_in_chunks(repo: Repo, url: str, tmp_path: Path) -> None:
    folder = clone(url, tmp_path / "work")
    run("checkout", "-q", "-B", "main", cwd=folder)
    data = secrets.token_bytes(3 * 1024 * 1024)
    (folder / "large.bin").write_bytes(data)
    commit(folder, {})
    run("push", "-q", "origin", "main", cwd=folder)
    assert (clone(url, tmp_path / "again") / "large.bin").read_bytes() == data


# Credentials


def test_a_token_clones_by_password_and_by_header(repo: Repo, token: str, tmp_path: Path) -> None:
    sha = repo.commit({"a.yaml": b"a"})
    assert head(clone(with_login(repo.clone_url, "agent", token), tmp_path / "one")) == sha
    for number, kind in enumerate(("token", "Bearer")):
        header = f"http.extraHeader=Authorization: {kind} {token}"
        run("-c", header, "clone", "-q", repo.clone_url, f"by-header-{number}", cwd=tmp_path)
        assert head(tmp_path / f"by-header-{number}") == sha


def test_a_read_token_does_not_push(repo: Repo, token: str, tmp_path: Path) -> None:
    sha = repo.commit({"a.yaml": b"a"})
    folder = clone(with_login(repo.clone_url, "agent", token), tmp_path / "work")
    commit(folder, {"b.yaml": "b"})
    done = run("push", "origin", "main", cwd=folder, check=False)
    assert done.returncode != 0
    assert "403" in done.stderr
    assert repo.forge.head(repo.org, repo.name, "main") == sha


@pytest.mark.parametrize("login", [None, ("svc-root", "wrong"), ("agent", "f" * 40)], ids=["none", "password", "token"])
def test_missing_and_wrong_credentials_are_refused(repo: Repo, tmp_path: Path, login: tuple[str, str] | None) -> None:
    repo.commit({"a.yaml": b"a"})
    url = with_login(repo.clone_url, *login) if login else repo.clone_url
    done = run("clone", url, "work", cwd=tmp_path, check=False)
    assert done.returncode != 0
    assert "Authentication failed" in done.stderr or "could not read Username" in done.stderr


def test_a_token_does_not_clone_another_repository(forge: Forgejo, repo: Repo, token: str, tmp_path: Path) -> None:
    other = f"r-{secrets.token_hex(6)}"
    forge.ensure_repository(repo.org, other, "of somebody else")
    url = with_login(f"{repo.server.url}/{repo.org}/{other}.git", "agent", token)
    done = run("clone", url, "work", cwd=tmp_path, check=False)
    assert done.returncode != 0
    assert "not found" in done.stderr


def test_a_write_token_pushes_until_its_right_is_taken_or_it_is_deleted(
    server: Server, repo: Repo, tmp_path: Path
) -> None:
    first, account = repo.commit({"a.yaml": b"a"}), f"push-{secrets.token_hex(5)}"
    repo.forge.ensure_bot(account)
    repo.forge.ensure_collaborator(repo.org, repo.name, account, "write")
    with server.client(allow_broad_tokens=True) as forge:
        token = forge.create_token(account, "laptop", repo.org, repo.name, "write").secret
    folder = clone(with_login(repo.clone_url, "alice", token), tmp_path / "work")
    assert head(folder) == first
    pushed = commit(folder, {"b.yaml": "b"})
    run("push", "-q", "origin", "main", cwd=folder)
    wait_for_head(repo, pushed)
    commit(folder, {"c.yaml": "c"})
    remove_permission(repo.forge, repo.org, repo.name, account)
    done = run("push", "origin", "main", cwd=folder, check=False)
    assert done.returncode != 0
    assert "not found" in done.stderr
    repo.forge.ensure_collaborator(repo.org, repo.name, account, "write")
    repo.forge.delete_token(account, "laptop")
    done = run("push", "origin", "main", cwd=folder, check=False)
    assert done.returncode != 0
    assert "Authentication failed" in done.stderr
    assert repo.forge.head(repo.org, repo.name, "main") == pushed


def test_a_deleted_token_no_longer_fetches(repo: Repo, token: str, tmp_path: Path) -> None:
    repo.commit({"a.yaml": b"a"})
    folder = clone(with_login(repo.clone_url, "agent", token), tmp_path / "work")
    bots = repo.forge.send("GET", f"/api/v1/repos/{repo.org}/{repo.name}/collaborators").json()
    repo.forge.delete_token(bots[0]["login"], "reader")
    done = run("fetch", cwd=folder, check=False)
    assert done.returncode != 0
    assert "Authentication failed" in done.stderr
