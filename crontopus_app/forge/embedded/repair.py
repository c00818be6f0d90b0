"""Repairs a repository that a disk or a crash has damaged. Nothing is deleted: damaged files move to ``quarantine``.

1. Leftovers of killed writers are removed (by ``Repositories.locked``).
2. Every object is read and its hash compared with its name; damaged ones move to ``quarantine`` in the repository.
3. A branch with a damaged head is reset to its newest intact commit; a damaged tag is removed. ``quarantine/refs.log``
   records the old values.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import closing
from datetime import datetime
from pathlib import Path

from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.objects import ObjectID, ShaFile
from dulwich.pack import Pack, PackData, load_pack_index
from dulwich.refs import Ref
from dulwich.repo import Repo

from crontopus_app.forge.embedded import reading
from crontopus_app.forge.embedded.examine import NAMES
from crontopus_app.forge.embedded.fsck import COMMIT
from crontopus_app.forge.embedded.reading import BROKEN, Unreadable
from crontopus_app.forge.embedded.repositories import Repositories, branch_ref

QUARANTINE, REFS = "quarantine", "refs.log"


def repair(repositories: Repositories, owner: str, name: str, branch: str, now: datetime) -> list[str]:
    """Repairs a repository. Returns a sentence for each problem; none for an intact repository."""
    with repositories.locked(owner, name) as path:
        problems = [*_repair_head(path, branch), *_repair_packs(path), *_repair_loose(path)]
        with Repo(str(path)) as repo:
            return [*problems, *_repair_refs(repo, path, branch, now)]


def _repair_head(path: Path, branch: str) -> list[str]:
    head, expected = path / "HEAD", f"ref: refs/heads/{branch}\n"
    if head.is_file() and head.read_bytes() == expected.encode():
        return []
    head.write_text(expected)
    return [f"HEAD was wrong; it was set to the branch {branch}."]


def _quarantine(path: Path, file: Path) -> None:
    target = path / QUARANTINE / file.relative_to(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(file, target)


# Objects


def _name(kind: int, data: bytes) -> bytes:
    head = f"{NAMES[kind]} {len(data)}\0".encode()
    return hashlib.sha1(head + data, usedforsecurity=False).hexdigest().encode()


def _repair_loose(path: Path) -> list[str]:
    problems = []
    for file in sorted((path / "objects").glob("??/*")):
        sha = (file.parent.name + file.name).encode()
        try:
            read = ShaFile.from_path(str(file))
            good = _name(read.type_num, read.as_raw_string()) == sha
        except BROKEN:
            good = False
        if not good:
            _quarantine(path, file)
            problems.append(f"The object {sha.decode()} is damaged; it was moved to {QUARANTINE}.")
    return problems


def _repair_packs(path: Path) -> list[str]:
    """Unpacks the intact objects of a damaged pack, and quarantines the pack."""
    problems = []
    for file in sorted((path / "objects/pack").glob("*.pack")):
        problems += _repair_index(file)
        good, whole = _pack_objects(file)
        if whole:
            continue
        with Repo(str(path)) as repo:
            for kind, data in good:
                repo.object_store.add_object(ShaFile.from_raw_string(kind, data))
        for part in file.parent.glob(f"{file.stem}.*"):
            _quarantine(path, part)
        problems.append(
            f"The pack {file.stem} is damaged; {len(good)} objects were saved and the pack moved to {QUARANTINE}."
        )
    return problems


def _repair_index(file: Path) -> list[str]:
    """Rebuilds a missing or damaged index of a pack, if the pack itself can be read."""
    index = file.with_suffix(".idx")
    try:
        with closing(load_pack_index(str(index), DEFAULT_OBJECT_FORMAT)) as read:
            read.check()
        return []
    except BROKEN:
        pass
    try:
        index.unlink(missing_ok=True)
        with PackData(str(file), object_format=DEFAULT_OBJECT_FORMAT) as data:
            data.create_index(str(index))
    except BROKEN:
        return []
    return [f"The index of the pack {file.stem} was damaged; it was rebuilt."]


def _pack_objects(file: Path) -> tuple[list[tuple[int, bytes]], bool]:
    """The readable objects of a pack, and whether these are all."""
    good: list[tuple[int, bytes]] = []
    whole = True
    try:
        with Pack(str(file.with_suffix("")), object_format=DEFAULT_OBJECT_FORMAT) as pack:
            for sha in pack:
                try:
                    kind, data = pack.get_raw(sha)
                except BROKEN:
                    whole = False
                    continue
                if _name(kind, data) == sha:
                    good.append((kind, data))
                else:
                    whole = False
            pack.check_length_and_checksum()
    except BROKEN:
        whole = False
    return good, whole


# Refs


def _repair_refs(repo: Repo, path: Path, branch: str, now: datetime) -> list[str]:
    problems = []
    for ref, sha in sorted(_all_refs(repo, path).items()):
        if sha is not None and _is_whole(repo, ref, sha):
            continue
        _note(path, ref, sha, now)
        problems.append(_repair_ref(repo, path, ref, sha))
    if branch_ref(branch) not in reading.refs(repo):
        problems += _restore_branch(repo, branch)
    return problems


def _all_refs(repo: Repo, path: Path) -> dict[Ref, ObjectID | None]:
    """Every branch and tag; None for one whose file is damaged."""
    readable = reading.refs(repo)
    files = (file for kind in ("heads", "tags") for file in (path / "refs" / kind).rglob("*") if file.is_file())
    loose = [Ref(os.fsencode(file.relative_to(path))) for file in files]
    names = {*loose, *(ref for ref in readable if ref != b"HEAD")}
    return {ref: readable.get(ref) for ref in names}


def _is_whole(repo: Repo, ref: Ref, sha: ObjectID) -> bool:
    """Whether the ref's commit and all objects in its tree can be read."""
    store = repo.object_store
    try:
        commit = reading.commit(store, sha)
        for object_sha in reading.tree_objects(store, commit.tree, set()):
            reading.raw(store, object_sha)
    except Unreadable:
        return False
    except KeyError:
        return ref.startswith(b"refs/tags/")  # a tag of another type than a commit
    return True


