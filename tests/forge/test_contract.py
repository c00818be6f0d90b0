"""What Crontopus needs of a Git server. Runs against the embedded forge, or against FORGEJO_URL when that is set."""

from __future__ import annotations

import base64
import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from crontopus_app.base.errors import BadInput
from crontopus_app.forge.client import (
    FileOperation,
    ForgeConflict,
    Forgejo,
    ForgeMisconfigured,
    ForgeNotFound,
    ForgeRejected,
    ForgeUnavailable,
)
from crontopus_app.forge.removal import remove_permission
from tests.forge.conftest import ALICE, Repo, Server


def bot_name() -> str:
    return f"agent-{secrets.token_hex(5)}"


def blob_sha(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


# The server


def test_a_healthy_server_says_its_version(forge: Forgejo) -> None:
    assert forge.healthy()
    assert forge.version()[0].isdigit()


def test_a_wrong_password_is_told_as_such(server: Server) -> None:
    with Forgejo(server.url, server.user, "not-the-password") as wrong, pytest.raises(ForgeMisconfigured) as caught:
        wrong.ensure_org("contract-suite")
    assert "password" in caught.value.message


# Organisations, repositories, accounts


def test_an_organisation_can_be_ensured_twice(forge: Forgejo) -> None:
    name = f"org-{secrets.token_hex(4)}"
    forge.ensure_org(name)
    forge.ensure_org(name)
    assert forge.send("GET", f"/api/v1/orgs/{name}").json()["visibility"] == "private"


def test_a_reserved_organisation_name_is_refused(forge: Forgejo) -> None:
    with pytest.raises(ForgeRejected):
        forge.ensure_org("ghost")


def test_a_repository_is_private_empty_and_keeps_its_content_when_ensured_again(repo: Repo) -> None:
    body = httpx.get(repo.rest, auth=(repo.server.user, repo.server.password)).json()
    assert (body["private"], body["empty"], body["default_branch"]) == (True, True, "main")
    sha = repo.commit({"a.yaml": b"a"})
    repo.forge.ensure_repository(repo.org, repo.name, "again")
    assert repo.forge.head(repo.org, repo.name, "main") == sha


def test_a_repository_that_was_made_public_is_made_private_again(repo: Repo) -> None:
    repo.forge.send("PATCH", f"/api/v1/repos/{repo.org}/{repo.name}", json={"private": False})
    repo.forge.ensure_repository(repo.org, repo.name, "again")
    assert repo.forge.send("GET", f"/api/v1/repos/{repo.org}/{repo.name}").json()["private"]


@pytest.mark.parametrize("name", ["..", "a b", "x.git", "a/b", ""])
def test_an_impossible_repository_name_is_refused(forge: Forgejo, repo: Repo, name: str) -> None:
    body = {"name": name, "private": True}
    answer = forge.send("POST", f"/api/v1/orgs/{repo.org}/repos", json=body, expect=(422, 400))
    assert answer.status_code in (400, 422)


def test_a_bot_can_be_ensured_twice_and_is_restricted(forge: Forgejo) -> None:
    name = bot_name()
    forge.ensure_bot(name)
    forge.ensure_bot(name)
    account = forge.send("GET", f"/api/v1/users/{name}").json()
    assert account["restricted"]
    assert account["visibility"] == "private"


def test_an_account_that_somebody_else_made_is_never_touched(forge: Forgejo) -> None:
    name = bot_name()
    body = {
        "username": name,
        "email": f"{name}@example.org",
        "password": "Some-password-1",
        "must_change_password": False,
    }
    forge.send("POST", "/api/v1/admin/users", json=body)
    with pytest.raises(ForgeConflict, match="did not create"):
        forge.ensure_bot(name)
    assert httpx.get(f"{forge.url}/api/v1/user", auth=(name, "Some-password-1")).status_code == 200


def test_only_the_administrator_makes_accounts(forge: Forgejo, repo: Repo, read_token: str) -> None:
    body = {"username": bot_name(), "email": "x@example.org", "password": "Some-password-1"}
    answer = httpx.post(f"{forge.url}/api/v1/admin/users", json=body, headers=bearer(read_token))
    assert answer.status_code == 403


# Tokens


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def bot(forge: Forgejo, repo: Repo) -> str:
    name = bot_name()
    forge.ensure_bot(name)
    forge.ensure_collaborator(repo.org, repo.name, name)
    return name


@pytest.fixture
def read_token(server: Server, repo: Repo, bot: str) -> str:
    with server.client(allow_broad_tokens=True) as forge:
        return forge.create_token(bot, "reader", repo.org, repo.name).secret


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "token {}"])
def test_a_token_reads_its_repository(repo: Repo, read_token: str, form: str) -> None:
    sha = repo.commit({"a.yaml": b"a"})
    answer = httpx.get(f"{repo.rest}/branches/main", headers={"Authorization": form.format(read_token)})
    assert answer.json()["commit"]["id"] == sha


