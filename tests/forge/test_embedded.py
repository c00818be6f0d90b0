"""What only the embedded forge must show: hostile input, several processes, crashes, and Forgejo's odd codes."""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import os
import re
import secrets
import sqlite3
import stat
import subprocess
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from crontopus_app.forge.client import FileOperation, ForgeConflict, Forgejo, ForgeUnavailable
from crontopus_app.forge.embedded import forge_app
from crontopus_app.forge.embedded.store import Store, hash_password, password_matches
from tests.fixtures.processes import free_port
from tests.forge.conftest import ALICE, Repo, Server, serve, wait_until_healthy
from tests.forge.test_contract import blob_sha
from tests.forge.test_git_client import clone, commit, head, run, with_login

pytestmark = pytest.mark.usefixtures("embedded_only")


@pytest.fixture
def embedded_only(server: Server) -> None:
    """These tests look into the forge's own folder, so a real Forgejo is left out of them."""
    if server.home is None:
        pytest.exit("run tests/forge/test_contract.py and test_git_client.py only against a real Forgejo", 4)


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, auth=(server.user, server.password)) as client:
        yield client


def post(http: httpx.Client, repo: Repo, *files: dict[str, Any], **body: Any) -> httpx.Response:
    sent = {"branch": "main", "message": "m", "files": list(files), **body}
    return http.post(f"{repo.rest}/contents", json=sent)


def text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def url_of(repo: Repo) -> str:
    return with_login(repo.clone_url, repo.server.user, repo.server.password)


def folder_of(repo: Repo) -> Path:
    assert repo.server.home is not None
    return repo.server.home / "forge/repositories" / repo.org / f"{repo.name}.git"


# The same codes as Forgejo 15


@pytest.mark.parametrize(
    ("file", "status"),
    [
        ({"operation": "create", "path": "a.yaml", "content": ""}, 422),
        ({"operation": "update", "path": "a.yaml", "content": ""}, 422),
        ({"operation": "delete", "path": "a.yaml"}, 422),
        ({"operation": "update", "path": "a.yaml", "content": "", "sha": "0" * 40}, 409),
        ({"operation": "update", "path": "gone", "content": "", "sha": "0" * 40}, 500),
        ({"operation": "delete", "path": "gone", "sha": "0" * 40}, 500),
        ({"operation": "create", "path": "b", "content": "not base64!"}, 422),
        ({"operation": "invent", "path": "b", "content": ""}, 500),
        ({"operation": "create", "path": ".git/hooks/post-receive", "content": ""}, 422),
        ({"operation": "create", "path": "a/../../b", "content": ""}, 422),
    ],
)
def test_a_refused_operation_has_forgejos_status(
    http: httpx.Client, repo: Repo, file: dict[str, Any], status: int
) -> None:
    repo.commit({"a.yaml": b"a"})
    answer = post(http, repo, file)
    assert answer.status_code == status
    assert set(answer.json()) >= {"message", "url"}


def test_single_file_calls_have_codes_of_their_own(http: httpx.Client, repo: Repo) -> None:
    where = f"{repo.rest}/contents/a.yaml"
    assert http.post(where, json={"content": text("a"), "message": "m"}).status_code == 201
    assert http.post(where, json={"content": text("a"), "message": "m"}).status_code == 422
    assert http.put(where, json={"content": text("b"), "sha": "0" * 40}).status_code == 409
    assert http.put(where, json={"content": text("b"), "sha": blob_sha(b"a")}).status_code == 200
    assert http.request("DELETE", where, json={"sha": blob_sha(b"a")}).status_code == 400
    assert http.request("DELETE", where, json={"sha": blob_sha(b"b")}).status_code == 200
    assert http.request("DELETE", where, json={"sha": blob_sha(b"b")}).status_code == 404


