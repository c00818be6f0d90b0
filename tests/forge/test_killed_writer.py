"""A writer of the embedded forge killed at each of its writes: the next edit succeeds, and the repository is whole."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crontopus_app.forge.embedded.repositories import LOOSE_LIMIT
from tests.forge import killed_writer
from tests.forge.test_contract import blob_sha
from tests.forge.test_embedded import contents_in_one_folder, pkt
from tests.forge.test_git_client import run

REPOSITORY = "forge/repositories/o/r.git"


def rest(method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    sent = json.dumps(body).encode().hex()
    return {"method": method, "path": f"/forge/api/v1{path}", "body": sent, "type": "application/json"}


def commit_of(files: dict[str, bytes]) -> dict[str, Any]:
    rows = [
        {"operation": "create", "path": path, "content": base64.b64encode(data).decode()}
        for path, data in files.items()
    ]
    return rest("POST", "/repos/o/r/contents", {"branch": "main", "message": "m", "files": rows})


def push_of(old: str, new: str, pack: bytes) -> dict[str, Any]:
    body = pkt(f"{old} {new} refs/heads/main\0report-status\n".encode()) + b"0000" + pack
    kind = "application/x-git-receive-pack-request"
    return {"method": "POST", "path": "/forge/o/r.git/git-receive-pack", "body": body.hex(), "type": kind}


def must(home: Path, request: dict[str, Any]) -> str:
    status, text = killed_writer.send(home, request)
    assert status < 300, text
    return text


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A forge's data folder with one repository of one commit."""
    home = tmp_path / "template"
    must(home, rest("POST", "/orgs", {"username": "o"}))
    must(home, rest("POST", "/orgs/o/repos", {"name": "r", "private": True}))
    must(home, commit_of({"a/b.yaml": b"b"}))
    return home


def killed_at_every_write(template: Path, work: Path, request: dict[str, Any]) -> list[Path]:
    """Homes of writers that were killed, each at another of the request's writes."""
    command = [sys.executable, "-m", "tests.forge.killed_writer", str(template), str(work), REPOSITORY]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert not rows[-1]["killed"]
    assert all(row["killed"] for row in rows[:-1])
    return [Path(row["home"]) for row in rows[:-1]]


def fsck(repository: Path) -> str:
    done = subprocess.run(["git", "fsck", "--strict"], cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return "".join(line for line in done.stderr.splitlines() if "fsyncObjectFiles is deprecated" not in line)


def assert_mended(home: Path, request: dict[str, Any]) -> None:
    """The same content can be written now, if it was not already; nothing of the killed writer is left."""
    must(home, commit_of({f"next-{secrets.token_hex(4)}": b"next"}))
    status, text = killed_writer.send(home, request)
    assert status < 300 or "already exists" in text, text
    repository = home / REPOSITORY
    assert fsck(repository) == ""
    left = [path for path in repository.rglob("*") if path.suffix == ".lock" or path.name.startswith("tmp")]
    assert left == [repository / "crontopus.lock"]


def test_a_commit_killed_at_any_write_blocks_nobody(template: Path, tmp_path: Path) -> None:
    request = commit_of({"a/c.yaml": b"c", "d/e/f.yaml": b"f"})
    homes = killed_at_every_write(template, tmp_path, request)
    assert len(homes) > 12
    for home in homes:
        assert_mended(home, request)


def test_a_commit_of_many_files_killed_at_any_write_blocks_nobody(template: Path, tmp_path: Path) -> None:
    """Their blobs go into one pack."""
    request = commit_of({f"many-{number}": b"%d" % number for number in range(12)})
    homes = killed_at_every_write(template, tmp_path, request)
    assert len(homes) > 12
    for home in homes:
        assert_mended(home, request)


def test_packing_killed_at_any_write_blocks_nobody(template: Path, tmp_path: Path) -> None:
    """The commit that makes one loose object too many packs them all and removes them one by one."""
    loose = [*contents_in_one_folder(LOOSE_LIMIT + 5)]
    for start in range(0, 24, 8):
        must(template, commit_of({f"loose-{n}": loose[n] for n in range(start, start + 8)}))
    request = commit_of({f"loose-{n}": loose[n] for n in range(24, 32)})
    homes = killed_at_every_write(template, tmp_path, request)
    assert len(homes) > 80
    for home in [*homes[:45:3], *homes[45::10]]:
        assert_mended(home, request)


def test_a_push_killed_at_any_write_blocks_nobody(template: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    run("clone", "-q", str(template / REPOSITORY), str(work), cwd=tmp_path)
    old = run("rev-parse", "HEAD", cwd=work).stdout.strip()
    (work / "c.yaml").write_text("c")
    run("add", ".", cwd=work)
    run("commit", "-q", "-m", "C", cwd=work)
    new = run("rev-parse", "HEAD", cwd=work).stdout.strip()
    wanted = f"{new}\n^{old}\n".encode()
    pack = subprocess.run(
        ["git", "pack-objects", "--revs", "--stdout", "--thin"], input=wanted, cwd=work, capture_output=True, check=True
    )
    request = push_of(old, new, pack.stdout)
    homes = killed_at_every_write(template, tmp_path, request)
    assert len(homes) > 5
    for home in homes:
        assert must(home, request).splitlines()
        must(home, commit_of({"next": b"next"}))
        assert fsck(home / REPOSITORY) == ""


@pytest.mark.parametrize(
    "where", ["objects/{blob}", "packed-refs", "HEAD", "config", "refs/heads/main", "objects/pack/x.idx"]
)
def test_a_lock_left_anywhere_does_not_stop_the_next_writer(template: Path, where: str) -> None:
    sha = blob_sha(b"new")
    lock = template / REPOSITORY / (where.format(blob=f"{sha[:2]}/{sha[2:]}") + ".lock")
    lock.parent.mkdir(exist_ok=True)
    lock.touch()
    must(template, commit_of({"new": b"new"}))
    assert not lock.exists()
