"""Reads commits, trees and blobs, and formats them as Forgejo's API does."""

from __future__ import annotations

import base64
import io
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from typing import Any

from dulwich.objects import Blob, ObjectID, valid_hexsha
from dulwich.patch import write_object_diff
from dulwich.repo import Repo

from crontopus_app.forge.embedded import reading
from crontopus_app.forge.embedded.examine import MAX_PATHS
from crontopus_app.forge.embedded.fsck import TREE, Entry
from crontopus_app.forge.embedded.http_error import HttpError
from crontopus_app.forge.embedded.reading import BROKEN, CommitRead, Store, Unreadable

MAX_BLOB = 10 * 1024 * 1024
# Twice the limit of a push, because edits through REST add paths.
MAX_ENTRIES = 2 * MAX_PATHS
MAX_CHANGES = MAX_PATHS
MAX_DIFF, MAX_DIFF_FILES = 32 * 1024 * 1024, 10_000


def entries(
    repo: Repo, tree: ObjectID, prefix: str = "", recursive: bool = True
) -> Iterator[tuple[str, int, ObjectID]]:
    """``(path, mode, sha)`` of everything in a tree, a folder before its content; only the first of duplicate paths.

    Stops after ``MAX_ENTRIES``, because nested trees can expand to any number.
    """
    seen: set[str] = set()
    todo = [_rows(repo, tree, prefix)]
    while todo and len(seen) < MAX_ENTRIES:
        row = next(todo[-1], None)
        if row is None:
            todo.pop()
        elif row[0] not in seen:
            seen.add(row[0])
            yield row
            if recursive and stat.S_ISDIR(row[1]):
                todo.append(_rows(repo, row[2], row[0] + "/"))


def _rows(repo: Repo, tree: ObjectID, prefix: str) -> Iterator[tuple[str, int, ObjectID]]:
    rows = reading.tree(repo.object_store, tree)
    return iter([(prefix + text(row.name), row.mode, ObjectID(row.sha)) for row in rows])


def text(name: bytes) -> str:
    """A name as text. Invalid bytes are escaped, so that different names stay different."""
    return name.decode("utf-8", "backslashreplace")


class Trees:
    """Looks up paths in the trees of a repository; reads each tree once."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._read: dict[ObjectID, dict[str, tuple[int, ObjectID]]] = {}

    def lookup(self, tree: ObjectID, path: str) -> tuple[int, ObjectID] | None:
        """Mode and sha of a path; None if there is none. Symbolic links are not followed."""
        mode, sha = stat.S_IFDIR, tree
        for segment in path.split("/") if path else []:
            entry = self._folder(sha).get(segment) if stat.S_ISDIR(mode) else None
            if entry is None:
                return None
            mode, sha = entry
        return mode, sha

    def _folder(self, sha: ObjectID) -> dict[str, tuple[int, ObjectID]]:
        if sha not in self._read:
            rows = reversed(list(_rows(self._repo, sha, "")))  # so that the first of duplicate names wins
            self._read[sha] = {name: (mode, item) for name, mode, item in rows}
        return self._read[sha]


def lookup(repo: Repo, tree: ObjectID, path: str) -> tuple[int, ObjectID] | None:
    """As ``Trees.lookup``, for one path."""
    return Trees(repo).lookup(tree, path)


def blob(repo: Repo, sha: str) -> Blob:
    """Raises 400 for a sha without a blob, Unreadable for a damaged one."""
    name = sha.encode("ascii", "replace")
    try:
        kind, data = reading.raw(repo.object_store, name)
    except Unreadable as damage:
        if damage.missing or not valid_hexsha(name):
            raise HttpError(400, f"object does not exist [id: {sha}]") from None
        raise
    if kind != Blob.type_num:
        raise HttpError(400, f"{sha} is not a blob")
    return Blob.from_string(data)


def size(repo: Repo, sha: bytes) -> int:
    """The size of an object in bytes; 0 for an unreadable one, so that lists still work."""
    try:
        return len(reading.raw(repo.object_store, sha)[1])
    except Unreadable:
        return 0


def blob_body(blob: Blob) -> dict[str, Any]:
    data = blob.data
    content = base64.b64encode(data).decode() if len(data) <= MAX_BLOB else ""
    return {"content": content, "encoding": "base64", "sha": blob.id.decode(), "size": len(data)}


def kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "tree"
    return "blob" if stat.S_ISREG(mode) or stat.S_ISLNK(mode) else "commit"


def contents_body(repo: Repo, path: str, mode: int, sha: ObjectID, with_content: bool) -> dict[str, Any]:
    """Forgejo's ContentsResponse. The content of a symbolic link is its target's path."""
    body: dict[str, Any] = {
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "sha": sha.decode(),
        "type": {"tree": "dir", "commit": "submodule"}.get(kind(mode), "symlink" if stat.S_ISLNK(mode) else "file"),
        "size": 0,
        "encoding": None,
        "content": None,
    }
    if kind(mode) == "blob":
        body["size"] = size(repo, sha)
        if with_content:
            content = blob_body(blob(repo, sha.decode()))
            body |= {"encoding": content["encoding"], "content": content["content"]}
    return body


def history(repo: Repo, start: CommitRead, path: str, skip: int, count: int) -> list[CommitRead]:
    """Commits, newest first; with ``path``, only those that changed it."""
    commits = reading.newest_first(repo.object_store, start)
    if path:
        trees = Trees(repo)
        commits = (commit for commit in commits if _touches(repo, trees, commit, path))
    return list(islice(commits, skip, skip + count))


def _touches(repo: Repo, trees: Trees, commit: CommitRead, path: str) -> bool:
    """Whether a commit differs at ``path`` from each of its parents; a root commit, whether it has the path."""
    entry = trees.lookup(commit.tree, path)
    parents = [reading.commit(repo.object_store, sha) for sha in commit.parents]
    parent_entries = [trees.lookup(parent.tree, path) for parent in parents]
    return entry not in parent_entries if parent_entries else entry is not None


def person(identity: bytes, seconds: int, zone: int) -> dict[str, str]:
    name, _, address = identity.decode("utf-8", "replace").partition("<")
    at = datetime.fromtimestamp(seconds, UTC).astimezone(timezone(timedelta(seconds=zone)))
    return {"name": name.strip(), "email": address.rstrip(">"), "date": at.isoformat().replace("+00:00", "Z")}


def commit_body(commit: CommitRead, url: str) -> dict[str, Any]:
    """A commit in the format of Forgejo's API."""
    author = person(commit.author, commit.author_time, commit.author_timezone)
    committer = person(commit.committer, commit.commit_time, commit.commit_timezone)
    sha = commit.id.decode()
    return {
        "sha": sha,
        "url": f"{url}/git/commits/{sha}",
        "created": committer["date"],
        "commit": {
            "message": commit.message.decode("utf-8", "replace"),
            "author": author,
            "committer": committer,
            "tree": {"sha": commit.tree.decode("ascii", "replace")},
        },
        "author": None,
        "committer": None,
        "parents": [{"sha": parent.decode("ascii", "replace")} for parent in commit.parents],
        "files": None,
        "stats": None,
    }