def test_an_update_can_move_a_file(http: httpx.Client, repo: Repo) -> None:
    repo.commit({"old.yaml": b"a", "taken.yaml": b"t"})
    move = {"operation": "update", "from_path": "old.yaml", "content": text("b"), "sha": blob_sha(b"a")}
    assert post(http, repo, {**move, "path": "taken.yaml"}).status_code == 422
    assert post(http, repo, {**move, "path": "new/place.yaml"}).status_code == 201
    assert [entry.path for entry in repo.forge.tree(repo.org, repo.name, "main")] == ["new/place.yaml", "taken.yaml"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/git/trees/main", 400),
        ("/commits", 409),
        ("/contents", 200),
        ("/contents/a", 200),
        ("/raw/a", 404),
        ("/branches/main", 404),
        ("/git/blobs/" + "0" * 40, 400),
    ],
)
def test_an_empty_repository_answers_as_forgejo_does(http: httpx.Client, repo: Repo, path: str, status: int) -> None:
    assert http.get(repo.rest + path).status_code == status


def test_an_unknown_ref_is_500_with_a_path_and_404_without(http: httpx.Client, repo: Repo) -> None:
    repo.commit({"a": b"a"})
    assert http.get(f"{repo.rest}/commits", params={"sha": "nope"}).status_code == 404
    assert http.get(f"{repo.rest}/commits", params={"sha": "nope", "path": "a"}).status_code == 500


def test_a_tree_says_truncated_even_on_its_last_page(http: httpx.Client, repo: Repo) -> None:
    repo.commit({f"{number}": b"" for number in range(5)})
    pages = [
        http.get(f"{repo.rest}/git/trees/main", params={"recursive": "true", "per_page": 2, "page": page}).json()
        for page in (1, 3)
    ]
    assert [(len(page["tree"]), page["truncated"], page["total_count"]) for page in pages] == [
        (2, True, 5),
        (1, True, 5),
    ]


def test_anonymous_is_401_but_for_the_health_page(server: Server, repo: Repo) -> None:
    assert httpx.get(f"{server.url}/api/healthz").status_code == 200
    for path in ("/api/v1/version", "/api/forgejo/v1/version", "/api/v1/orgs/contract-suite"):
        assert httpx.get(server.url + path).status_code == 401
    answer = httpx.get(f"{repo.clone_url}/info/refs?service=git-upload-pack")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!!", "Basic " + "A" * 5000, "Digest x", "token", "Bearer x y"])
def test_malformed_credentials_are_401(server: Server, header: str) -> None:
    assert httpx.get(f"{server.url}/api/v1/version", headers={"Authorization": header}).status_code == 401


