"""The forge's rules for single objects against ``git fsck --strict`` over the same objects, thousands at once."""

from __future__ import annotations

import random
import re
import subprocess
import zlib
from pathlib import Path

import pytest

from crontopus_app.forge.embedded import fsck
from tests.forge.test_fsck_fuzz import (
    BLOB,
    COMMIT,
    HOSTILE_NAMES,
    IDENTS,
    MODES,
    TAG,
    TREE,
    WORDS,
    Case,
    any_commit,
    any_tag,
    any_tree,
    name_of,
)

# What the forge refuses and Git does not, or only tells, or holds against the object that is named.
BEYOND_GIT = (
    "gitmodulesBlob",
    "gitattributesBlob",
    "badFilemode",
    "badDateOverflow",
    "badTimezone",
    "badDate",
    "the name is too long",
)
FILE, FOLDER, FIRST = b"file", b"100644 x\0" + bytes.fromhex(name_of(BLOB, b"file")), b""


def first_commit() -> bytes:
    who = b" Ann <ann@example.org> 1700000000 +0100\n"
    return b"tree " + name_of(TREE, FOLDER).encode() + b"\nauthor" + who + b"committer" + who + b"\nm\n"


def row(mode: bytes, name: bytes, sha: str) -> bytes:
    return mode + b" " + name + b"\0" + bytes.fromhex(sha)


def trees() -> list[bytes]:
    """Every hostile name as a file, a folder, a link and a submodule, and every mode."""
    blob, folder = name_of(BLOB, FILE), name_of(TREE, FOLDER)
    kinds = ((b"100644", blob), (b"40000", folder), (b"120000", blob), (b"160000", "1" * 40))
    found = [row(mode, name, sha) for name in HOSTILE_NAMES for mode, sha in kinds]
    dots = [b".git", b"git~1", b".gitmodules", b"GITMOD~3", b"gi7eb~12", b".gitattributes", b"gitatt~4", b"gi7d29~1"]
    ends = [b"", b" ", b".", b". .", b":x", b"x", b"\\y", b"\xe2\x80\x8d", b"\xff", b"\n"]
    found += [
        row(b"120000", before + dot + end, blob) for dot in dots for end in ends for before in (b"", b"a\\", b"a")
    ]
    found += [row(mode, b"mode", sha) for mode in MODES for sha in (blob, folder, "0" * 40)]
    return [*found, *(b"100644 x\0" + bytes(count) for count in range(21))]


def commits() -> list[bytes]:
    """Every odd author and committer, and a commit with each of its parts left out, doubled and misspelt."""
    good = first_commit()
    line = b"Ann <ann@example.org> 1700000000 +0100"
    found = [good.replace(role + line, role + who) for who in IDENTS for role in (b"author ", b"committer ")]
    lines = good.split(b"\n")
    for at in range(len(lines)):
        for instead in (
            [],
            [lines[at]] * 2,
            [lines[at].upper()],
            [b"x" + lines[at]],
            [lines[at] + b"\0"],
            [b"parent " + b"x" * 40],
        ):
            found.append(b"\n".join([*lines[:at], *instead, *lines[at + 1 :]]))
    return [*found, *(good[:end] for end in range(len(good)))]


def tags() -> list[bytes]:
    good = any_tag(random.Random(0), name_of(COMMIT, first_commit()), odd=False)  # noqa: S311 -- nothing odd is drawn
    lines = good.split(b"\n")
    found = [good.replace(lines[3], b"tagger " + who) for who in IDENTS]
    for at in range(len(lines)):
        for instead in ([], [lines[at]] * 2, [lines[at].upper()], [lines[at] + b"\0"], [b"type nothing"]):
            found.append(b"\n".join([*lines[:at], *instead, *lines[at + 1 :]]))
    return [*found, *(good[:end] for end in range(len(good)))]


def drawn() -> list[tuple[int, bytes]]:
    """Some hundreds of the objects that the pushes of ``test_fsck_fuzz`` are made of."""
    chance, case = random.Random(21), Case(b"")  # noqa: S311 -- the same objects each time
    blob, folder = name_of(BLOB, FILE), name_of(TREE, FOLDER)
    found: list[tuple[int, bytes]] = []
    for _ in range(300):
        found.append((TREE, any_tree(chance, case, blob, folder, odd=True)))
        found.append((COMMIT, any_commit(chance, folder, [], odd=True)))
        found.append((TAG, any_tag(chance, name_of(COMMIT, first_commit()), odd=True)))
    return found


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path)], check=True)
    for kind, data in ((BLOB, FILE), (TREE, FOLDER), (COMMIT, first_commit())):
        put(tmp_path, kind, data)
    return tmp_path


def put(repository: Path, kind: int, data: bytes) -> str:
    sha = name_of(kind, data)
    file = repository / "objects" / sha[:2] / sha[2:]
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(zlib.compress(WORDS[kind] + b" %d\0" % len(data) + data))
    return sha


def git_refuses(repository: Path) -> dict[str, str]:
    """The objects that Git calls wrong, and why."""
    done = subprocess.run(
        ["git", "fsck", "--strict", "--no-dangling"], cwd=repository, capture_output=True, check=False
    )
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    return dict(re.findall(r"^error(?: in \w+|:) ([0-9a-f]{40}): (.*)", said, re.MULTILINE))


def is_of_itself(why: str) -> bool:
    """Whether Git's reason is a rule about the object; what it names is ``test_fsck_fuzz``'s affair."""
    return bool(re.match(r"\w+: ", why)) and not re.match("git(?:modules|attributes)(?:Missing|Blob)", why)


@pytest.mark.parametrize(
    "objects",
    [
        [(TREE, data) for data in trees()],
        [(COMMIT, data) for data in commits()],
        [(TAG, data) for data in tags()],
        drawn(),
    ],
    ids=["trees", "commits", "tags", "drawn"],
)
def test_the_forge_refuses_the_objects_that_git_refuses(repository: Path, objects: list[tuple[int, bytes]]) -> None:
    shas = {put(repository, kind, data): (kind, data) for kind, data in objects}
    refused = git_refuses(repository)
    ours = {sha: fsck.problem(kind, data) for sha, (kind, data) in shas.items()}
    laxer = {why: shas[sha] for sha, why in refused.items() if is_of_itself(why) and ours.get(sha, "ours") is None}
    stricter = {
        reason: shas[sha]
        for sha, reason in ours.items()
        if reason and sha not in refused and not reason.startswith(BEYOND_GIT)
    }
    assert (laxer, stricter) == ({}, {})
    assert len(refused) > len(shas) / 10
    assert len(ours.keys() - refused.keys()) > len(shas) / 20