@dataclass(frozen=True)
class TreeDifference:
    """A path that differs between two trees. ``old`` or ``new`` is None if it is absent there."""

    path: bytes
    old: Entry | None
    new: Entry | None


def tree_differences(store: Store, old: bytes | None, new: bytes) -> Iterator[TreeDifference]:
    """Files that differ between two trees; at most ``MAX_CHANGES``, because nested trees can expand to any number."""
    todo: list[tuple[bytes, bytes | None, bytes | None]] = [(b"", old, new)]
    compared = 0
    while todo:
        prefix, *sides = todo.pop()
        before, after = ({row.name: row for row in reading.tree(store, sha)} if sha else {} for sha in sides)
        for name in sorted(before.keys() | after.keys()):
            was, now = before.get(name), after.get(name)
            if was == now:
                continue
            compared += 1
            if compared > MAX_CHANGES:
                return
            old_folder, new_folder = (row.sha if row and row.kind == TREE else None for row in (was, now))
            if old_folder or new_folder:
                todo.append((prefix + name + b"/", old_folder, new_folder))
            old_file, new_file = (None if row and row.kind == TREE else row for row in (was, now))
            if old_file or new_file:
                yield TreeDifference(prefix + name, old_file, new_file)


def changed(repo: Repo, commit: CommitRead) -> dict[str, list[str]]:
    """Paths that a commit added, removed and modified against its first parent, as far as they can be read."""
    files: dict[str, list[str]] = {"added": [], "removed": [], "modified": []}
    try:
        for difference in tree_differences(repo.object_store, _parent_tree(repo, commit), commit.tree):
            kind = "removed" if difference.new is None else "added" if difference.old is None else "modified"
            files[kind].append(text(difference.path))
    except Unreadable:
        pass
    return {kind: sorted(paths) for kind, paths in files.items()}


def affected_files(repo: Repo, commit: CommitRead) -> list[dict[str, str]]:
    """The changed files in the format of Forgejo's commits."""
    return [{"filename": path, "status": status} for status, paths in changed(repo, commit).items() for path in paths]


def diff(repo: Repo, commit: CommitRead) -> bytes:
    """The unified diff of a commit against its first parent, up to ``MAX_DIFF`` bytes; raises Unreadable."""
    out, store = io.BytesIO(), repo.object_store
    changes = islice(tree_differences(store, _parent_tree(repo, commit), commit.tree), MAX_DIFF_FILES)
    for change in sorted(changes, key=lambda difference: difference.path):
        sides = [
            (change.path, row.mode, ObjectID(row.sha)) if row else (None, None, None)
            for row in (change.old, change.new)
        ]
        try:
            write_object_diff(out, store, sides[0], sides[1])
        except BROKEN:
            raise HttpError(424, f"The repository is damaged: {text(change.path)} cannot be read.") from None
        if out.tell() > MAX_DIFF:
            break
    return out.getvalue()


def _parent_tree(repo: Repo, commit: CommitRead) -> ObjectID | None:
    return reading.commit(repo.object_store, commit.parents[0]).tree if commit.parents else None