def test_bodies_that_are_no_json_object_are_422(http: httpx.Client) -> None:
    for body in (b"[]", b"{", b"null", b'{"a":' * 20000):
        answer = http.post("/api/v1/orgs", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
    assert http.post("/api/v1/orgs", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 422


def test_a_restricted_account_sees_a_public_repository_only_where_it_was_let_in(
    http: httpx.Client, repo: Repo, bot: tuple[str, str]
) -> None:
    body = {"name": secrets.token_hex(4), "scopes": ["read:repository"]}
    everywhere = {"Authorization": f"token {http.post(f'/api/v1/users/{bot[0]}/tokens', json=body).json()['sha1']}"}
    http.patch(repo.rest, json={"private": False})
    assert httpx.get(repo.rest, headers=everywhere).status_code == 200
    http.delete(f"{repo.rest}/collaborators/{bot[0]}")
    assert httpx.get(repo.rest, headers=everywhere).status_code == 404


def test_an_account_needs_a_password_of_eight_characters(http: httpx.Client) -> None:
    body = {"username": f"u-{secrets.token_hex(4)}", "email": "short@example.org", "password": "seven77"}
    assert http.post("/api/v1/admin/users", json=body).status_code == 400


def test_the_word_before_a_token_may_be_in_capitals(repo: Repo, bot: tuple[str, str]) -> None:
    assert httpx.get(repo.rest, headers={"Authorization": f"TOKEN {bot[1]}"}).status_code == 200


def test_paths_outside_the_api_are_404(http: httpx.Client) -> None:
    for path in ("", "/", "/api/v1/nothing", "/a/b.git/config", "/a/b.git/objects/info/packs", "/../etc/passwd"):
        assert http.get(path).status_code in (401, 404)


@pytest.fixture
def bot(repo: Repo) -> tuple[str, str]:
    name = f"agent-{secrets.token_hex(4)}"
    repo.forge.ensure_bot(name)
    repo.forge.ensure_collaborator(repo.org, repo.name, name)
    return name, repo.forge.create_token(name, "t", repo.org, repo.name).secret


def test_a_bound_token_is_refused_even_where_its_account_may_read(
    repo: Repo, bot: tuple[str, str], tmp_path: Path
) -> None:
    other = f"r-{secrets.token_hex(6)}"
    repo.forge.ensure_repository(repo.org, other, "also readable")
    repo.forge.ensure_collaborator(repo.org, other, bot[0])
    headers = {"Authorization": f"token {bot[1]}"}
    assert httpx.get(f"{repo.server.url}/api/v1/repos/{repo.org}/{other}", headers=headers).status_code == 403
    done = run("clone", with_login(f"{repo.server.url}/{repo.org}/{other}.git", "x", bot[1]), cwd=tmp_path, check=False)
    assert "403" in done.stderr


def test_a_token_bound_by_the_administrator_has_no_administrators_rights(repo: Repo, http: httpx.Client) -> None:
    body = {
        "name": secrets.token_hex(4),
        "scopes": ["read:repository"],
        "repositories": [{"owner": repo.org, "name": repo.name}],
    }
    made = http.post(f"/api/v1/users/{repo.server.user}/tokens", json=body).json()
    headers = {"Authorization": f"token {made['sha1']}"}
    assert made["repositories"][0]["full_name"] == f"{repo.org}/{repo.name}"
    assert httpx.get(f"{repo.server.url}/api/v1/users/{repo.server.user}", headers=headers).status_code == 403
    assert httpx.get(f"{repo.rest}/hooks", headers=headers).status_code in (403, 404)


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["read:repository"], "repositories": []},
        {"scopes": ["read:admin"], "repositories": [{"owner": "contract-suite", "name": "x"}]},
        {"scopes": ["read:repository"], "repositories": [{"owner": "contract-suite", "name": "absent"}]},
        {"scopes": []},
    ],
)
def test_an_impossible_token_is_400(http: httpx.Client, repo: Repo, bot: tuple[str, str], body: dict[str, Any]) -> None:
    assert http.post(f"/api/v1/users/{bot[0]}/tokens", json={"name": "odd", **body}).status_code == 400


def test_git_meets_a_page_when_the_account_is_disabled(repo: Repo, bot: tuple[str, str], tmp_path: Path) -> None:
    repo.forge.send("PATCH", f"/api/v1/admin/users/{bot[0]}", json={"prohibit_login": True})
    done = run("clone", with_login(repo.clone_url, "x", bot[1]), cwd=tmp_path, check=False)
    assert "is this a git repository?" in done.stderr


# Hostile trees, packs and bodies


def plumb(folder: Path, mode: str, path: str, target: str = "/etc/passwd") -> None:
    """Puts an entry into the index that no working tree was asked about."""
    (folder / "target").write_text(target)
    sha = run("hash-object", "-w", "target", cwd=folder).stdout.strip()
    (folder / "target").unlink()
    run("update-index", "--add", "--cacheinfo", f"{mode},{sha},{path}", cwd=folder)
    run("commit", "-q", "-m", "Plumbed", cwd=folder)