@pytest.mark.parametrize("place", [("anything", "{}"), ("{}", ""), ("{}", "x-oauth-basic")])
def test_a_token_may_stand_in_for_name_or_password(repo: Repo, read_token: str, place: tuple[str, str]) -> None:
    user, password = (part.format(read_token) for part in place)
    assert httpx.get(repo.rest, auth=(user, password)).status_code == 200


def test_a_read_token_does_not_write(repo: Repo, read_token: str) -> None:
    body = {"branch": "main", "message": "m", "files": [{"operation": "create", "path": "a", "content": ""}]}
    assert httpx.post(f"{repo.rest}/contents", json=body, headers=bearer(read_token)).status_code == 403


@pytest.fixture
def pusher(forge: Forgejo, repo: Repo) -> str:
    name = f"push-{secrets.token_hex(5)}"
    forge.ensure_bot(name)
    forge.ensure_collaborator(repo.org, repo.name, name, "write")
    return name


@pytest.fixture
def write_token(server: Server, repo: Repo, pusher: str) -> str:
    with server.client(allow_broad_tokens=True) as forge:
        return forge.create_token(pusher, "laptop", repo.org, repo.name, "write").secret


def put_file(repo: Repo, token: str) -> int:
    body = {"branch": "main", "message": "m", "files": [{"operation": "create", "path": "a", "content": ""}]}
    return httpx.post(f"{repo.rest}/contents", json=body, headers=bearer(token)).status_code


def test_a_write_token_writes_its_repository_and_administers_nothing(repo: Repo, write_token: str) -> None:
    assert put_file(repo, write_token) == 201
    for method, path in (
        ("GET", "/hooks"),
        ("PUT", "/collaborators/somebody"),
        ("PATCH", ""),
        ("DELETE", ""),
    ):
        answer = httpx.request(method, repo.rest + path, json={"private": False}, headers=bearer(write_token))
        assert answer.status_code in (403, 404), (method, path, answer.text)
    assert repo.forge.head(repo.org, repo.name, "main")


def test_a_write_token_does_not_see_another_private_repository(forge: Forgejo, repo: Repo, write_token: str) -> None:
    other = f"r-{secrets.token_hex(6)}"
    forge.ensure_repository(repo.org, other, "of somebody else")
    rest = f"{forge.url}/api/v1/repos/{repo.org}/{other}"
    assert httpx.get(rest, headers=bearer(write_token)).status_code == 404
    body = {"branch": "main", "message": "m", "files": [{"operation": "create", "path": "a", "content": ""}]}
    assert httpx.post(f"{rest}/contents", json=body, headers=bearer(write_token)).status_code == 404


def test_a_read_token_does_not_write_though_its_account_may(server: Server, repo: Repo, pusher: str) -> None:
    with server.client(allow_broad_tokens=True) as forge:
        token = forge.create_token(pusher, "ci", repo.org, repo.name, "read").secret
    assert put_file(repo, token) == 403


def test_a_right_can_be_taken_and_given_back(repo: Repo, pusher: str, write_token: str) -> None:
    repo.commit({"b.yaml": b"b"})
    for _ in range(2):
        remove_permission(repo.forge, repo.org, repo.name, pusher)
    assert httpx.get(repo.rest, headers=bearer(write_token)).status_code == 404
    assert put_file(repo, write_token) == 404
    for _ in range(2):
        repo.forge.ensure_collaborator(repo.org, repo.name, pusher, "write")
    assert put_file(repo, write_token) == 201


def test_nobodys_right_can_be_taken(repo: Repo) -> None:
    remove_permission(repo.forge, repo.org, repo.name, "nobody-has-this-name")


def test_a_token_does_not_see_another_private_repository(forge: Forgejo, repo: Repo, read_token: str) -> None:
    other = f"r-{secrets.token_hex(6)}"
    forge.ensure_repository(repo.org, other, "of somebody else")
    for path in ("", "/branches/main", "/git/trees/main", "/contents", "/commits"):
        answer = httpx.get(f"{forge.url}/api/v1/repos/{repo.org}/{other}{path}", headers=bearer(read_token))
        assert answer.status_code == 404


