"""Reading commits, trees and blobs, with the answers Forgejo gives about them."""

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
from crontopus_app.forge.embedded.reading import BROKEN, CommitRead, Store, Unreadable
from crontopus_app.forge.embedded.refused import Refused

MAX_BLOB = 10 * 1024 * 1024
# Twice what a push may bring: edits go on adding.
MAX_ENTRIES = 2 * MAX_PATHS
MAX_CHANGES = MAX_PATHS
MAX_DIFF, MAX_DIFF_FILES = 32 * 1024 * 1024, 10_000


def entries(
    repo: Repo, tree: ObjectID, prefix: str = "", recursive: bool = True
) -> Iterator[tuple[str, int, ObjectID]]:
    """``(path, mode, sha)`` of everything in a tree, folders before what is in them; of one path's rows the first.

    Ends after ``MAX_ENTRIES``: folders can name each other to unfold without end.
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
    """A name as text; what is none is escaped, so that different names stay different."""
    return name.decode("utf-8", "backslashreplace")


class Trees:
    """Paths looked up in the trees of one repository; each tree is read once."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._read: dict[ObjectID, dict[str, tuple[int, ObjectID]]] = {}

    def lookup(self, tree: ObjectID, path: str) -> tuple[int, ObjectID] | None:
        """Mode and sha of a path; None when it is not there. A link on the way is not followed."""
        mode, sha = stat.S_IFDIR, tree
        for segment in path.split("/") if path else []:
            found = self._folder(sha).get(segment) if stat.S_ISDIR(mode) else None
            if found is None:
                return None
            mode, sha = found
        return mode, sha

    def _folder(self, sha: ObjectID) -> dict[str, tuple[int, ObjectID]]:
        if sha not in self._read:
            rows = reversed(list(_rows(self._repo, sha, "")))  # of rows with one name the first one stands
            self._read[sha] = {name: (mode, item) for name, mode, item in rows}
        return self._read[sha]


def lookup(repo: Repo, tree: ObjectID, path: str) -> tuple[int, ObjectID] | None:
    """One path in one tree; see ``Trees.lookup``."""
    return Trees(repo).lookup(tree, path)


def blob(repo: Repo, sha: str) -> Blob:
    """Raises 400 for what is not the sha of a blob here, Unreadable for one that is damaged."""
    name = sha.encode("ascii", "replace")
    try:
        kind, data = reading.raw(repo.object_store, name)
    except Unreadable as damage:
        if damage.missing or not valid_hexsha(name):
            raise Refused(400, f"object does not exist [id: {sha}]") from None
        raise
    if kind != Blob.type_num:
        raise Refused(400, f"{sha} is not a blob")
    return Blob.from_string(data)


def size(repo: Repo, sha: bytes) -> int:
    """Bytes of an object; 0 for one that cannot be read, so that the others can still be listed."""
    try:
        return len(reading.raw(repo.object_store, sha)[1])
    except Unreadable:
        return 0


def blob_body(found: Blob) -> dict[str, Any]:
    data = found.data
    content = base64.b64encode(data).decode() if len(data) <= MAX_BLOB else ""
    return {"content": content, "encoding": "base64", "sha": found.id.decode(), "size": len(data)}


def kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "tree"
    return "blob" if stat.S_ISREG(mode) or stat.S_ISLNK(mode) else "commit"


def contents_body(repo: Repo, path: str, mode: int, sha: ObjectID, with_content: bool) -> dict[str, Any]:
    """Forgejo's ContentsResponse. A link shows its target as text and is never followed."""
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
            found = blob_body(blob(repo, sha.decode()))
            body |= {"encoding": found["encoding"], "content": found["content"]}
    return body


def history(repo: Repo, start: CommitRead, path: str, skip: int, count: int) -> list[CommitRead]:
    """Commits newest first, of all or of those that changed what is at ``path``."""
    found = reading.newest_first(repo.object_store, start)
    if path:
        trees = Trees(repo)
        found = (commit for commit in found if _touches(repo, trees, commit, path))
    return list(islice(found, skip, skip + count))