def test_a_link_is_shown_as_one_and_never_followed_or_written(http: httpx.Client, repo: Repo, tmp_path: Path) -> None:
    repo.commit({"a.yaml": b"a"})
    folder = clone(url_of(repo), tmp_path / "work")
    plumb(folder, "120000", "link")
    run("push", "-q", "origin", "main", cwd=folder)
    entry = next(entry for entry in repo.forge.tree(repo.org, repo.name, "main") if entry.path == "link")
    assert entry.mode == "120000"
    assert http.get(f"{repo.rest}/contents/link").json()["type"] == "symlink"
    assert http.get(f"{repo.rest}/raw/link").content == b"/etc/passwd"
    assert http.get(f"{repo.rest}/raw/link/x").status_code == 404
    update = {"operation": "update", "path": "link", "content": text("x"), "sha": entry.sha}
    assert post(http, repo, update).status_code == 422
    assert post(http, repo, {"operation": "create", "path": "link/x", "content": ""}).status_code == 422


def git_tree(folder: Path, *rows: tuple[str, str, str]) -> str:
    """A tree object written as raw bytes, with names that git itself would refuse to write."""
    raw = b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(sha) for mode, name, sha in rows)
    done = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"],
        input=raw,
        cwd=folder,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip()


@pytest.mark.parametrize("name", ["..", ".", ".git", ".GIT", "a/b"])
def test_a_pushed_tree_with_a_dangerous_name_is_refused(repo: Repo, tmp_path: Path, name: str) -> None:
    before = repo.commit({"a.yaml": b"a"})
    folder = clone(url_of(repo), tmp_path / "work")
    tree = git_tree(folder, ("100644", name, blob_sha(b"a")))
    made = run("commit-tree", tree, "-p", before, "-m", "Bad", cwd=folder).stdout.strip()
    done = run("push", "origin", f"{made}:refs/heads/main", cwd=folder, check=False)
    assert re.search("hasDot|fullPathname", done.stderr)
    assert repo.forge.head(repo.org, repo.name, "main") == before


@pytest.mark.parametrize("ref", ["refs/heads/../../x", "refs/hidden/x", "HEAD", "refs/heads/a.lock", "refs/heads/"])
def test_a_push_to_a_funny_ref_is_refused(http: httpx.Client, repo: Repo, ref: str) -> None:
    sha = repo.commit({"a.yaml": b"a"})
    answer = push(http, repo, "0" * 40, sha, empty_pack(), ref=ref)
    assert b"ng " + ref.encode() in answer.content
    assert repo.forge.head(repo.org, repo.name, "main") == sha


def pkt(data: bytes) -> bytes:
    return b"%04x" % (len(data) + 4) + data


def packed(*objects: bytes, count: int | None = None) -> bytes:
    """A pack of ready-made entries, with a right checksum."""
    body = b"PACK" + (2).to_bytes(4, "big") + (len(objects) if count is None else count).to_bytes(4, "big")
    body += b"".join(objects)
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def empty_pack() -> bytes:
    return packed()


def entry(kind: int, size: int, data: bytes) -> bytes:
    """One object of a pack that claims ``size`` bytes."""
    first, rest = (kind << 4) | (size & 15), size >> 4
    head = []
    while rest:
        head.append(first | 0x80)
        first, rest = rest & 0x7F, rest >> 7
    return bytes([*head, first]) + zlib.compress(data, 9)


def push(
    http: httpx.Client, repo: Repo, old: str, new: str, pack: bytes, ref: str = "refs/heads/main"
) -> httpx.Response:
    body = pkt(f"{old} {new} {ref}\0report-status\n".encode()) + b"0000" + pack
    return send_pack(http, repo, body)


def send_pack(http: httpx.Client, repo: Repo, body: bytes, **headers: str) -> httpx.Response:
    kind = {"Content-Type": "application/x-git-receive-pack-request"}
    return http.post(f"{repo.clone_url}/git-receive-pack", content=body, headers=kind | headers)


