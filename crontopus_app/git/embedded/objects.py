"""Reading commits, trees and blobs, with the answers Forgejo gives about them."""

from __future__ import annotations

import base64
import io
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from typing import Any

from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.patch import write_tree_diff
from dulwich.repo import Repo

from crontopus_app.git.embedded.refused import Refused

MAX_BLOB = 10 * 1024 * 1024


def entries(
    repo: Repo, tree: ObjectID, prefix: str = "", recursive: bool = True
) -> Iterator[tuple[str, int, ObjectID]]:
    """``(path, mode, sha)`` of everything in a tree, folders before what is in them."""
    found = repo.object_store[tree]
    assert isinstance(found, Tree)  # noqa: S101 -- a commit's tree and a folder's entry are trees
    for name, mode, sha in found.iteritems():
        path = prefix + name.decode("utf-8", "replace")
        yield path, mode, sha
        if recursive and stat.S_ISDIR(mode):
            yield from entries(repo, sha, path + "/")


class Trees:
    """Paths looked up in the trees of one repository; each tree is read once."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._read: dict[ObjectID, dict[bytes, tuple[int, ObjectID]]] = {}

    def lookup(self, tree: ObjectID, path: str) -> tuple[int, ObjectID] | None:
        """Mode and sha of a path; None when it is not there. A link on the way is not followed."""
        mode, sha = stat.S_IFDIR, tree
        for segment in path.split("/") if path else []:
            found = self._folder(sha).get(segment.encode()) if stat.S_ISDIR(mode) else None
            if found is None:
                return None
            mode, sha = found
        return mode, sha

    def _folder(self, sha: ObjectID) -> dict[bytes, tuple[int, ObjectID]]:
        if sha not in self._read:
            found = self._repo.object_store[sha]
            assert isinstance(found, Tree)  # noqa: S101 -- a folder's entry is a tree
            self._read[sha] = {name: (mode, item) for name, mode, item in found.iteritems()}
        return self._read[sha]


def lookup(repo: Repo, tree: ObjectID, path: str) -> tuple[int, ObjectID] | None:
    """One path in one tree; see ``Trees.lookup``."""
    return Trees(repo).lookup(tree, path)


def blob(repo: Repo, sha: str) -> Blob:
    """Raises 400 for what is not the sha of a blob here."""
    try:
        found = repo.object_store[ObjectID(sha.encode("ascii", "replace"))]
    except (KeyError, ValueError, AssertionError):
        raise Refused(400, f"object does not exist [id: {sha}]") from None
    if not isinstance(found, Blob):
        raise Refused(400, f"{sha} is not a blob")
    return found


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
        body["size"] = repo.object_store[sha].raw_length()
        if with_content:
            found = blob_body(blob(repo, sha.decode()))
            body |= {"encoding": found["encoding"], "content": found["content"]}
    return body


def history(repo: Repo, start: Commit, path: str, skip: int, count: int) -> list[Commit]:
    """Commits newest first, of all or of those that changed what is at ``path``."""
    found = (entry.commit for entry in repo.get_walker(include=[start.id]))
    if path:
        trees = Trees(repo)
        found = (commit for commit in found if _touches(repo, trees, commit, path))
    return list(islice(found, skip, skip + count))


def _touches(repo: Repo, trees: Trees, commit: Commit, path: str) -> bool:
    """Whether a commit has something else at ``path`` than each of its parents; a first commit, than nothing."""
    here = trees.lookup(commit.tree, path)
    parents = [repo.object_store[sha] for sha in commit.parents]
    before = [trees.lookup(parent.tree, path) for parent in parents if isinstance(parent, Commit)]
    return here not in before if before else here is not None


def person(identity: bytes, seconds: int, zone: int) -> dict[str, str]:
    name, _, rest = identity.decode("utf-8", "replace").partition(" <")
    at = datetime.fromtimestamp(seconds, UTC).astimezone(timezone(timedelta(seconds=zone)))
    return {"name": name, "email": rest.rstrip(">"), "date": at.isoformat().replace("+00:00", "Z")}


def commit_body(commit: Commit, url: str) -> dict[str, Any]:
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
            "tree": {"sha": commit.tree.decode()},
        },
        "author": None,
        "committer": None,
        "parents": [{"sha": parent.decode()} for parent in commit.parents],
        "files": None,
        "stats": None,
    }


def changed(repo: Repo, commit: Commit) -> dict[str, list[str]]:
    """Paths that a commit added, removed and modified against its first parent."""
    files: dict[str, list[str]] = {"added": [], "removed": [], "modified": []}
    for (old, new), _, _ in repo.object_store.tree_changes(_parent_tree(repo, commit), commit.tree):
        path = (new or old or b"").decode("utf-8", "replace")
        files["removed" if new is None else "added" if old is None else "modified"].append(path)
    return files


def affected_files(repo: Repo, commit: Commit) -> list[dict[str, str]]:
    """The same as Forgejo lists it with a commit."""
    return [{"filename": path, "status": status} for status, paths in changed(repo, commit).items() for path in paths]


def diff(repo: Repo, commit: Commit) -> bytes:
    """The unified diff of a commit against its first parent."""
    out = io.BytesIO()
    write_tree_diff(out, repo.object_store, _parent_tree(repo, commit), commit.tree)
    return out.getvalue()


def _parent_tree(repo: Repo, commit: Commit) -> ObjectID | None:
    if not commit.parents:
        return None
    parent = repo.object_store[commit.parents[0]]
    return parent.tree if isinstance(parent, Commit) else None