def test_a_token_makes_no_tokens(repo: Repo, bot: str, read_token: str) -> None:
    body = {"name": "second", "scopes": ["read:repository"]}
    answer = httpx.post(f"{repo.server.url}/api/v1/users/{bot}/tokens", json=body, headers=bearer(read_token))
    assert answer.status_code in (401, 403)


def test_the_same_token_name_again_is_a_conflict(server: Server, repo: Repo, bot: str, read_token: str) -> None:
    with server.client(allow_broad_tokens=True) as forge, pytest.raises(ForgeConflict, match="already has a token"):
        forge.create_token(bot, "reader", repo.org, repo.name)


def test_a_deleted_token_opens_nothing_and_can_be_deleted_again(repo: Repo, bot: str, read_token: str) -> None:
    repo.forge.delete_token(bot, "reader")
    repo.forge.delete_token(bot, "reader")
    assert httpx.get(repo.rest, headers=bearer(read_token)).status_code == 401


def test_a_disabled_account_ends_all_its_tokens(repo: Repo, bot: str, read_token: str) -> None:
    repo.forge.send(
        "PATCH", f"/api/v1/admin/users/{bot}", json={"login_name": bot, "source_id": 0, "prohibit_login": True}
    )
    assert httpx.get(repo.rest, headers=bearer(read_token)).status_code in (401, 403)


@pytest.mark.parametrize("path", ["/branches/main", "/git/trees/main", "/contents", "/hooks", "/commits", "/raw/a"])
def test_a_private_repository_is_closed_to_strangers(repo: Repo, path: str) -> None:
    assert httpx.get(repo.rest + path).status_code in (401, 403, 404)
    assert httpx.get(repo.rest + path, headers=bearer("f" * 40)).status_code == 401


def test_a_bad_scope_is_refused(repo: Repo, bot: str) -> None:
    body = {"name": "odd", "scopes": ["read:everything"]}
    assert repo.forge.send("POST", f"/api/v1/users/{bot}/tokens", json=body, expect=(400,)).status_code == 400


# Reading


def test_an_empty_repository_reads_as_nothing(repo: Repo) -> None:
    assert repo.forge.head(repo.org, repo.name, "main") is None
    assert repo.forge.tree(repo.org, repo.name, "main") == []
    assert repo.forge.commits(repo.org, repo.name, ref="main") == []
    assert repo.forge.file_at(repo.org, repo.name, "a.yaml", "main") is None
    assert repo.forge.blobs(repo.org, repo.name, []) == {}


def test_a_missing_repository_is_not_an_empty_one(forge: Forgejo) -> None:
    forge.ensure_org("contract-suite")
    for read in (
        lambda: forge.head("contract-suite", "nothing", "main"),
        lambda: forge.tree("contract-suite", "nothing", "main"),
        lambda: forge.commits("contract-suite", "nothing", ref="main"),
        lambda: forge.commits("contract-suite", "nothing", ref="main", path="a"),
        lambda: forge.file_at("contract-suite", "nothing", "a", "main"),
    ):
        with pytest.raises(ForgeNotFound):
            read()


def test_unknown_refs_are_not_found(repo: Repo) -> None:
    repo.commit({"a.yaml": b"a"})
    assert repo.forge.head(repo.org, repo.name, "absent") is None
    with pytest.raises(ForgeNotFound):
        repo.forge.tree(repo.org, repo.name, "absent")
    with pytest.raises(ForgeNotFound):
        repo.forge.diff(repo.org, repo.name, "0" * 39 + "1")


def test_a_tree_lists_files_at_any_depth_with_their_blobs(repo: Repo) -> None:
    files = {"a.yaml": b"1", "production/nested/deep/b.yaml": b"22", "ü ö/c d.yaml": "ß".encode()}
    head = repo.commit(files)
    for ref in ("main", head):
        tree = repo.forge.tree(repo.org, repo.name, ref)
        assert {entry.path: (entry.sha, entry.size) for entry in tree} == {
            path: (blob_sha(data), len(data)) for path, data in files.items()
        }
        assert {entry.mode for entry in tree} == {"100644"}
    blobs = repo.forge.blobs(repo.org, repo.name, [blob_sha(data) for data in files.values()])
    assert sorted(blobs.values()) == sorted(files.values())


