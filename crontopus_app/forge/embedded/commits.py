"""Commits through REST: all files of a request in one commit, or none."""

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
from crontopus_app.forge.embedded.http_error import HttpError
from crontopus_app.forge.embedded.objects import Trees
from crontopus_app.forge.embedded.reading import BROKEN, CommitRead
from crontopus_app.forge.embedded.repositories import branch_head, branch_ref, is_empty

FILE_MODE = stat.S_IFREG | 0o644
MAX_BRANCH = 100
PACK_FROM = 10


@dataclass(frozen=True)
class FileEdit:
    """A file of a request, validated without the repository."""

    operation: str
    path: str
    content: bytes
    sha: str
    from_path: str


@dataclass(frozen=True)
class NewCommit:
    """A new commit on ``branch``. ``before`` is the previous head; None if the commit created the branch."""

    commit: CommitRead
    branch: str
    before: ObjectID | None


def read_edit(body: dict[str, Any]) -> FileEdit:
    """Raises 422 for an invalid path, base64 or a missing sha; 500 for an unknown operation (as Forgejo)."""
    operation, path = str(body.get("operation")), _path(body.get("path"))
    if operation not in ("create", "update", "delete"):
        raise HttpError(500, f"unknown operation: {operation}")
    sha = str(body.get("sha") or "")
    if operation in ("update", "delete") and not sha:
        raise HttpError(422, "a SHA must be provided")
    from_path = _path(body["from_path"]) if body.get("from_path") else ""
    try:
        content = base64.b64decode(str(body.get("content") or ""), validate=True)
    except (binascii.Error, ValueError):
        raise HttpError(422, "content is not valid base64") from None
    _refuse_dangerous(path, content)
    return FileEdit(operation, path, content, sha, from_path)


def _path(value: Any) -> str:
    """The path, if a push may contain it too; raises 422."""
    path = str(value or "")
    names = path.encode().split(b"/")
    if not safe_path(path) or len(path.encode()) > MAX_PATH or len(names) > MAX_DEPTH or any(map(fsck.bad_name, names)):
        raise HttpError(422, f"path contains a malformed path component [path: {path[:200]}]")
    return path


def _refuse_dangerous(path: str, content: bytes) -> None:
    """Applies the rules of a push to the two files that Git itself reads on clone or checkout."""
    name = path.rsplit("/", 1)[-1].encode()
    checks = (("gitmodules", fsck.bad_gitmodules), ("gitattributes", fsck.bad_gitattributes))
    for filename, check in checks:
        reason = check(content) if fsck.is_dot(name, filename) else None
        if reason:
            raise HttpError(422, f"Git refuses this .{filename}: {reason}")


def commit(repo: Repo, branch: str, edits: list[FileEdit], body: dict[str, Any], account: dict[str, str]) -> NewCommit:
    """Commits the edits on the branch's current head. Call with the repository locked.

    ``account`` is author and committer if ``body`` names none.
    """
    head = branch_head(repo, branch)
    if head is None and not is_empty(repo):
        raise HttpError(404, f"branch does not exist [name: {branch}]")
    if not branch or len(branch) > MAX_BRANCH or not check_ref_format(branch_ref(branch)):
        raise HttpError(422, "bad branch name")
    tree = _apply(repo, _tree_of(repo, head), edits)
    new = _commit(tree, head, body, account)
    repo.object_store.add_object(new)
    if not repo.refs.set_if_equals(branch_ref(branch), head or ZERO_SHA, new.id):
        raise HttpError(500, "the branch has moved")
    return NewCommit(reading.parse_commit(new.id, new.as_raw_string()), branch, head)


def _tree_of(repo: Repo, head: ObjectID | None) -> ObjectID:
    if head is not None:
        return reading.commit(repo.object_store, head).tree
    empty = Tree()
    repo.object_store.add_object(empty)
    return empty.id


def _apply(repo: Repo, tree: ObjectID, edits: list[FileEdit]) -> ObjectID:
    """The tree with all edits. Each is validated against the tree before any of them, as Forgejo does."""
    files: dict[str, tuple[int, Blob] | None] = {}
    trees = Trees(repo)
    for edit in edits:
        mode = _mode(trees, tree, edit)
        if edit.operation == "delete":
            files[edit.path] = None
            continue
        if edit.from_path and edit.from_path != edit.path:
            files[edit.from_path] = None
        files[edit.path] = (mode, Blob.from_string(edit.content))
    _refuse_files_as_folders(files)
    blobs = [file[1] for file in files.values() if file]
    _store(repo, blobs)
    if not files:
        return tree
    rows = [
        (path.encode(), file[0], file[1].id) if file else (path.encode(), None, None) for path, file in files.items()
    ]
    try:
        return commit_tree_changes(repo.object_store, tree, rows)
    except BROKEN:
        raise HttpError(424, "The repository is damaged: a folder of a changed file cannot be read.") from None


