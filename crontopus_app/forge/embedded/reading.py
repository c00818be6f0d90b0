"""Reads objects that may be malformed or damaged, by an older version or by a disk.

Malformed objects, which Git would refuse, are read as far as possible. A missing or damaged object raises
``Unreadable`` (424): only its repository is affected, until it is repaired.
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
from crontopus_app.forge.embedded.http_error import HttpError
from crontopus_app.forge.embedded.pack_guard import MAX_OBJECT

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


class Unreadable(HttpError):
    """An object of a repository is missing or damaged."""

    def __init__(self, sha: bytes, *, missing: bool = False) -> None:
        name = sha.decode("ascii", "replace")
        super().__init__(424, f"The repository is damaged: its object {name} {MISSING if missing else DAMAGED}")
        self.missing = missing


def raw(store: Store, sha: bytes) -> tuple[int, bytes]:
    """The object's type and content; raises Unreadable."""
    try:
        return store.get_raw(ObjectID(sha))
    except KeyError:
        raise Unreadable(sha, missing=True) from None
    except BROKEN:
        return _as_written(store, sha)


def _as_written(store: Store, sha: bytes) -> tuple[int, bytes]:
    """The type and content of a loose object that dulwich cannot parse; raises Unreadable."""
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
    """The object's type; None if it is missing or damaged."""
    try:
        return raw(store, sha)[0]
    except Unreadable:
        return None


@dataclass(frozen=True)
class CommitRead:
    """The readable parts of a commit. Times are seconds since 1970, zones seconds east of UTC."""

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
    """Parses any commit: a missing line becomes empty, an invalid date 1970."""
    header, _, message = data.partition(b"\n\n")
    lines: dict[bytes, list[bytes]] = {}
    for line in header.split(b"\n"):
        key, _, value = line.partition(b" ")
        lines.setdefault(key, []).append(value)
    first = {key: values[0] for key, values in lines.items()}
    author, committer = _moment(first.get(b"author", b"")), _moment(first.get(b"committer", b""))
    parents = tuple(ObjectID(parent) for parent in lines.get(b"parent", []))
    return CommitRead(ObjectID(sha), ObjectID(first.get(b"tree", b"")), parents, *author, *committer, message)


def _moment(line: bytes) -> tuple[bytes, int, int]:
    match = _LINE.fullmatch(line)
    if match is None:
        return line, 0, 0
    at = min(max(int(match["at"]), 0), fsck.MAX_DATE)
    minutes = min(int(match["hours"]) * 60 + int(match["minutes"]), fsck.DAY_MINUTES - 1)
    return match["who"], at, minutes * (-60 if match["sign"] == b"-" else 60)


def commit(store: Store, sha: bytes) -> CommitRead:
    """The commit with this sha, or that a tag points to. Raises KeyError for another type, and Unreadable."""
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
    match = re.match(rb"object ([0-9a-f]{40})\n", data)
    return ObjectID(match[1]) if match else None


def tree(store: Store, sha: bytes) -> list[Entry]:
    """The entries of a tree, up to the first malformed one; none for another type. Raises Unreadable."""
    kind, data = raw(store, sha)
    rows: list[Entry] = []
    try:
        for row in fsck.tree_entries(data) if kind == TREE else ():
            rows.append(row)
    except ValueError:
        pass
    return rows


def tree_objects(store: Store, root: bytes, known: set[ObjectID]) -> Iterator[ObjectID]:
    """Yields the tree and its objects that are not in ``known``, and adds them to it. Skips submodule commits."""
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
    """Commits reachable from ``starts`` (commits or tags). The parents of commits in ``ends`` are not followed.

    With ``gaps``, unreadable commits are omitted; otherwise raises Unreadable.
    """
    commits: dict[ObjectID, CommitRead] = {}
    todo = list(starts)
    while todo:
        sha = todo.pop()
        if sha in commits:
            continue
        try:
            item = commit(store, sha)
        except KeyError:
            continue  # a tag of another type than a commit
        except Unreadable:
            if gaps:
                continue
            raise
        commits[item.id] = item
        if item.id not in ends:
            todo.extend(item.parents)
    return commits


def newest_first(store: Store, start: CommitRead, without: bytes | None = None) -> Iterator[CommitRead]:
    """The ancestors of ``start`` by date, newest first, except those of ``without``. Follows dates, as Git does."""
    queue = [(-start.commit_time, 0, start)]
    seen, old = {start.id}, set[ObjectID]()
    if without is not None:
        base = commit(store, without)
        old.add(base.id)
        if base.id not in seen:
            seen.add(base.id)
            queue.append((-base.commit_time, 1, base))
            heapq.heapify(queue)
    while any(item.id not in old for *_, item in queue):
        *_, item = heapq.heappop(queue)
        if item.id in old:
            old.update(item.parents)
        else:
            yield item
        for sha in item.parents:
            if sha not in seen:
                seen.add(sha)
                parent = commit(store, sha)
                heapq.heappush(queue, (-parent.commit_time, len(seen), parent))


def refs(repo: Repo) -> dict[Ref, ObjectID]:
    """All valid refs by full name, including HEAD."""
    valid: dict[Ref, ObjectID] = {}
    for name in repo.refs.allkeys():
        try:
            sha = repo.refs[name]
        except BROKEN:
            continue
        if valid_hexsha(sha):
            valid[name] = sha
    return valid