@pytest.mark.parametrize(
    ("pack", "status"),
    [
        (entry(3, 100 << 20, bytes(100 << 20)), 413),
        (entry(3, 10, bytes(50 << 20)), 400),
        (entry(7, 3, b"")[:-8] + bytes(20) + zlib.compress(b"\x01\xff\xff\xff\xff\x7f"), 400),
        (b"\x30garbage", 400),
        (b"", 400),
    ],
    ids=["claims 100 MiB", "lies about its size", "delta of nonsense", "no zlib", "missing object"],
)
def test_a_hostile_pack_is_refused_before_it_is_unpacked(
    http: httpx.Client, repo: Repo, pack: bytes, status: int
) -> None:
    answer = push(http, repo, "0" * 40, "1" * 40, packed(pack, count=1))
    assert answer.status_code == status
    assert repo.forge.head(repo.org, repo.name, "main") is None


def test_a_pack_of_millions_of_objects_is_refused_by_its_header(http: httpx.Client, repo: Repo) -> None:
    assert push(http, repo, "0" * 40, "1" * 40, packed(count=2**31)).status_code == 413


def test_a_delta_that_would_grow_beyond_the_limit_is_refused(http: httpx.Client, repo: Repo) -> None:
    delta = b"\x01" + b"\xff\xff\xff\xff\x7f" + b"\x90\x01"
    body = entry(7, len(delta), delta)
    head, data = body[:1], body[1:]
    assert push(http, repo, "0" * 40, "1" * 40, packed(head + bytes(20) + data)).status_code == 413


def test_a_body_above_the_limit_is_413_however_it_is_wrapped(http: httpx.Client, repo: Repo) -> None:
    assert send_pack(http, repo, bytes(65 << 20)).status_code == 413
    bomb = gzip.compress(bytes(65 << 20))
    assert len(bomb) < 1 << 20
    assert send_pack(http, repo, bomb, **{"Content-Encoding": "gzip"}).status_code == 413


@pytest.mark.parametrize("body", [b"zzzz", b"0003", b"fff1", pkt(b"nonsense"), pkt(b"0" * 40), b"00"])
def test_a_malformed_push_is_400(http: httpx.Client, repo: Repo, body: bytes) -> None:
    assert send_pack(http, repo, body).status_code == 400


def test_a_ref_to_a_commit_that_never_came_is_refused(http: httpx.Client, repo: Repo) -> None:
    answer = push(http, repo, "0" * 40, "1" * 40, empty_pack())
    assert b"missing necessary objects" in answer.content
    assert repo.forge.head(repo.org, repo.name, "main") is None


def test_a_push_that_expects_an_older_head_is_refused(http: httpx.Client, repo: Repo) -> None:
    first = repo.commit({"a": b"a"})
    second = repo.commit({"b": b"b"})
    answer = push(http, repo, first, first, empty_pack())
    assert b"ng refs/heads/main fetch first" in answer.content
    assert repo.forge.head(repo.org, repo.name, "main") == second


def test_an_atomic_push_moves_all_refs_or_none(repo: Repo, tmp_path: Path) -> None:
    before = repo.commit({"a": b"a"})
    folder = clone(url_of(repo), tmp_path / "work")
    repo.commit({"b": b"b"})
    commit(folder, {"c": "c"})
    refs = ["+HEAD:refs/heads/new", f"--force-with-lease=main:{before}", "HEAD:refs/heads/main"]
    assert run("push", "--atomic", "origin", *refs, cwd=folder, check=False).returncode != 0
    assert repo.forge.head(repo.org, repo.name, "new") is None


@pytest.mark.parametrize("body", [pkt(b"want " + b"1" * 40) + b"0000" + pkt(b"done"), pkt(b"have x"), b"0001"])
def test_a_strange_fetch_gets_nothing(http: httpx.Client, repo: Repo, body: bytes) -> None:
    repo.commit({"a": b"a"})
    headers = {"Content-Type": "application/x-git-upload-pack-request"}
    answer = http.post(f"{repo.clone_url}/git-upload-pack", content=body, headers=headers)
    assert answer.status_code == 400 or b"not our ref" in answer.content


