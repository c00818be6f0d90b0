"""Reading objects that may be odd or damaged: an older version, or a disk, may have left any of them.

What Git itself would refuse is read as far as it makes sense. An object that is not there, or not to be read, raises
``Unreadable``: a 424, for its repository alone must wait for a repair.
"""

from __future__ import annotations

import heapq
import re
import struct
import zlib
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dulwich.errors import ApplyDeltaError, ChecksumMismatch, FileFormatException
from dulwich.object_store import BaseObjectStore, PackBasedObjectStore
from dulwich.objects import ObjectID, valid_hexsha
from dulwich.refs import Ref
from dulwich.repo import Repo

from crontopus_app.forge.embedded import fsck
from crontopus_app.forge.embedded.fsck import COMMIT, TAG, TREE, Entry
from crontopus_app.forge.embedded.pack_guard import MAX_OBJECT
from crontopus_app.forge.embedded.refused import Refused

# What dulwich raises for an object that is missing or damaged.
BROKEN = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    AssertionError,
    zlib.error,
    struct.error,
    ApplyDeltaError,
    ChecksumMismatch,
    FileFormatException,
)
MAX_TAGS = 10
MISSING, DAMAGED = "is missing.", "cannot be read."
Store = BaseObjectStore | PackBasedObjectStore


class Unreadable(Refused):
    """An object of a repository is missing or damaged; ``missing`` tells which."""

    def __init__(self, sha: bytes, *, missing: bool = False) -> None:
        name = sha.decode("ascii", "replace")
        super().__init__(424, f"The repository is damaged: its object {name} {MISSING if missing else DAMAGED}")
        self.missing = missing


def raw(store: Store, sha: bytes) -> tuple[int, bytes]:
    """The object's type and bytes; raises Unreadable."""
    try:
        return store.get_raw(ObjectID(sha))
    except KeyError:
        raise Unreadable(sha, missing=True) from None
    except BROKEN:
        return _as_written(store, sha)


def _as_written(store: Store, sha: bytes) -> tuple[int, bytes]:
    """A loose object that dulwich does not take for one of its type; raises Unreadable."""
    name = sha.decode("ascii", "replace")
    try:
        packed = Path(store.path, name[:2], name[2:]).read_bytes()  # type: ignore[union-attr] -- a store on disk
        head, _, data = zlib.decompressobj().decompress(packed, MAX_OBJECT).partition(b"\0")
        kind, _, size = head.partition(b" ")
        if int(size) != len(data):
            raise ValueError(size)
        return fsck.TYPES[kind], data
    except BROKEN:
        raise Unreadable(sha) from None


def kind_of(store: Store, sha: bytes) -> int | None:
    """The object's type; None where it is missing or damaged."""
    try:
        return raw(store, sha)[0]
    except Unreadable:
        return None


@dataclass(frozen=True)
class CommitRead:
    """A commit, or what can be read of one: times are seconds since 1970, zones seconds east of Greenwich."""

    id: ObjectID
    tree: ObjectID
    parents: tuple[ObjectID, ...]
    author: bytes
    author_time: int
    author_timezone: int
    committer: bytes
    commit_time: int
    commit_timezone: int
    message: bytes


_LINE = re.compile(
    rb"(?P<who>.*?)\s*(?P<at>-?[0-9]{1,30})\s+(?P<sign>[+-])(?P<hours>[0-9]{1,9})(?P<minutes>[0-9]{2})", re.DOTALL
)


def parse_commit(sha: bytes, data: bytes) -> CommitRead:
    """Whatever is wrong with the object: a missing line is empty, a date that nobody can read is 1970."""
    header, _, message = data.partition(b"\n\n")
    lines: dict[bytes, list[bytes]] = {}
    for line in header.split(b"\n"):
        key, _, value = line.partition(b" ")
        lines.setdefault(key, []).append(value)
    first = {key: values[0] for key, values in lines.items()}
    author, committer = _moment(first.get(b"author", b"")), _moment(first.get(b"committer", b""))
    parents = tuple(ObjectID(one) for one in lines.get(b"parent", []))
    return CommitRead(ObjectID(sha), ObjectID(first.get(b"tree", b"")), parents, *author, *committer, message)


