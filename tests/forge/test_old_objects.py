"""What an older version let in, or a disk damaged, is read without a 500, cloned, and mended by the next push."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.forge.conftest import Repo, Server
from tests.forge.test_contract import blob_sha
from tests.forge.test_embedded import folder_of, post, text, url_of
from tests.forge.test_git_client import clone, commit, head, run

WHO = b"Ann <ann@example.org> 1700000000 +0100"
GOOD = blob_sha(b"good")
LOST = "5" * 40


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    if server.home is None:
        pytest.exit("these tests write into the embedded forge's own folder", 4)
    with httpx.Client(base_url=server.url, auth=(server.user, server.password), timeout=60) as client:
        yield client


def write(repo: Repo, kind: str, data: bytes) -> str:
    """A loose object as it is, with nothing checked."""
    whole = f"{kind} {len(data)}\0".encode() + data
    sha = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
    file = folder_of(repo) / "objects" / sha[:2] / sha[2:]
    file.parent.mkdir(exist_ok=True)
    if not file.exists():
        file.write_bytes(zlib.compress(whole))
    return sha


def tree(repo: Repo, *rows: tuple[bytes, bytes, str]) -> str:
    return write(repo, "tree", b"".join(mode + b" " + name + b"\0" + bytes.fromhex(sha) for mode, name, sha in rows))


def put(repo: Repo, commit_data: bytes, ref: bytes = b"refs/heads/main") -> str:
    sha = write(repo, "commit", commit_data)
    path = os.fsencode(folder_of(repo)) + b"/" + ref
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(os.fsdecode(path)).write_text(sha + "\n")
    return sha


def of_tree(
    tree_sha: str, author: bytes = b"author " + WHO + b"\n", committer: bytes = b"committer " + WHO + b"\n"
) -> bytes:
    return b"tree " + tree_sha.encode() + b"\n" + author + committer + b"\nmessage \xff\n"


def deep(repo: Repo, levels: int) -> str:
    inner = GOOD
    for level in range(levels):
        inner = tree(repo, (b"40000" if level else b"100644", b"d", inner))
    return inner


def wide(repo: Repo) -> str:
    """A few hundred bytes that unfold to ten thousand million paths."""
    inner = tree(repo, *((b"100644", b"%d" % n, GOOD) for n in range(10)))
    for _ in range(9):
        inner = tree(repo, *((b"40000", b"%d" % n, inner) for n in range(10)))
    return inner


TREES = {
    "a folder that is a file": lambda repo: tree(repo, (b"100644", b"a.yaml", GOOD), (b"40000", b"folder", GOOD)),
    "a file that is a folder": lambda repo: tree(repo, (b"100644", b"a.yaml", tree(repo))),
    "a row cut off": lambda repo: write(repo, "tree", b"100644 a.yaml\0" + bytes.fromhex(GOOD) + b"100644 b"),
    "names that are no text": lambda repo: tree(repo, (b"100644", b"\xfe.yaml", GOOD), (b"100644", b"\xff.yaml", GOOD)),
    "a name twice": lambda repo: tree(repo, (b"100644", b"a.yaml", GOOD), (b"100644", b"a.yaml", blob_sha(b"x"))),
    "out of order": lambda repo: tree(repo, (b"100644", b"b.yaml", GOOD), (b"100644", b"a.yaml", GOOD)),
    "dotgit": lambda repo: tree(repo, (b"40000", b".git", tree(repo, (b"100644", b"config", GOOD)))),
    "unknown modes": lambda repo: tree(repo, (b"10644", b"fifo", GOOD), (b"0100644", b"padded", GOOD)),
    "no object": lambda repo: tree(repo, (b"100644", b"null", "0" * 40), (b"100644", b"a.yaml", GOOD)),
    "3,000 levels": lambda repo: deep(repo, 3000),
    "ten thousand million paths": wide,
}  # fmt: skip
COMMITS = {
    "the year 3,000,000": (b"author A <a@b> 99999999999999 +0000\n", b"committer A <a@b> 99999999999999 +9900\n"),
    "before 1970": (b"author A <a@b> -99999999999999 +0000\n", b"committer A <a@b> -5 -9959\n"),
    "no date": (b"author A <a@b>\n", b"committer A <a@b> never\n"),
    "nobody": (b"", b""),
    "no address": (b"author \n", b"committer \xff\xfe <\n"),
}


def read_everything(http: httpx.Client, repo: Repo, branch: str = "main") -> dict[str, int]:
    """Every reading call; none may fail with 500."""
    sha = http.get(f"{repo.rest}/branches/{branch}").json().get("commit", {}).get("id", LOST)
    paths = [
        "/branches", f"/branches/{branch}", f"/git/trees/{branch}?recursive=true", f"/git/trees/{branch}",
        f"/commits?sha={branch}", f"/git/commits/{sha}", f"/git/commits/{sha}.diff",
        f"/contents?ref={branch}", f"/contents/a.yaml?ref={branch}", f"/contents/folder?ref={branch}",
        f"/raw/a.yaml?ref={branch}", f"/git/blobs/{GOOD}", f"/git/blobs?shas={GOOD}",
    ]  # fmt: skip
    if sha != LOST:
        paths.append(f"/commits?sha={branch}&path=a.yaml")  # where there is no such branch, Forgejo says 500
    statuses = {path: http.get(repo.rest + path).status_code for path in paths}
    assert not {path: status for path, status in statuses.items() if status >= 500}
    return statuses


def mend_by_push(repo: Repo, tmp_path: Path) -> None:
    """A push over the broken tip, from a folder that knows nothing of it."""
    work = tmp_path / "mend"
    run("init", "-q", "-b", "main", str(work), cwd=tmp_path)
    commit(work, {"a.yaml": "mended"})
    run("push", "-q", "--force", url_of(repo), "main", cwd=work)
    assert repo.forge.head(repo.org, repo.name, "main") == head(work)
    clone(url_of(repo), tmp_path / "again")


@pytest.mark.parametrize("kind", TREES)
def test_an_odd_tree_is_read_and_can_be_left_behind(http: httpx.Client, repo: Repo, tmp_path: Path, kind: str) -> None:
    repo.commit({"good": b"good", "x": b"x"})
    put(repo, of_tree(TREES[kind](repo)))
    statuses = read_everything(http, repo)
    assert statuses["/git/trees/main?recursive=true"] == 200
    assert run("ls-remote", url_of(repo), cwd=tmp_path).stdout
    cloned = run("clone", "-q", "--no-checkout", url_of(repo), str(tmp_path / "work"), cwd=tmp_path, check=False)
    assert cloned.returncode == 0 or "500" not in cloned.stderr, cloned.stderr
    edit = {"operation": "create", "path": "new.yaml", "content": text("new")}
    assert post(http, repo, edit).status_code in (201, 424)
    mend_by_push(repo, tmp_path)


@pytest.mark.parametrize("kind", COMMITS)
def test_an_odd_commit_is_read_cloned_and_followed(http: httpx.Client, repo: Repo, tmp_path: Path, kind: str) -> None:
    repo.commit({"good": b"good", "a.yaml": b"a"})
    put(repo, of_tree(tree(repo, (b"100644", b"a.yaml", GOOD)), *COMMITS[kind]))
    assert set(read_everything(http, repo).values()) <= {200, 404}
    work = clone(url_of(repo), tmp_path / "work")
    assert post(http, repo, {"operation": "create", "path": "b.yaml", "content": text("b")}).status_code == 201
    run("pull", "-q", cwd=work)
    commit(work, {"c.yaml": "c"})
    run("push", "-q", "origin", "main", cwd=work)
    assert len(repo.forge.commits(repo.org, repo.name, ref="main")) == 3


def test_a_branch_that_is_no_text_is_shown_and_can_be_removed(http: httpx.Client, repo: Repo, tmp_path: Path) -> None:
    repo.commit({"good": b"good"})
    put(repo, of_tree(tree(repo)), b"refs/heads/\xff")
    read_everything(http, repo)
    assert {branch["name"] for branch in http.get(f"{repo.rest}/branches").json()} == {"main", "\\xff"}
    clone(url_of(repo), tmp_path / "work")


@pytest.mark.parametrize("content", ["", "nonsense\n", LOST + "\n"])
def test_a_branch_that_names_nothing_is_told_and_mended_by_a_push(
    http: httpx.Client, repo: Repo, tmp_path: Path, content: str
) -> None:
    repo.commit({"good": b"good"})
    (folder_of(repo) / "refs/heads/main").write_text(content)
    read_everything(http, repo)
    mend_by_push(repo, tmp_path)


@pytest.mark.parametrize("damage", [None, b"", b"junk"])
def test_a_damaged_object_is_named_with_424_and_to_git(
    http: httpx.Client, repo: Repo, tmp_path: Path, damage: bytes | None
) -> None:
    sha = repo.commit({"good": b"good", "a.yaml": b"a"})
    tree_sha = http.get(f"{repo.rest}/git/commits/{sha}").json()["commit"]["tree"]["sha"]
    file = folder_of(repo) / "objects" / tree_sha[:2] / tree_sha[2:]
    file.chmod(0o600)
    file.unlink()
    if damage is not None:
        file.write_bytes(damage)
    answer = http.get(f"{repo.rest}/git/trees/main")
    assert answer.status_code == 424
    assert tree_sha in answer.json()["message"]
    cloned = run("clone", url_of(repo), str(tmp_path / "work"), cwd=tmp_path, check=False)
    assert f"remote error: The repository is damaged: its object {tree_sha}" in cloned.stderr
    read_everything(http, repo)
    mend_by_push(repo, tmp_path)