def test_a_form_in_a_browser_cannot_push(http: httpx.Client, repo: Repo) -> None:
    answer = http.post(f"{repo.clone_url}/git-receive-pack", content=b"0000", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


# Several writers, several processes, crashes


def test_writers_of_different_files_all_get_through(repo: Repo) -> None:
    repo.commit({"a": b"a"})

    def write(number: int) -> str:
        operation = FileOperation("create", f"job-{number}.yaml", b"%d" % number)
        with repo.server.client() as forge:
            return forge.commit_files(repo.org, repo.name, "main", [operation], f"Job {number}", ALICE).sha

    with ThreadPoolExecutor(8) as threads:
        shas = list(threads.map(write, range(40)))
    assert len(set(shas)) == 40
    assert len(repo.forge.tree(repo.org, repo.name, "main")) == 41
    assert {commit.sha for commit in repo.forge.commits(repo.org, repo.name, ref="main")} > set(shas)


def test_pushes_and_rest_commits_at_once_lose_nothing(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"a": b"a"})
    folders = [clone(url_of(repo), tmp_path / f"work-{number}") for number in range(3)]

    def push_until_done(number: int) -> None:
        commit(folders[number], {f"pushed-{number}": "x"})
        while run("push", "-q", "origin", "main", cwd=folders[number], check=False).returncode:
            run("pull", "-q", "--rebase", cwd=folders[number])

    def write(number: int) -> None:
        with repo.server.client() as forge:
            forge.commit_files(repo.org, repo.name, "main", [FileOperation("create", f"rest-{number}")], "R", ALICE)

    with ThreadPoolExecutor(6) as threads:
        work = [threads.submit(push_until_done, number) for number in range(3)]
        work += [threads.submit(write, number) for number in range(12)]
        for done in work:
            done.result()
    paths = {entry.path for entry in repo.forge.tree(repo.org, repo.name, "main")}
    assert paths == {"a", *(f"pushed-{n}" for n in range(3)), *(f"rest-{n}" for n in range(12))}


def test_a_lock_left_by_a_killed_writer_does_not_stop_the_next(repo: Repo) -> None:
    repo.commit({"a": b"a"})
    (folder_of(repo) / "refs/heads/main.lock").touch()
    sha = repo.commit({"b": b"b"})
    assert repo.forge.head(repo.org, repo.name, "main") == sha


def contents_in_one_folder(count: int) -> Iterator[bytes]:
    """Contents whose blobs land in the folder that the forge counts to see whether it is time to pack."""
    texts = (b"%d" % number for number in itertools.count())
    return itertools.islice((text for text in texts if blob_sha(text).startswith("17")), count)


def test_loose_objects_are_packed_in_time_and_stay_readable(repo: Repo, tmp_path: Path) -> None:
    data = list(contents_in_one_folder(32))
    for start in range(0, 32, 8):
        repo.commit({f"{number}": data[number] for number in range(start, start + 8)})
    folder = folder_of(repo)
    assert list((folder / "objects/pack").glob("*.pack"))
    assert not list((folder / "objects/17").glob("*"))
    assert sorted(repo.forge.blobs(repo.org, repo.name, map(blob_sha, data)).values()) == sorted(data)
    checked = subprocess.run(["git", "fsck", "--full"], cwd=folder, capture_output=True, text=True, check=True)
    assert "error" not in checked.stderr
    clone(url_of(repo), tmp_path / "work")


def test_everything_survives_a_kill_and_a_new_start(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/forge"
    process = serve(tmp_path, port)
    wait_until_healthy(url, process)
    with Forgejo(url, "svc-root", "a-long-password") as forge:
        forge.ensure_org("o")
        forge.ensure_repository("o", "r", "")
        sha = forge.commit_files("o", "r", "main", [FileOperation("create", "a", b"a")], "A", ALICE).sha
        for child in children(process.pid):
            os.kill(child, 9)
        process.kill()
        process.wait()
        assert not forge.healthy()
        with pytest.raises(ForgeUnavailable):
            forge.head("o", "r", "main")
        again = serve(tmp_path, port)
        try:
            wait_until_healthy(url, again)
            assert forge.head("o", "r", "main") == sha
            with pytest.raises(ForgeConflict):
                forge.commit_files("o", "r", "main", [FileOperation("create", "a", b"b")], "A", ALICE)
        finally:
            again.terminate()
            again.wait(20)


def children(parent: int) -> list[int]:
    """Processes whose parent is ``parent``: granian's workers."""
    done = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False)
    return [int(line) for line in done.stdout.split()]


