"""Mending a repository that a disk or a crash has damaged. No commit of a user is deleted: what is bad moves aside.

1. What a killed writer left is cleared (``Repositories.writing`` does it).
2. Every object is read and compared with its name; damaged ones move to ``quarantine`` in the repository's folder.
3. A branch whose newest commit cannot be read whole goes back to the newest one that can; a tag is taken away. The old
   names stand in ``quarantine/refs.log``.
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
    """Mends a repository and gives a sentence for each thing that was wrong; none for a good one."""
    with repositories.locked(owner, name) as path:
        found = [*_mend_head(path, branch), *_mend_packs(path), *_mend_loose(path)]
        with Repo(str(path)) as repo:
            return [*found, *_mend_refs(repo, path, branch, now)]


def _mend_head(path: Path, branch: str) -> list[str]:
    head, wanted = path / "HEAD", f"ref: refs/heads/{branch}\n"
    if head.is_file() and head.read_bytes() == wanted.encode():
        return []
    head.write_text(wanted)
    return [f"HEAD names the branch {branch} again."]


def _aside(path: Path, file: Path) -> None:
    target = path / QUARANTINE / file.relative_to(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(file, target)


# Objects


def _name(kind: int, data: bytes) -> bytes:
    head = f"{NAMES[kind]} {len(data)}\0".encode()
    return hashlib.sha1(head + data, usedforsecurity=False).hexdigest().encode()


def _mend_loose(path: Path) -> list[str]:
    found = []
    for file in sorted((path / "objects").glob("??/*")):
        sha = (file.parent.name + file.name).encode()
        try:
            read = ShaFile.from_path(str(file))
            good = _name(read.type_num, read.as_raw_string()) == sha
        except BROKEN:
            good = False
        if not good:
            _aside(path, file)
            found.append(f"The object {sha.decode()} is damaged and was moved aside.")
    return found


def _mend_packs(path: Path) -> list[str]:
    """A pack that holds a damaged object is taken apart: its good ones become loose, the pack moves aside."""
    found = []
    for file in sorted((path / "objects/pack").glob("*.pack")):
        found += _mend_index(file)
        good, whole = _pack_objects(file)
        if whole:
            continue
        with Repo(str(path)) as repo:
            for kind, data in good:
                repo.object_store.add_object(ShaFile.from_raw_string(kind, data))
        for part in file.parent.glob(f"{file.stem}.*"):
            _aside(path, part)
        found.append(f"The pack {file.stem} is damaged: {len(good)} objects of it were saved, and it was moved aside.")
    return found


def _mend_index(file: Path) -> list[str]:
    """Makes a pack's index anew where it is missing or damaged, if the pack itself can be read."""
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
    return [f"The index of the pack {file.stem} was damaged and has been made anew."]


def _pack_objects(file: Path) -> tuple[list[tuple[int, bytes]], bool]:
    """What can be read of a pack, and whether that is all of it."""
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


def _mend_refs(repo: Repo, path: Path, branch: str, now: datetime) -> list[str]:
    found = []
    for ref, sha in sorted(_all_refs(repo, path).items()):
        if sha is not None and _is_whole(repo, ref, sha):
            continue
        _note(path, ref, sha, now)
        found.append(_mend_ref(repo, path, ref, sha))
    if branch_ref(branch) not in reading.refs(repo):
        found += _bring_back(repo, branch)
    return found


def _all_refs(repo: Repo, path: Path) -> dict[Ref, ObjectID | None]:
    """Every branch and tag; None for one whose file makes no sense."""
    known = reading.refs(repo)
    files = (file for kind in ("heads", "tags") for file in (path / "refs" / kind).rglob("*") if file.is_file())
    loose = [Ref(os.fsencode(file.relative_to(path))) for file in files]
    wanted = {*loose, *(ref for ref in known if ref != b"HEAD")}
    return {ref: known.get(ref) for ref in wanted}


def _is_whole(repo: Repo, ref: Ref, sha: ObjectID) -> bool:
    """Whether what the ref names, and all in its tree, can be read."""
    store = repo.object_store
    try:
        commit = reading.commit(store, sha)
        for one in reading.tree_objects(store, commit.tree, set()):
            reading.raw(store, one)
    except Unreadable:
        return False
    except KeyError:
        return ref.startswith(b"refs/tags/")  # a tag of something that is no commit
    return True


def _note(path: Path, ref: Ref, sha: ObjectID | None, now: datetime) -> None:
    (path / QUARANTINE).mkdir(exist_ok=True)
    with (path / QUARANTINE / REFS).open("a") as file:
        file.write(f"{now.isoformat()} {sha.decode() if sha else 'unreadable'} {ref.decode('utf-8', 'replace')}\n")


def _mend_ref(repo: Repo, path: Path, ref: Ref, sha: ObjectID | None) -> str:
    name = ref.decode("utf-8", "replace")
    good = _newest_good(repo, sha) if sha and ref.startswith(b"refs/heads/") else None
    if sha and good:
        repo.refs[ref] = good
        return f"{name} cannot be read at {sha.decode()[:12]}: it was set back to {good.decode()[:12]}."
    if sha is None:
        _aside(path, path / name)
    else:
        del repo.refs[ref]
    return f"{name} cannot be read and was taken away; {QUARANTINE}/{REFS} has what it was."


def _newest_good(repo: Repo, sha: ObjectID) -> ObjectID | None:
    """The newest ancestor that can be read whole."""
    try:
        for commit in reading.newest_first(repo.object_store, reading.commit(repo.object_store, sha)):
            if _is_whole(repo, Ref(b"refs/heads/"), commit.id):
                return commit.id
    except (KeyError, Unreadable):
        pass
    return None


def _bring_back(repo: Repo, branch: str) -> list[str]:
    """Sets the branch that is gone to the newest commit of all that are here; an empty repository needs none."""
    for sha in _newest_of_all(repo):
        if _is_whole(repo, branch_ref(branch), sha):
            repo.refs[branch_ref(branch)] = sha
            return [f"refs/heads/{branch} was set to the newest commit that can be read, {sha.decode()[:12]}."]
    return []


def _newest_of_all(repo: Repo) -> list[ObjectID]:
    """Every commit here, newest first; of one second those with the longest history."""
    store = repo.object_store
    shas = [sha for sha in store if reading.kind_of(store, sha) == COMMIT]
    found = {sha: reading.commit(store, sha) for sha in shas}
    lengths: dict[ObjectID, int] = {}
    for start in found:
        todo = [start]
        while todo:
            parents = [sha for sha in found[todo[-1]].parents if sha in found]
            unknown = [sha for sha in parents if sha not in lengths]
            todo.extend(unknown)
            if not unknown:
                lengths[todo.pop()] = 1 + max((lengths[sha] for sha in parents), default=0)
    return sorted(found, key=lambda sha: (found[sha].commit_time, lengths[sha]), reverse=True)