def _note(path: Path, ref: Ref, sha: ObjectID | None, now: datetime) -> None:
    (path / QUARANTINE).mkdir(exist_ok=True)
    with (path / QUARANTINE / REFS).open("a") as file:
        file.write(f"{now.isoformat()} {sha.decode() if sha else 'unreadable'} {ref.decode('utf-8', 'replace')}\n")


def _repair_ref(repo: Repo, path: Path, ref: Ref, sha: ObjectID | None) -> str:
    name = ref.decode("utf-8", "replace")
    good = _newest_good(repo, sha) if sha and ref.startswith(b"refs/heads/") else None
    if sha and good:
        repo.refs[ref] = good
        return f"{name} cannot be read at {sha.decode()[:12]}; it was reset to {good.decode()[:12]}."
    if sha is None:
        _quarantine(path, path / name)
    else:
        del repo.refs[ref]
    return f"{name} cannot be read; it was removed. {QUARANTINE}/{REFS} records its old value."


def _newest_good(repo: Repo, sha: ObjectID) -> ObjectID | None:
    """The newest intact ancestor."""
    try:
        for commit in reading.newest_first(repo.object_store, reading.commit(repo.object_store, sha)):
            if _is_whole(repo, Ref(b"refs/heads/"), commit.id):
                return commit.id
    except (KeyError, Unreadable):
        pass
    return None


def _restore_branch(repo: Repo, branch: str) -> list[str]:
    """Sets a missing branch to the newest intact commit of the repository; an empty repository needs no branch."""
    for sha in _newest_of_all(repo):
        if _is_whole(repo, branch_ref(branch), sha):
            repo.refs[branch_ref(branch)] = sha
            return [f"refs/heads/{branch} was missing; it was set to the newest intact commit, {sha.decode()[:12]}."]
    return []


def _newest_of_all(repo: Repo) -> list[ObjectID]:
    """All commits of the repository, newest first; among equal times, the longest history first."""
    store = repo.object_store
    shas = [sha for sha in store if reading.kind_of(store, sha) == COMMIT]
    commits = {sha: reading.commit(store, sha) for sha in shas}
    lengths: dict[ObjectID, int] = {}
    for start in commits:
        todo = [start]
        while todo:
            parents = [sha for sha in commits[todo[-1]].parents if sha in commits]
            unknown = [sha for sha in parents if sha not in lengths]
            todo.extend(unknown)
            if not unknown:
                lengths[todo.pop()] = 1 + max((lengths[sha] for sha in parents), default=0)
    return sorted(commits, key=lambda sha: (commits[sha].commit_time, lengths[sha]), reverse=True)