# What is kept


def test_secrets_are_kept_as_hashes_in_a_file_of_the_owner_alone(
    server: Server, repo: Repo, bot: tuple[str, str]
) -> None:
    assert server.home is not None
    path = server.home / "forge/forge.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        dump = "\n".join(db.iterdump())
    db.close()
    assert bot[1] not in dump
    assert server.password not in dump


def test_a_repository_that_is_deleted_is_gone_with_its_tokens(repo: Repo, bot: tuple[str, str]) -> None:
    repo.forge.send("DELETE", f"/api/v1/repos/{repo.org}/{repo.name}")
    assert not folder_of(repo).exists()
    assert httpx.get(repo.rest, headers={"Authorization": f"token {bot[1]}"}).status_code == 404


def test_names_are_one_whatever_their_case(http: httpx.Client, repo: Repo) -> None:
    assert http.get(f"/api/v1/repos/{repo.org.upper()}/{repo.name.upper()}").status_code == 200
    answer = http.post(f"/api/v1/orgs/{repo.org}/repos", json={"name": repo.name.upper(), "private": True})
    assert answer.status_code == 409


def test_an_organisation_that_owns_repositories_cannot_be_deleted(http: httpx.Client, repo: Repo) -> None:
    assert http.delete(f"/api/v1/orgs/{repo.org}").status_code == 500
    name = f"org-{secrets.token_hex(4)}"
    repo.forge.ensure_org(name)
    assert http.delete(f"/api/v1/orgs/{name}").status_code == 204
    assert http.get(f"/api/v1/orgs/{name}").status_code == 404


def test_an_archived_repository_is_read_only(http: httpx.Client, repo: Repo, tmp_path: Path) -> None:
    repo.commit({"a": b"a"})
    http.patch(repo.rest, json={"archived": True})
    assert post(http, repo, {"operation": "create", "path": "b", "content": ""}).status_code == 423
    folder = clone(url_of(repo), tmp_path / "work")
    commit(folder, {"b": "b"})
    assert run("push", "origin", "main", cwd=folder, check=False).returncode != 0
    assert head(folder) != repo.forge.head(repo.org, repo.name, "main")


def test_a_password_matches_only_itself() -> None:
    kept = hash_password("Correct horse")
    assert password_matches("Correct horse", kept)
    assert not password_matches("correct horse", kept)
    assert not password_matches("", "")


def test_the_store_opens_a_second_time_unchanged(tmp_path: Path) -> None:
    Store(tmp_path / "forge/forge.db").ensure_admin("root-a")
    again = Store(tmp_path / "forge/forge.db")
    again.ensure_admin("root-a")
    assert len(again.all("SELECT * FROM account")) == 1


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "forge.db")

    def half() -> None:
        with store.writing() as db:
            db.execute("INSERT INTO account (login) VALUES ('half')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert store.account("half") is None


async def test_mounted_below_its_prefix_the_app_answers_the_same(tmp_path: Path) -> None:
    inner = forge_app(tmp_path, admin_user="r", admin_password="p" * 8, url="http://x/forge")
    for app in (inner, Starlette(routes=[Mount("/forge", inner)])):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            assert (await client.get("/forge/api/healthz")).status_code == 200
            assert (await client.get("/forge/api/v1/version", auth=("r", "p" * 8))).status_code == 200
            assert (await client.get("/api/healthz")).status_code == 404
