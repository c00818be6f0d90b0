"""Combines pending changes into one commit. Pure: the repository is passed in as blob shas and a read function."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from contract.manifest import Decoded
from contract.manifest_changes import in_words
from crontopus_app.base.errors import CrontopusError
from crontopus_app.forge.client import FileOperation
from crontopus_app.jobs import trailers
from crontopus_app.jobs.yaml_edit import edit
from crontopus_app.models import Change

MOST_CHANGES = 200
Decode = Callable[[bytes, str], Decoded]


@dataclass
class Batch:
    """One commit of one author: its changes, a summary of each in words, and the changes that were refused."""

    changes: list[Change] = field(default_factory=list)
    summaries: dict[str, str] = field(default_factory=dict)
    operations: list[FileOperation] = field(default_factory=list)
    refused: list[tuple[Change, str]] = field(default_factory=list)

    @property
    def message(self) -> str:
        """The commit message: those of the changes, and a trailer with the id of each."""
        messages = [change.message for change in self.changes]
        text = messages[0]
        if len(messages) > 1:
            text = "\n".join([f"{len(messages)} changes", "", *(f"- {message}" for message in messages)])
        lines = [f"{trailers.CHANGE}: {change.id}" for change in self.changes]
        if any(operation.operation == "delete" for operation in self.operations):
            lines.append(trailers.PRUNE)
        return text + "\n\n" + "\n".join(lines) + "\n"


class _ChangeRefused(Exception):
    """The current content of the repository does not allow the change."""


def blob_sha(content: bytes) -> str:
    """Git's name for the content (SHA-1 repositories)."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def fold(
    changes: Sequence[Change],
    shas: Mapping[str, str],
    read: Callable[[str], bytes],
    decode: Decode,
) -> Batch:
    """Combines the changes of the first author, up to the first change of another one, into file operations.

    ``shas`` are the blobs of the branch by path; ``read`` returns a blob's content; ``decode`` parses a manifest as the
    hosts do. Several changes of a file become one operation, and none if they cancel out. A refused change does not
    stop the others.
    """
    batch, files = Batch(), _Files(shas, read)
    author = (changes[0].author_name, changes[0].author_email)
    for change in changes[:MOST_CHANGES]:
        if (change.author_name, change.author_email) != author:
            break
        try:
            after = _after(change, files, decode)
            batch.summaries[change.id] = _summary(files, change.path, after)
            files.put(change.path, after)
            batch.changes.append(change)
        except _ChangeRefused as reason:
            batch.refused.append((change, str(reason)))
    batch.operations = files.operations()
    return batch


class _Files:
    """The files of the branch, with the changes so far applied."""

    def __init__(self, shas: Mapping[str, str], read: Callable[[str], bytes]) -> None:
        self._shas, self._read = shas, read
        self._changed: dict[str, bytes | None] = {}

    def sha(self, path: str) -> str | None:
        if path not in self._changed:
            return self._shas.get(path)
        content = self._changed[path]
        return None if content is None else blob_sha(content)

    def content(self, path: str) -> bytes | None:
        if path in self._changed:
            return self._changed[path]
        sha = self._shas.get(path)
        return None if sha is None else self._read(sha)

    def put(self, path: str, content: bytes | None) -> None:
        self._changed[path] = content

    def operations(self) -> list[FileOperation]:
        operations = (self._operation(path, content) for path, content in sorted(self._changed.items()))
        return [operation for operation in operations if operation is not None]

    def _operation(self, path: str, content: bytes | None) -> FileOperation | None:
        before = self._shas.get(path)
        if content is None:
            return FileOperation("delete", path, sha=before) if before else None
        if before is None:
            return FileOperation("create", path, content)
        return None if before == blob_sha(content) else FileOperation("update", path, content, before)


def _after(change: Change, files: _Files, decode: Decode) -> bytes | None:
    """The file's content after the change; raises _ChangeRefused if its precondition is not met."""
    current = files.sha(change.path)
    if change.operation == "create":
        if current is not None and current != blob_sha(change.content or b""):
            raise _ChangeRefused(f"{change.path} exists already. Choose another name.")
        return change.content or b""
    if change.base_sha is not None and change.base_sha != current:
        raise _ChangeRefused(f"{change.path} was changed by another commit meanwhile. Reload it and try again.")
    if change.operation == "delete":
        return None
    if current is None:
        raise _ChangeRefused(f"{change.path} was deleted by another commit meanwhile.")
    if change.operation == "update":
        return change.content
    return _edited(change, files.content(change.path) or b"", decode)


def _summary(files: _Files, path: str, after: bytes | None) -> str:
    """A summary of the difference, if the file exists before and after the change."""
    before = files.content(path) if after is not None else None
    return in_words(before, after) if before is not None and after is not None else ""


def _edited(change: Change, before: bytes, decode: Decode) -> bytes:
    """The file with the change's fields set. The result must be a valid manifest."""
    try:
        content = edit(before, json.loads(change.content or b"{}"))
    except CrontopusError as error:
        raise _ChangeRefused(f"{change.path} cannot be edited: {error}") from error
    errors = decode(content, change.path).errors
    if errors:
        raise _ChangeRefused(
            f"{change.path} was changed meanwhile, and this edit would make it invalid: {errors[0].message}"
        )
    return content
