"""Changes folded into one commit: pure, the repository is given as blob shas and a way to read them."""

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
    """Changes that become one commit of one author, what each changes in words, and those of them that cannot."""

    changes: list[Change] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    operations: list[FileOperation] = field(default_factory=list)
    refused: list[tuple[Change, str]] = field(default_factory=list)

    @property
    def message(self) -> str:
        """What the changes say, with a trailer for each by which its commit is found again."""
        told = [change.message for change in self.changes]
        text = told[0] if len(told) == 1 else "\n".join([f"{len(told)} changes", "", *(f"- {line}" for line in told)])
        lines = [f"{trailers.CHANGE}: {change.id}" for change in self.changes]
        if any(operation.operation == "delete" for operation in self.operations):
            lines.append(trailers.PRUNE)
        return text + "\n\n" + "\n".join(lines) + "\n"


class _Refused(Exception):
    """A change that the repository, as it is now, does not allow."""


def blob_sha(content: bytes) -> str:
    """Git's name for the content (SHA-1 repositories)."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def fold(
    changes: Sequence[Change],
    shas: Mapping[str, str],
    read: Callable[[str], bytes],
    decode: Decode,
) -> Batch:
    """The first author's changes up to the next author's, one after the other, as one set of file operations.

    ``shas`` are the blobs of the branch by path, ``read`` gives a blob, ``decode`` a file as the hosts read it. Several
    changes of a file become one; changes that leave nothing to do need no operation. A refused change does not hinder
    the others.
    """
    batch, files = Batch(), _Files(shas, read)
    author = (changes[0].author_name, changes[0].author_email)
    for change in changes[:MOST_CHANGES]:
        if (change.author_name, change.author_email) != author:
            break
        try:
            after = _after(change, files, decode)
            batch.said[change.id] = _said(files, change.path, after)
            files.put(change.path, after)
            batch.changes.append(change)
        except _Refused as reason:
            batch.refused.append((change, str(reason)))
    batch.operations = files.operations()
    return batch


class _Files:
    """The branch's files with changes laid over them."""

    def __init__(self, shas: Mapping[str, str], read: Callable[[str], bytes]) -> None:
        self._shas, self._read = shas, read
        self._laid: dict[str, bytes | None] = {}

    def sha(self, path: str) -> str | None:
        if path not in self._laid:
            return self._shas.get(path)
        content = self._laid[path]
        return None if content is None else blob_sha(content)

    def content(self, path: str) -> bytes | None:
        if path in self._laid:
            return self._laid[path]
        sha = self._shas.get(path)
        return None if sha is None else self._read(sha)

    def put(self, path: str, content: bytes | None) -> None:
        self._laid[path] = content

    def operations(self) -> list[FileOperation]:
        made = (self._operation(path, content) for path, content in sorted(self._laid.items()))
        return [operation for operation in made if operation is not None]

    def _operation(self, path: str, content: bytes | None) -> FileOperation | None:
        before = self._shas.get(path)
        if content is None:
            return FileOperation("delete", path, sha=before) if before else None
        if before is None:
            return FileOperation("create", path, content)
        return None if before == blob_sha(content) else FileOperation("update", path, content, before)


def _after(change: Change, files: _Files, decode: Decode) -> bytes | None:
    """The file after the change; raises _Refused where its precondition does not hold."""
    current = files.sha(change.path)
    if change.operation == "create":
        if current is not None and current != blob_sha(change.content or b""):
            raise _Refused(f"{change.path} exists already: choose another name.")
        return change.content or b""
    if change.base_sha is not None and change.base_sha != current:
        raise _Refused(f"{change.path} was changed by somebody else meanwhile: read it again.")
    if change.operation == "delete":
        return None
    if current is None:
        raise _Refused(f"{change.path} was deleted meanwhile.")
    if change.operation == "update":
        return change.content
    return _edited(change, files.content(change.path) or b"", decode)


def _said(files: _Files, path: str, after: bytes | None) -> str:
    """What the change does to a file that is there before and after it."""
    before = files.content(path) if after is not None else None
    return in_words(before, after) if before is not None and after is not None else ""


def _edited(change: Change, before: bytes, decode: Decode) -> bytes:
    """The file with the change's fields set; it must be a valid manifest afterwards."""
    try:
        made = edit(before, json.loads(change.content or b"{}"))
    except CrontopusError as error:
        raise _Refused(f"{change.path} cannot be edited: {error}") from error
    errors = decode(made, change.path).errors
    if errors:
        raise _Refused(f"{change.path} was changed meanwhile, and the edit no longer fits: {errors[0].message}")
    return made
