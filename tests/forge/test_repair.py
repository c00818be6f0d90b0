"""A damaged repository mended: what is bad moves aside, and the branch is the newest commit that can be read."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crontopus_app.forge.embedded.forge import repositories_in
from crontopus_app.forge.embedded.repair import repair
from tests.forge.test_git_client import run
from tests.forge.test_killed_writer import REPOSITORY, commit_of, fsck, must, rest

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A forge's data folder with one repository of three commits."""
    must(tmp_path, rest("POST", "/orgs", {"username": "o"}))
    must(tmp_path, rest("POST", "/orgs/o/repos", {"name": "r", "private": True}))
    for name in ("a", "b", "c"):
        must(tmp_path, commit_of({f"{name}/{name}.yaml": name.encode()}))
    return tmp_path


def mend(home: Path) -> list[str]:
    return repair(repositories_in(home), "o", "r", "main", NOW)


def git(home: Path, *words: str) -> str:
    return run(*words, cwd=home / REPOSITORY).stdout.strip()


def loose(home: Path, name: str) -> Path:
    sha = git(home, "rev-parse", name)
    return home / REPOSITORY / "objects" / sha[:2] / sha[2:]


def spoil(file: Path, content: bytes | None) -> None:
    file.chmod(0o600)
    file.unlink()
    if content is not None:
        file.write_bytes(content)


def next_edit(home: Path) -> None:
    must(home, commit_of({"next.yaml": b"next"}))
    assert fsck(home / REPOSITORY) == ""


def test_a_whole_repository_is_left_as_it_is(home: Path) -> None:
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and "forge.db" not in path.name}
    assert mend(home) == []
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.parametrize("content", [None, b"", b"junk"])
@pytest.mark.parametrize("name", ["main", "main:", "main:c", "main:c/c.yaml"])
def test_a_tip_that_cannot_be_read_goes_back_to_the_newest_that_can(
    home: Path, name: str, content: bytes | None
) -> None:
    tip, before = git(home, "rev-parse", "main"), git(home, "rev-parse", "main~1")
    spoil(loose(home, name), content)
    found = mend(home)
    assert git(home, "rev-parse", "main") == before
    assert any(before[:12] in sentence for sentence in found)
    assert f"{NOW.isoformat()} {tip} refs/heads/main\n" in (home / REPOSITORY / "quarantine/refs.log").read_text()
    next_edit(home)
    assert mend(home) == []


def test_damage_further_down_is_moved_aside_and_the_tip_stays(home: Path) -> None:
    tip = git(home, "rev-parse", "main")
    file = loose(home, "main~2:")
    spoil(file, b"junk")
    assert len(mend(home)) == 1
    assert git(home, "rev-parse", "main") == tip
    assert (home / REPOSITORY / "quarantine/objects" / file.parent.name / file.name).read_bytes() == b"junk"


def test_an_object_that_is_another_than_its_name_says_is_found(home: Path) -> None:
    other = loose(home, "main:a/a.yaml").read_bytes()
    spoil(loose(home, "main:c/c.yaml"), other)
    assert "damaged" in mend(home)[0]
    next_edit(home)


@pytest.mark.parametrize("content", ["", "nonsense\n", "5" * 40 + "\n"])
def test_a_branch_that_names_nothing_is_the_newest_commit_again(home: Path, content: str) -> None:
    tip = git(home, "rev-parse", "main")
    (home / REPOSITORY / "refs/heads/main").write_text(content)
    assert len(mend(home)) == 2
    assert git(home, "rev-parse", "main") == tip
    next_edit(home)


def test_head_is_mended(home: Path) -> None:
    (home / REPOSITORY / "HEAD").write_text("")
    assert len(mend(home)) == 1
    assert git(home, "symbolic-ref", "HEAD") == "refs/heads/main"


def pack_of(home: Path) -> Path:
    git(home, "repack", "-adq")
    (pack,) = (home / REPOSITORY / "objects/pack").glob("*.pack")
    pack.chmod(0o600)
    return pack


@pytest.mark.parametrize("hurt", [Path.unlink, lambda index: index.write_bytes(b"junk")], ids=["gone", "junk"])
def test_the_index_of_a_pack_is_made_anew(home: Path, hurt: Callable[[Path], object]) -> None:
    tip = git(home, "rev-parse", "main")
    index = pack_of(home).with_suffix(".idx")
    index.chmod(0o600)
    hurt(index)
    assert len(mend(home)) == 1
    assert git(home, "rev-parse", "main") == tip
    next_edit(home)


def test_a_damaged_pack_is_taken_apart(home: Path) -> None:
    """The first object of the pack is the newest commit."""
    tip, before = git(home, "rev-parse", "main"), git(home, "rev-parse", "main~1")
    pack = pack_of(home)
    listed = subprocess.run(["git", "verify-pack", "-v", str(pack)], capture_output=True, text=True, check=True).stdout
    offset = next(int(line.split()[4]) for line in listed.splitlines() if line.startswith(tip))
    data = bytearray(pack.read_bytes())
    data[offset + 6 : offset + 12] = bytes(6)
    pack.write_bytes(data)
    assert "objects were saved" in mend(home)[0]
    assert git(home, "rev-parse", "main") == before
    assert list((home / REPOSITORY / "quarantine/objects/pack").glob("*.pack"))
    next_edit(home)


def test_a_lock_and_a_killed_push_are_cleared(home: Path) -> None:
    lock = loose(home, "main").with_suffix(".lock")
    lock.touch()
    killed = home / REPOSITORY / "objects/incoming-x"
    killed.mkdir()
    assert mend(home) == []
    assert not lock.exists()
    assert not killed.exists()


def test_the_commits_that_were_taken_off_are_still_there(home: Path) -> None:
    tip = git(home, "rev-parse", "main")
    spoil(loose(home, "main:c/c.yaml"), None)
    mend(home)
    assert git(home, "cat-file", "-t", tip) == "commit"
    assert tip not in git(home, "log", "--format=%H", "main")
