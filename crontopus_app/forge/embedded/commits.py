"""Commits made through REST: all files of a request in one commit, or none of them."""

from __future__ import annotations

import base64
import binascii
import stat
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dulwich.object_store import commit_tree_changes
from dulwich.objects import ZERO_SHA, Blob, Commit, ObjectID, Tree
from dulwich.refs import check_ref_format
from dulwich.repo import Repo

from crontopus_app.base import clock
from crontopus_app.forge.client import safe_path
from crontopus_app.forge.embedded import fsck, reading
from crontopus_app.forge.embedded.examine import MAX_DEPTH, MAX_PATH
from crontopus_app.forge.embedded.objects import Trees
from crontopus_app.forge.embedded.reading import BROKEN, CommitRead
from crontopus_app.forge.embedded.refused import Refused
from crontopus_app.forge.embedded.repositories import branch_head, branch_ref, is_empty

FILE_MODE = stat.S_IFREG | 0o644
MAX_BRANCH = 100
PACK_FROM = 10


@dataclass(frozen=True)
class Change:
    """A file of a request, checked as far as that needs no repository."""

    operation: str
    path: str
    content: bytes
    sha: str
    from_path: str


@dataclass(frozen=True)
class Made:
    """A commit and where it went: ``before`` is None when it began the branch."""

    commit: CommitRead
    branch: str
    before: ObjectID | None