def test_a_tree_of_more_than_one_page_is_read_whole(repo: Repo) -> None:
    files = {f"production/job-{number:04}.yaml": b"job %d\n" % number for number in range(1100)}
    repo.commit(files)
    tree = repo.forge.tree(repo.org, repo.name, "main")
    assert {entry.path for entry in tree} == set(files)
    wanted = [entry.sha for entry in tree[:120]]
    assert set(repo.forge.blobs(repo.org, repo.name, wanted)) == set(wanted)


def test_binary_content_survives(repo: Repo) -> None:
    data = bytes(range(256)) * 40
    repo.commit({"bin/all": data})
    assert repo.forge.file_at(repo.org, repo.name, "bin/all", "main") == data
    assert repo.forge.blobs(repo.org, repo.name, [blob_sha(data)]) == {blob_sha(data): data}


def test_an_unknown_blob_is_not_found(repo: Repo) -> None:
    repo.commit({"a": b"a"})
    with pytest.raises(ForgeNotFound):
        repo.forge.blobs(repo.org, repo.name, ["0" * 39 + "1"])


def test_a_file_is_read_as_it_was_in_a_commit(repo: Repo) -> None:
    first = repo.commit({"a.yaml": b"one"})
    change = FileOperation("update", "a.yaml", b"two", blob_sha(b"one"))
    repo.forge.commit_files(repo.org, repo.name, "main", [change], "Change a", ALICE)
    assert repo.forge.file_at(repo.org, repo.name, "a.yaml", first) == b"one"
    assert repo.forge.file_at(repo.org, repo.name, "a.yaml", "main") == b"two"
    assert repo.forge.file_at(repo.org, repo.name, "b.yaml", "main") is None


def test_history_names_author_message_and_parents_newest_first(repo: Repo) -> None:
    first = repo.commit({"a.yaml": b"one"}, "First\n\nWith a body")
    second = repo.commit({"b.yaml": b"two"}, "Second")
    newest, oldest = repo.forge.commits(repo.org, repo.name, ref="main")
    assert (newest.sha, newest.parents, oldest.sha, oldest.parents) == (second, (first,), first, ())
    assert (oldest.author_name, oldest.author_email) == (ALICE.name, ALICE.email)
    assert oldest.message.strip() == "First\n\nWith a body"
    assert oldest.at.tzinfo is not None


def test_history_lists_the_files_of_each_commit_where_that_is_asked_for(repo: Repo) -> None:
    repo.commit({"a.yaml": b"one", "deep/er/b.yaml": b"b"})
    change = FileOperation("update", "a.yaml", b"two", blob_sha(b"one"))
    gone = FileOperation("delete", "deep/er/b.yaml", sha=blob_sha(b"b"))
    repo.forge.commit_files(repo.org, repo.name, "main", [change], "Change a", ALICE)
    repo.forge.commit_files(repo.org, repo.name, "main", [gone], "Delete b", ALICE)
    listed = repo.forge.commits(repo.org, repo.name, ref="main", files=True)
    assert [set(one.files) for one in listed] == [{"deep/er/b.yaml"}, {"a.yaml"}, {"a.yaml", "deep/er/b.yaml"}]
    assert not any(one.files for one in repo.forge.commits(repo.org, repo.name, ref="main"))


def test_history_of_a_path_has_only_commits_that_touch_it(repo: Repo) -> None:
    first = repo.commit({"a.yaml": b"one"})
    repo.commit({"b.yaml": b"two"})
    assert [commit.sha for commit in repo.forge.commits(repo.org, repo.name, ref="main", path="a.yaml")] == [first]
    assert repo.forge.commits(repo.org, repo.name, ref="main", path="c.yaml") == []


