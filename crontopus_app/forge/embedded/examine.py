"""Whether what a push brought may be taken in: every object, what it names, and what its trees unfold to."""

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
    """A tree unfolded: levels of folders, paths in all, bytes of the longest one."""

    depth: int = 0
    paths: int = 0
    longest: int = 0

    def with_folder(self, name: bytes, inner: Shape) -> Shape:
        paths = min(self.paths + inner.paths, MAX_PATHS + 1)
        return Shape(max(self.depth, inner.depth + 1), paths, max(self.longest, len(name) + 1 + inner.longest))


class Examination:
    """Of one push. ``came`` reads its objects and the repository's, ``here`` the repository's alone.

    The repository's old objects are trusted as far as its refs reach them: they were let in once.
    """

    def __init__(self, came: DiskObjectStore, here: DiskObjectStore) -> None:
        self._came, self._here = came, here
        self._good: dict[bytes, int] = {}
        self._shapes: dict[bytes, Shape] = {}
        self._reachable: set[ObjectID] | None = None

    def arrived(self) -> str | None:
        """Why the pack must be refused: an object is bad, or names one that is missing or of another type."""
        wanted: set[fsck.Link] = set()
        special: set[tuple[bytes, Callable[[bytes], str | None]]] = set()
        for sha, kind, data in self._new_objects():
            reason = fsck.problem(kind, data)
            if reason:
                return f"object {sha.decode()}: {reason}"
            self._good[sha] = kind
            wanted.update(fsck.links(kind, data))
            if kind == TREE:
                special.update(fsck.read_by_git(data))
        return self._first_wrong(wanted) or self._first_dangerous(special)

    def _new_objects(self) -> Iterator[tuple[bytes, int, bytes]]:
        for pack in self._came.packs:
            for sha in pack:
                # A pack may repeat an object of ours, of which it holds only what changed.
                if reading.kind_of(self._here, sha) is None:
                    yield sha, *reading.raw(self._came, sha)

    def _first_wrong(self, wanted: set[fsck.Link]) -> str | None:
        for link in wanted:
            kind = self._kind(link.sha)
            if kind is None:
                return f"missing object {link.sha.decode()}"
            if kind != link.kind:
                return f"object {link.sha.decode()} is a {NAMES[kind]}, not a {NAMES[link.kind]}"
        return None

    def _kind(self, sha: bytes) -> int | None:
        return self._good.get(sha) or reading.kind_of(self._here, sha)

    def _first_dangerous(self, special: set[tuple[bytes, Callable[[bytes], str | None]]]) -> str | None:
        for sha, check in special:
            reason = check(reading.raw(self._came, sha)[1])
            if reason:
                return f"object {sha.decode()}: {reason}"
        return None

    def tip(self, sha: bytes, *, tag: bool, tips: set[ObjectID]) -> str | None:
        """Why a ref must not name the object. Raises Unreadable where something below it is missing."""
        if not tag and self._kind(sha) != COMMIT:
            return "missing necessary objects" if self._kind(sha) is None else "not a commit"
        try:
            start = reading.commit(self._came, sha)
        except KeyError:
            return "not a commit"
        new, old = self._split(start, tips)
        known = self._trusted(old)
        for commit in new:
            reason = self._bad_commit(commit, known)
            if reason:
                return reason
        return None

    def _split(self, start: CommitRead, tips: set[ObjectID]) -> tuple[list[CommitRead], list[CommitRead]]:
        """Commits that no ref reaches yet, and those just below them that some ref does."""
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
                    todo.append(reading.commit(self._came, sha))
        return new, old

    def _reached(self, tips: set[ObjectID]) -> set[ObjectID]:
        """All commits that refs reach, as far as they can be read; looked up once."""
        if self._reachable is None:
            self._reachable = set(reading.history(self._here, tips, gaps=True))
        return self._reachable

    def _trusted(self, old: list[CommitRead]) -> set[ObjectID]:
        known: set[ObjectID] = set()
        for commit in old:
            some: set[ObjectID] = set()
            try:
                for _ in reading.tree_objects(self._here, commit.tree, some):
                    pass  # fills ``some``
            except Unreadable:
                continue  # what is damaged is looked at again
            known |= some
        return known

    def _bad_commit(self, commit: CommitRead, known: set[ObjectID]) -> str | None:
        reason = self._bad(commit.id, COMMIT) or self._unfolded(commit.tree)
        if reason:
            return reason
        todo = [fsck.Link(commit.tree, TREE)]
        while todo:
            link = todo.pop()
            sha = ObjectID(link.sha)
            if sha in known and self._good.get(sha, link.kind) == link.kind:
                continue
            known.add(sha)
            reason = self._bad(sha, link.kind)
            if reason:
                return reason
            if link.kind == TREE:
                todo.extend(fsck.links(TREE, reading.raw(self._came, sha)[1]))
        return None

    def _bad(self, sha: bytes, wanted: int) -> str | None:
        """What is wrong with an object that the tip needs and the pack did not bring, or why it does not fit."""
        kind = self._good.get(sha)
        if kind is None:
            kind, data = reading.raw(self._here, sha)
            reason = fsck.problem(kind, data)
            if reason:
                return f"object {sha.decode()}: {reason}"
            self._good[sha] = kind
        return None if kind == wanted else f"object {sha.decode()} is a {NAMES[kind]}, not a {NAMES[wanted]}"

    def _unfolded(self, root: bytes) -> str | None:
        """Why a tree is too much to read: a few kilobytes of trees can name each other to millions of paths."""
        todo = [root]
        while todo:
            if todo[-1] in self._shapes:
                todo.pop()
                continue
            rows = reading.tree(self._came, todo[-1])
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
                    f"a tree has at most {MAX_DEPTH} levels of folders, {MAX_PATHS} paths, "
                    f"and paths of at most {MAX_PATH} bytes"
                )
            self._shapes[todo.pop()] = shape
        return None