def _mode(trees: Trees, tree: ObjectID, edit: FileEdit) -> int:
    """The file mode of an edit. Raises Forgejo's errors for edits that the tree does not allow."""
    _refuse_odd_parents(trees, tree, edit.path)
    source = edit.from_path or edit.path
    exists = trees.lookup(tree, edit.path) is not None
    if exists and (edit.operation == "create" or source != edit.path):
        raise HttpError(422, f"repository file already exists [path: {edit.path}]")
    if edit.operation == "create":
        return FILE_MODE
    entry = trees.lookup(tree, source)
    if entry is None:
        raise HttpError(500, f"object does not exist [path: {source}]")
    mode, sha = entry
    if not stat.S_ISREG(mode):
        raise HttpError(422, f"{source} is not a regular file")
    if edit.sha and sha.decode() != edit.sha:
        raise HttpError(409, f"sha does not match [given: {edit.sha}, expected: {sha.decode()}]")
    return mode


def _refuse_files_as_folders(files: dict[str, Any]) -> None:
    """Raises 422 if a request writes both ``a`` and ``a/b``."""
    written = {path for path, file in files.items() if file}
    for path in written:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if "/".join(parts[:depth]) in written:
                raise HttpError(422, f"{'/'.join(parts[:depth])} cannot be a file and a folder")


def _store(repo: Repo, blobs: list[Blob]) -> None:
    """Stores blobs, many of them in one pack: flushing a file for each would take longer than the commit."""
    if len(blobs) > PACK_FROM:
        repo.object_store.add_objects([(blob, None) for blob in {blob.id: blob for blob in blobs}.values()])
        return
    for blob in blobs:
        repo.object_store.add_object(blob)


def _refuse_odd_parents(trees: Trees, tree: ObjectID, path: str) -> None:
    """Raises 422 if a file or a symbolic link is used as a folder."""
    segments = path.split("/")
    for depth in range(1, len(segments)):
        parent = trees.lookup(tree, "/".join(segments[:depth]))
        if parent is not None and not stat.S_ISDIR(parent[0]):
            raise HttpError(422, f"{'/'.join(segments[:depth])} is a file or a link, not a folder")


def _commit(tree: ObjectID, head: ObjectID | None, body: dict[str, Any], account: dict[str, str]) -> Commit:
    author = _identity(body.get("author"), _identity(body.get("committer"), account))
    committer = _identity(body.get("committer"), author)
    dates = body.get("dates") or {}
    new = Commit()
    new.tree = tree
    new.parents = [head] if head else []
    new.author = _line(author)
    new.committer = _line(committer)
    new.author_time, new.author_timezone = _moment(dates.get("author"))
    new.commit_time, new.commit_timezone = _moment(dates.get("committer"))
    new.encoding = b"UTF-8"
    new.message = str(body.get("message") or "Update files").replace("\0", "").strip().encode() + b"\n"
    return new


def _identity(value: Any, default: dict[str, str]) -> dict[str, str]:
    if not isinstance(value, dict) or not value.get("name"):
        return default
    return {"name": str(value["name"]), "email": str(value.get("email") or default["email"])}


def _line(identity: dict[str, str]) -> bytes:
    """``name <email>``, without characters that would end the line or the address."""
    name, email = ("".join(c for c in identity[part] if c not in "<>\n\r\0") for part in ("name", "email"))
    return f"{name.strip()} <{email.strip()}>".encode()


def _moment(value: Any) -> tuple[int, int]:
    """A time as seconds since 1970 and the zone in seconds east of UTC; the current time without a value."""
    try:
        at = datetime.fromisoformat(str(value)) if value else clock.now()
    except ValueError:
        raise HttpError(422, f"not a date: {value}") from None
    seconds, zone = int(at.timestamp()), at.utcoffset()
    if not 0 <= seconds <= fsck.MAX_DATE:
        raise HttpError(422, f"not a date that Git supports: {value}")
    return seconds, int(zone.total_seconds()) // 60 * 60 if zone else 0
