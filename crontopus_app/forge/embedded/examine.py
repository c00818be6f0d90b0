"""Checks a push: every object, the objects it refers to, and the expanded size of its trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dulwich.object_store import DiskObjectStore
from dulwich.objects import ObjectID

from crontopus_app.forge.embedded import fsck, reading
from crontopus_app.forge.embedded.fsck import BLOB, COMMIT, TREE
from crontopus_app.forge.embedded.reading import CommitRead, Unreadable

MAX_DEPTH = 64
MAX_PATH = 1024
MAX_PATHS = 100_000
NAMES = {BLOB: "blob", TREE: "tree", COMMIT: "commit", fsck.TAG: "tag"}


@dataclass(frozen=True)
class Shape:
    """An expanded tree: levels of folders, total paths, and bytes of the longest path."""

    depth: int = 0
    paths: int = 0
    longest: int = 0

    def with_folder(self, name: bytes, inner: Shape) -> Shape:
        paths = min(self.paths + inner.paths, MAX_PATHS + 1)
        return Shape(max(self.depth, inner.depth + 1), paths, max(self.longest, len(name) + 1 + inner.longest))


class Examination:
    """Checks one push. ``pushed`` reads its objects and the repository's, ``existing`` only the repository's.

    Existing objects that refs reach are trusted: they were checked when they were pushed.
    """

    def __init__(self, pushed: DiskObjectStore, existing: DiskObjectStore) -> None:
        self._pushed, self._existing = pushed, existing
        self._good: dict[bytes, int] = {}
        self._shapes: dict[bytes, Shape] = {}
        self._reachable: set[ObjectID] | None = None

    def pack_problem(self) -> str | None:
        """Why the pack must be refused: an invalid object, or a reference to a missing object or to another type."""
        references: set[fsck.Link] = set()
        special: set[tuple[bytes, Callable[[bytes], str | None]]] = set()
        for sha, kind, data in self._new_objects():
            reason = fsck.problem(kind, data)
            if reason:
                return f"object {sha.decode()}: {reason}"
            self._good[sha] = kind
            references.update(fsck.links(kind, data))
            if kind == TREE:
                special.update(fsck.read_by_git(data))
        return self._first_wrong(references) or self._first_dangerous(special)

    def _new_objects(self) -> Iterator[tuple[bytes, int, bytes]]:
        for pack in self._pushed.packs:
            for sha in pack:
                # Skip existing objects that the pack repeats.
                if reading.kind_of(self._existing, sha) is None:
                    yield sha, *reading.raw(self._pushed, sha)

    def _first_wrong(self, references: set[fsck.Link]) -> str | None:
        for link in references:
            kind = self._kind(link.sha)
            if kind is None:
                return f"missing object {link.sha.decode()}"
            if kind != link.kind:
                return f"object {link.sha.decode()} is a {NAMES[kind]}, not a {NAMES[link.kind]}"
        return None

    def _kind(self, sha: bytes) -> int | None:
        return self._good.get(sha) or reading.kind_of(self._existing, sha)

    def _first_dangerous(self, special: set[tuple[bytes, Callable[[bytes], str | None]]]) -> str | None:
        for sha, check in special:
            reason = check(reading.raw(self._pushed, sha)[1])
            if reason:
                return f"object {sha.decode()}: {reason}"
        return None

    def tip(self, sha: bytes, *, tag: bool, tips: set[ObjectID]) -> str | None:
        """Why a ref must not point to the object. Raises Unreadable if an object that it reaches is missing."""
        if not tag and self._kind(sha) != COMMIT:
            return "missing necessary objects" if self._kind(sha) is None else "not a commit"
        try:
            start = reading.commit(self._pushed, sha)
        except KeyError:
            return "not a commit"
        new, old = self._split(start, tips)
        trusted = self._trusted(old)
        for commit in new:
            reason = self._bad_commit(commit, trusted)
            if reason:
                return reason
        return None

    def _split(self, start: CommitRead, tips: set[ObjectID]) -> tuple[list[CommitRead], list[CommitRead]]:
        """Commits that no ref reaches yet, and their nearest ancestors that a ref reaches."""
        new: list[CommitRead] = []
        old: list[CommitRead] = []
        seen, todo = {start.id}, [start]
        while todo:
            commit = todo.pop()
            if commit.id in tips or (commit.id not in self._good and commit.id in self._reached(tips)):
                old.append(commit)
                continue
            new.append(commit)
            for sha in commit.parents:
                if sha not in seen:
                    seen.add(sha)
                    todo.append(reading.commit(self._pushed, sha))
        return new, old

    def _reached(self, tips: set[ObjectID]) -> set[ObjectID]:
        """All readable commits that refs reach. Computed once."""
        if self._reachable is None:
            self._reachable = set(reading.history(self._existing, tips, gaps=True))
        return self._reachable

    def _trusted(self, old: list[CommitRead]) -> set[ObjectID]:
        trusted: set[ObjectID] = set()
        for commit in old:
            objects: set[ObjectID] = set()
            try:
                for _ in reading.tree_objects(self._existing, commit.tree, objects):
                    pass  # fills ``objects``
            except Unreadable:
                continue  # damaged objects are checked again
            trusted |= objects
        return trusted

    def _bad_commit(self, commit: CommitRead, trusted: set[ObjectID]) -> str | None:
        reason = self._bad(commit.id, COMMIT) or self._unfolded(commit.tree)
        if reason:
            return reason
        todo = [fsck.Link(commit.tree, TREE)]
        while todo:
            link = todo.pop()
            sha = ObjectID(link.sha)
            if sha in trusted and self._good.get(sha, link.kind) == link.kind:
                continue
            trusted.add(sha)
            reason = self._bad(sha, link.kind)
            if reason:
                return reason
            if link.kind == TREE:
                todo.extend(fsck.links(TREE, reading.raw(self._pushed, sha)[1]))
        return None

    def _bad(self, sha: bytes, expected: int) -> str | None:
        """What is wrong with an object that the tip reaches and the pack does not contain."""
        kind = self._good.get(sha)
        if kind is None:
            kind, data = reading.raw(self._existing, sha)
            reason = fsck.problem(kind, data)
            if reason:
                return f"object {sha.decode()}: {reason}"
            self._good[sha] = kind
        return None if kind == expected else f"object {sha.decode()} is a {NAMES[kind]}, not a {NAMES[expected]}"

    def _unfolded(self, root: bytes) -> str | None:
        """Why a tree is too large: a few kilobytes of nested trees can expand to millions of paths."""
        todo = [root]
        while todo:
            if todo[-1] in self._shapes:
                todo.pop()
                continue
            rows = reading.tree(self._pushed, todo[-1])
            folders = [row for row in rows if row.kind == TREE]
            missing = {row.sha for row in folders if row.sha not in self._shapes}
            if missing and len(rows) <= MAX_PATHS:
                todo.extend(missing)
                continue
            shape = Shape(0, len(rows), max((len(row.name) for row in rows), default=0))
            for row in folders:
                shape = shape.with_folder(row.name, self._shapes.get(row.sha, Shape()))
            if shape.depth > MAX_DEPTH or shape.paths > MAX_PATHS or shape.longest > MAX_PATH:
                return (
                    f"a tree is too large: at most {MAX_DEPTH} levels of folders, {MAX_PATHS} paths, "
                    f"and {MAX_PATH} bytes in a path are allowed"
                )
            self._shapes[todo.pop()] = shape
        return None