def _touches(repo: Repo, trees: Trees, commit: CommitRead, path: str) -> bool:
    """Whether a commit has something else at ``path`` than each of its parents; a first commit, than nothing."""
    here = trees.lookup(commit.tree, path)
    parents = [reading.commit(repo.object_store, sha) for sha in commit.parents]
    before = [trees.lookup(parent.tree, path) for parent in parents]
    return here not in before if before else here is not None


def person(identity: bytes, seconds: int, zone: int) -> dict[str, str]:
    name, _, rest = identity.decode("utf-8", "replace").partition("<")
    at = datetime.fromtimestamp(seconds, UTC).astimezone(timezone(timedelta(seconds=zone)))
    return {"name": name.strip(), "email": rest.rstrip(">"), "date": at.isoformat().replace("+00:00", "Z")}


def commit_body(commit: CommitRead, url: str) -> dict[str, Any]:
    """Forgejo's Commit, as lists and single answers show it."""
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
class FileChange:
    """A path that differs between two trees; None on the side where it is not."""

    path: bytes
    old: Entry | None
    new: Entry | None


def file_changes(store: Store, old: bytes | None, new: bytes) -> Iterator[FileChange]:
    """Files that differ, folder by folder; at most ``MAX_CHANGES``, for folders can unfold without end."""
    todo: list[tuple[bytes, bytes | None, bytes | None]] = [(b"", old, new)]
    looked_at = 0
    while todo:
        prefix, *sides = todo.pop()
        before, after = ({row.name: row for row in reading.tree(store, sha)} if sha else {} for sha in sides)
        for name in sorted(before.keys() | after.keys()):
            was, now = before.get(name), after.get(name)
            if was == now:
                continue
            looked_at += 1
            if looked_at > MAX_CHANGES:
                return
            old_folder, new_folder = (row.sha if row and row.kind == TREE else None for row in (was, now))
            if old_folder or new_folder:
                todo.append((prefix + name + b"/", old_folder, new_folder))
            old_file, new_file = (None if row and row.kind == TREE else row for row in (was, now))
            if old_file or new_file:
                yield FileChange(prefix + name, old_file, new_file)


def changed(repo: Repo, commit: CommitRead) -> dict[str, list[str]]:
    """Paths that a commit added, removed and modified against its first parent; as many as can be told."""
    files: dict[str, list[str]] = {"added": [], "removed": [], "modified": []}
    try:
        for one in file_changes(repo.object_store, _parent_tree(repo, commit), commit.tree):
            kind = "removed" if one.new is None else "added" if one.old is None else "modified"
            files[kind].append(text(one.path))
    except Unreadable:
        pass
    return {kind: sorted(paths) for kind, paths in files.items()}


def affected_files(repo: Repo, commit: CommitRead) -> list[dict[str, str]]:
    """The same as Forgejo lists it with a commit."""
    return [{"filename": path, "status": status} for status, paths in changed(repo, commit).items() for path in paths]


def diff(repo: Repo, commit: CommitRead) -> bytes:
    """The unified diff of a commit against its first parent, cut off where it is too long; raises Unreadable."""
    out, store = io.BytesIO(), repo.object_store
    changes = islice(file_changes(store, _parent_tree(repo, commit), commit.tree), MAX_DIFF_FILES)
    for one in sorted(changes, key=lambda change: change.path):
        sides = [(one.path, row.mode, ObjectID(row.sha)) if row else (None, None, None) for row in (one.old, one.new)]
        try:
            write_object_diff(out, store, sides[0], sides[1])
        except BROKEN:
            raise Refused(424, f"The repository is damaged: {text(one.path)} cannot be read.") from None
        if out.tell() > MAX_DIFF:
            break
    return out.getvalue()


def _parent_tree(repo: Repo, commit: CommitRead) -> ObjectID | None:
    return reading.commit(repo.object_store, commit.parents[0]).tree if commit.parents else None