def _moment(line: bytes) -> tuple[bytes, int, int]:
    found = _LINE.fullmatch(line)
    if found is None:
        return line, 0, 0
    at = min(max(int(found["at"]), 0), fsck.MAX_DATE)
    minutes = min(int(found["hours"]) * 60 + int(found["minutes"]), fsck.DAY_MINUTES - 1)
    return found["who"], at, minutes * (-60 if found["sign"] == b"-" else 60)


def commit(store: Store, sha: bytes) -> CommitRead:
    """The commit that a sha names, tags peeled; raises KeyError for another object, Unreadable for none."""
    for _ in range(MAX_TAGS):
        kind, data = raw(store, sha)
        if kind == COMMIT:
            return parse_commit(sha, data)
        target = tag_target(data) if kind == TAG else None
        if target is None:
            break
        sha = target
    raise KeyError(sha)


def tag_target(data: bytes) -> ObjectID | None:
    found = re.match(rb"object ([0-9a-f]{40})\n", data)
    return ObjectID(found[1]) if found else None


def tree(store: Store, sha: bytes) -> list[Entry]:
    """The rows of a tree, up to where they make no sense; none for what is no tree. Raises Unreadable."""
    kind, data = raw(store, sha)
    rows: list[Entry] = []
    try:
        for row in fsck.tree_entries(data) if kind == TREE else ():
            rows.append(row)
    except ValueError:
        pass
    return rows


def tree_objects(store: Store, root: bytes, known: set[ObjectID]) -> Iterator[ObjectID]:
    """The tree and all in it that is not in ``known`` yet; adds them. Submodules' commits live elsewhere."""
    todo = [ObjectID(root)]
    while todo:
        sha = todo.pop()
        if sha in known:
            continue
        known.add(sha)
        yield sha
        for row in tree(store, sha):
            if row.kind == TREE:
                todo.append(ObjectID(row.sha))
            elif row.kind is not None and ObjectID(row.sha) not in known:
                known.add(ObjectID(row.sha))
                yield ObjectID(row.sha)


def history(
    store: Store, starts: Iterable[bytes], ends: Container[ObjectID] = (), *, gaps: bool = False
) -> dict[ObjectID, CommitRead]:
    """Commits reachable from ``starts``, tags peeled; of those in ``ends`` the parents are not followed.

    With ``gaps`` what cannot be read is left out, else it raises Unreadable.
    """
    found: dict[ObjectID, CommitRead] = {}
    todo = list(starts)
    while todo:
        sha = todo.pop()
        if sha in found:
            continue
        try:
            one = commit(store, sha)
        except KeyError:
            continue  # a tag of something else
        except Unreadable:
            if gaps:
                continue
            raise
        found[one.id] = one
        if one.id not in ends:
            todo.extend(one.parents)
    return found


def newest_first(store: Store, start: CommitRead, without: bytes | None = None) -> Iterator[CommitRead]:
    """All commits down from ``start``, by date, but what ``without`` reaches; told apart by date, as Git does."""
    queue = [(-start.commit_time, 0, start)]
    seen, old = {start.id}, set[ObjectID]()
    if without is not None:
        base = commit(store, without)
        old.add(base.id)
        if base.id not in seen:
            seen.add(base.id)
            queue.append((-base.commit_time, 1, base))
            heapq.heapify(queue)
    while any(one.id not in old for *_, one in queue):
        *_, one = heapq.heappop(queue)
        if one.id in old:
            old.update(one.parents)
        else:
            yield one
        for sha in one.parents:
            if sha not in seen:
                seen.add(sha)
                parent = commit(store, sha)
                heapq.heappush(queue, (-parent.commit_time, len(seen), parent))


def refs(repo: Repo) -> dict[Ref, ObjectID]:
    """All refs by their full names, HEAD among them; those that name nothing are left out."""
    found: dict[Ref, ObjectID] = {}
    for name in repo.refs.allkeys():
        try:
            sha = repo.refs[name]
        except BROKEN:
            continue
        if valid_hexsha(sha):
            found[name] = sha
    return found