def read_change(body: dict[str, Any]) -> Change:
    """Raises 422 for a path that leaves the tree, bad base64 or a missing sha; 500 for an unknown operation."""
    operation, path = str(body.get("operation")), _path(body.get("path"))
    if operation not in ("create", "update", "delete"):
        raise Refused(500, f"unknown operation: {operation}")
    sha = str(body.get("sha") or "")
    if operation in ("update", "delete") and not sha:
        raise Refused(422, "a SHA must be provided")
    from_path = _path(body["from_path"]) if body.get("from_path") else ""
    try:
        content = base64.b64decode(str(body.get("content") or ""), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(422, "content is not valid base64") from None
    _refuse_dangerous(path, content)
    return Change(operation, path, content, sha, from_path)


def _path(given: Any) -> str:
    """A path that a push could bring as well; raises 422."""
    path = str(given or "")
    names = path.encode().split(b"/")
    if not safe_path(path) or len(path.encode()) > MAX_PATH or len(names) > MAX_DEPTH or any(map(fsck.bad_name, names)):
        raise Refused(422, f"path contains a malformed path component [path: {path[:200]}]")
    return path


def _refuse_dangerous(path: str, content: bytes) -> None:
    """Git reads these two files when it clones or checks out; the same rules hold as for a push."""
    name = path.rsplit("/", 1)[-1].encode()
    checks = (("gitmodules", fsck.bad_gitmodules), ("gitattributes", fsck.bad_gitattributes))
    for what, check in checks:
        reason = check(content) if fsck.is_dot(name, what) else None
        if reason:
            raise Refused(422, f"Git does not take this .{what}: {reason}")


def commit(repo: Repo, branch: str, changes: list[Change], body: dict[str, Any], who: dict[str, str]) -> Made:
    """Applies the changes to the branch's head as it is now. Call with the repository locked.

    ``who`` is the account that asks: author and committer where ``body`` names none.
    """
    head = branch_head(repo, branch)
    if head is None and not is_empty(repo):
        raise Refused(404, f"branch does not exist [name: {branch}]")
    if not branch or len(branch) > MAX_BRANCH or not check_ref_format(branch_ref(branch)):
        raise Refused(422, "bad branch name")
    tree = _apply(repo, _tree_of(repo, head), changes)
    made = _commit(tree, head, body, who)
    repo.object_store.add_object(made)
    if not repo.refs.set_if_equals(branch_ref(branch), head or ZERO_SHA, made.id):
        raise Refused(500, "the branch has moved")
    return Made(reading.parse_commit(made.id, made.as_raw_string()), branch, head)


def _tree_of(repo: Repo, head: ObjectID | None) -> ObjectID:
    if head is not None:
        return reading.commit(repo.object_store, head).tree
    empty = Tree()
    repo.object_store.add_object(empty)
    return empty.id


def _apply(repo: Repo, tree: ObjectID, changes: list[Change]) -> ObjectID:
    """The tree with all changes; each is judged by the tree as it was before any of them, as Forgejo does."""
    edits: dict[str, tuple[int, Blob] | None] = {}
    trees = Trees(repo)
    for change in changes:
        mode = _judge(trees, tree, change)
        if change.operation == "delete":
            edits[change.path] = None
            continue
        if change.from_path and change.from_path != change.path:
            edits[change.from_path] = None
        edits[change.path] = (mode, Blob.from_string(change.content))
    _refuse_files_as_folders(edits)
    blobs = [edit[1] for edit in edits.values() if edit]
    _store(repo, blobs)
    if not edits:
        return tree
    rows = [
        (path.encode(), edit[0], edit[1].id) if edit else (path.encode(), None, None) for path, edit in edits.items()
    ]
    try:
        return commit_tree_changes(repo.object_store, tree, rows)
    except BROKEN:
        raise Refused(424, "The repository is damaged: a folder that the change is in cannot be read.") from None


def _judge(trees: Trees, tree: ObjectID, change: Change) -> int:
    """The mode to write a change with; raises what Forgejo answers where the tree does not allow it."""
    _refuse_odd_parents(trees, tree, change.path)
    source = change.from_path or change.path
    taken = trees.lookup(tree, change.path) is not None
    if taken and (change.operation == "create" or source != change.path):
        raise Refused(422, f"repository file already exists [path: {change.path}]")
    if change.operation == "create":
        return FILE_MODE
    present = trees.lookup(tree, source)
    if present is None:
        raise Refused(500, f"object does not exist [path: {source}]")
    mode, sha = present
    if not stat.S_ISREG(mode):
        raise Refused(422, f"{source} is not a regular file")
    if change.sha and sha.decode() != change.sha:
        raise Refused(409, f"sha does not match [given: {change.sha}, expected: {sha.decode()}]")
    return mode


def _refuse_files_as_folders(edits: dict[str, Any]) -> None:
    """One request cannot write both ``a`` and ``a/b``."""
    written = {path for path, edit in edits.items() if edit}
    for path in written:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if "/".join(parts[:depth]) in written:
                raise Refused(422, f"{'/'.join(parts[:depth])} cannot be a file and a folder")


def _store(repo: Repo, blobs: list[Blob]) -> None:
    """Many blobs go into one pack: a file, with its flush to disk, for each would cost more than the commit."""
    if len(blobs) > PACK_FROM:
        repo.object_store.add_objects([(blob, None) for blob in {blob.id: blob for blob in blobs}.values()])
        return
    for blob in blobs:
        repo.object_store.add_object(blob)


def _refuse_odd_parents(trees: Trees, tree: ObjectID, path: str) -> None:
    """A file or a link cannot be a folder of what is written."""
    segments = path.split("/")
    for depth in range(1, len(segments)):
        above = trees.lookup(tree, "/".join(segments[:depth]))
        if above is not None and not stat.S_ISDIR(above[0]):
            raise Refused(422, f"{'/'.join(segments[:depth])} is a file or a link, not a folder")


def _commit(tree: ObjectID, head: ObjectID | None, body: dict[str, Any], who: dict[str, str]) -> Commit:
    author = _identity(body.get("author"), _identity(body.get("committer"), who))
    committer = _identity(body.get("committer"), author)
    dates = body.get("dates") or {}
    made = Commit()
    made.tree = tree
    made.parents = [head] if head else []
    made.author = _line(author)
    made.committer = _line(committer)
    made.author_time, made.author_timezone = _moment(dates.get("author"))
    made.commit_time, made.commit_timezone = _moment(dates.get("committer"))
    made.encoding = b"UTF-8"
    made.message = str(body.get("message") or "Update files").replace("\0", "").strip().encode() + b"\n"
    return made


def _identity(given: Any, otherwise: dict[str, str]) -> dict[str, str]:
    if not isinstance(given, dict) or not given.get("name"):
        return otherwise
    return {"name": str(given["name"]), "email": str(given.get("email") or otherwise["email"])}


def _line(who: dict[str, str]) -> bytes:
    """Git's ``name <email>``; what would end the line or the address is left out."""
    name, email = ("".join(c for c in who[part] if c not in "<>\n\r\0") for part in ("name", "email"))
    return f"{name.strip()} <{email.strip()}>".encode()


def _moment(given: Any) -> tuple[int, int]:
    try:
        at = datetime.fromisoformat(str(given)) if given else clock.now()
    except ValueError:
        raise Refused(422, f"not a date: {given}") from None
    seconds, zone = int(at.timestamp()), at.utcoffset()
    if not 0 <= seconds <= fsck.MAX_DATE:
        raise Refused(422, f"not a date that Git knows: {given}")
    return seconds, int(zone.total_seconds()) // 60 * 60 if zone else 0