def test_history_is_paged_by_fifty(repo: Repo) -> None:
    shas = [repo.commit({f"{number}.yaml": b"x"}) for number in range(53)]
    pages = [repo.forge.commits(repo.org, repo.name, ref="main", page=page) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [50, 3, 0]
    assert [commit.sha for page in pages for commit in page] == shas[::-1]


def test_a_diff_shows_what_a_commit_changed(repo: Repo) -> None:
    first = repo.commit({"a.yaml": b"one\n"})
    change = FileOperation("update", "a.yaml", b"two\n", blob_sha(b"one\n"))
    made = repo.forge.commit_files(repo.org, repo.name, "main", [change], "Change a", ALICE)
    assert "+one" in repo.forge.diff(repo.org, repo.name, first)
    diff = repo.forge.diff(repo.org, repo.name, made.sha)
    assert "--- a/a.yaml" in diff
    assert "-one\n+two\n" in diff


def test_a_diff_holds_every_file_of_the_commit(repo: Repo) -> None:
    sha = repo.commit({"a.yaml": b"one\n", "b.yaml": b"two\n", "dir/c.yaml": b"three\n"})
    diff = repo.forge.diff(repo.org, repo.name, sha)
    assert [line for line in diff.splitlines() if line.startswith("+++ ")] == [
        "+++ b/a.yaml",
        "+++ b/b.yaml",
        "+++ b/dir/c.yaml",
    ]


# Writing


def test_the_first_commit_begins_the_branch(repo: Repo) -> None:
    operations = [FileOperation("create", "production/.gitkeep")]
    made = repo.forge.commit_files(repo.org, repo.name, "main", operations, "Begin", ALICE)
    assert made.parent is None
    assert repo.forge.head(repo.org, repo.name, "main") == made.sha


def test_one_commit_creates_updates_and_deletes(repo: Repo) -> None:
    first = repo.commit({"a.yaml": b"a", "b.yaml": b"b", "dir/c.yaml": b"c"})
    operations = [
        FileOperation("update", "a.yaml", b"new", blob_sha(b"a")),
        FileOperation("delete", "dir/c.yaml", sha=blob_sha(b"c")),
        FileOperation("create", "d.yaml", b"d"),
    ]
    made = repo.forge.commit_files(repo.org, repo.name, "main", operations, "Change three", ALICE)
    assert made.parent == first
    tree = {entry.path: entry.sha for entry in repo.forge.tree(repo.org, repo.name, "main")}
    assert tree == {"a.yaml": blob_sha(b"new"), "b.yaml": blob_sha(b"b"), "d.yaml": blob_sha(b"d")}
    assert len(repo.forge.commits(repo.org, repo.name, ref="main")) == 2


def test_the_author_is_the_user_of_crontopus(repo: Repo) -> None:
    repo.commit({"a.yaml": b"a"})
    answer = repo.forge.send("GET", f"/api/v1/repos/{repo.org}/{repo.name}/commits", params={"sha": "main"}).json()
    who = [(answer[0]["commit"][role]["name"], answer[0]["commit"][role]["email"]) for role in ("author", "committer")]
    assert who == [(ALICE.name, ALICE.email)] * 2


@pytest.mark.parametrize(
    "operation",
    [
        FileOperation("create", "a.yaml", b"again"),
        FileOperation("update", "a.yaml", b"new", blob_sha(b"stale")),
        FileOperation("delete", "a.yaml", sha=blob_sha(b"stale")),
    ],
    ids=["exists", "stale update", "stale delete"],
)
def test_a_file_that_changed_meanwhile_is_a_conflict_and_nothing_is_written(
    repo: Repo, operation: FileOperation
) -> None:
    head = repo.commit({"a.yaml": b"a"})
    operations = [FileOperation("create", "b.yaml", b"b"), operation]
    with pytest.raises(ForgeConflict):
        repo.forge.commit_files(repo.org, repo.name, "main", operations, "Never made", ALICE)
    assert repo.forge.head(repo.org, repo.name, "main") == head
    assert [entry.path for entry in repo.forge.tree(repo.org, repo.name, "main")] == ["a.yaml"]


@pytest.mark.parametrize("name", ["update", "delete"])
def test_a_change_of_a_file_that_is_gone_fails_and_writes_nothing(repo: Repo, name: str) -> None:
    head = repo.commit({"a.yaml": b"a"})
    operation = FileOperation(name, "gone.yaml", b"", blob_sha(b"x"))  # type: ignore[arg-type] -- both are operations
    with pytest.raises((ForgeUnavailable, ForgeConflict, ForgeNotFound)):
        repo.forge.commit_files(repo.org, repo.name, "main", [operation], "Never made", ALICE)
    assert repo.forge.head(repo.org, repo.name, "main") == head


def test_a_branch_that_is_missing_is_not_made_by_accident(repo: Repo) -> None:
    repo.commit({"a.yaml": b"a"})
    with pytest.raises(ForgeNotFound):
        repo.forge.commit_files(repo.org, repo.name, "other", [FileOperation("create", "b")], "Never", ALICE)


def test_an_update_of_the_same_sentinel_lets_one_of_two_writers_through(repo: Repo) -> None:
    repo.commit({"generation": b"0"})

    def write(number: int) -> bool:
        operations = [
            FileOperation("update", "generation", b"%d" % number, blob_sha(b"0")),
            FileOperation("create", f"{number}.yaml", b""),
        ]
        try:
            with repo.server.client() as forge:
                forge.commit_files(repo.org, repo.name, "main", operations, f"Writer {number}", ALICE)
        except (ForgeConflict, ForgeUnavailable):
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        won = list(threads.map(write, range(1, 7)))
    assert sum(won) == 1
    assert len(repo.forge.tree(repo.org, repo.name, "main")) == 2


@pytest.mark.parametrize("path", ["../a", "/a", "a/../b", "a//b", ".git/config", "a/.GIT/b", "", "a\nb", "x" * 501])
def test_a_path_out_of_the_tree_never_leaves_the_client(repo: Repo, path: str) -> None:
    with pytest.raises(BadInput):
        repo.forge.commit_files(repo.org, repo.name, "main", [FileOperation("create", path)], "Never", ALICE)


@pytest.mark.parametrize("path", ["../a", "/a", ".git/config"])
def test_a_path_out_of_the_tree_is_refused_by_the_server_too(repo: Repo, path: str) -> None:
    content = base64.b64encode(b"x").decode()
    body = {"branch": "main", "message": "m", "files": [{"operation": "create", "path": path, "content": content}]}
    answer = httpx.post(f"{repo.rest}/contents", json=body, auth=(repo.server.user, repo.server.password))
    assert answer.status_code in (422, 500)
    assert repo.forge.head(repo.org, repo.name, "main") is None


@pytest.mark.parametrize("path", ["a.yaml/b", "dir"])
def test_a_file_and_a_folder_cannot_share_a_name(repo: Repo, path: str) -> None:
    head = repo.commit({"a.yaml": b"a", "dir/b.yaml": b"b"})
    with pytest.raises((ForgeConflict, ForgeUnavailable)):
        repo.forge.commit_files(repo.org, repo.name, "main", [FileOperation("create", path)], "Never", ALICE)
    assert repo.forge.head(repo.org, repo.name, "main") == head


# Webhooks


def test_a_webhook_stays_one_and_is_repaired(repo: Repo) -> None:
    hooks = f"/api/v1/repos/{repo.org}/{repo.name}/hooks"
    first = repo.forge.ensure_webhook(repo.org, repo.name, "http://127.0.0.1:9/hook", "one")
    repo.forge.send("PATCH", f"{hooks}/{first}", json={"active": False})
    second = repo.forge.ensure_webhook(repo.org, repo.name, "http://127.0.0.1:9/hook", "two")
    (hook,) = repo.forge.send("GET", hooks).json()
    assert hook["id"] == second
    assert hook["active"]
    assert hook["events"] == ["push"]
    assert "secret" not in hook["config"]


def test_hooks_of_others_are_left_alone(repo: Repo) -> None:
    hooks = f"/api/v1/repos/{repo.org}/{repo.name}/hooks"
    other = {"url": "http://127.0.0.1:9/other", "content_type": "json"}
    repo.forge.send("POST", hooks, json={"type": "gitea", "active": True, "events": ["push"], "config": other})
    repo.forge.ensure_webhook(repo.org, repo.name, "http://127.0.0.1:9/hook", "s")
    assert {hook["config"]["url"] for hook in repo.forge.send("GET", hooks).json()} == {
        "http://127.0.0.1:9/other",
        "http://127.0.0.1:9/hook",
    }


def test_doubles_of_a_webhook_are_removed(repo: Repo) -> None:
    hooks = f"/api/v1/repos/{repo.org}/{repo.name}/hooks"
    config = {"url": "http://127.0.0.1:9/hook", "content_type": "json"}
    for _ in range(2):
        repo.forge.send("POST", hooks, json={"type": "gitea", "active": True, "events": ["push"], "config": config})
    repo.forge.ensure_webhook(repo.org, repo.name, config["url"], "s")
    assert len(repo.forge.send("GET", hooks).json()) == 1


def test_a_webhook_at_an_earlier_address_of_ours_is_replaced(repo: Repo) -> None:
    hooks = f"/api/v1/repos/{repo.org}/{repo.name}/hooks"
    repo.forge.ensure_webhook(repo.org, repo.name, "http://127.0.0.1:9/api/git/webhook", "s")
    repo.forge.ensure_webhook(repo.org, repo.name, "http://127.0.0.1:19/api/git/webhook", "s")
    (hook,) = repo.forge.send("GET", hooks).json()
    assert hook["config"]["url"] == "http://127.0.0.1:19/api/git/webhook"
