"""``git push`` over HTTP: gitprotocol-pack(5), "Pushing Data To a Server".

Every ref moves by compare-and-swap under the repository's lock, after all that it reaches is known to be there.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from dulwich.errors import ApplyDeltaError, ChecksumMismatch, ObjectFormatException
from dulwich.objects import ZERO_SHA, Commit, ObjectID, Tag, Tree
from dulwich.refs import Ref, check_ref_format
from dulwich.repo import Repo

from crontopus_app.git.embedded import pktline
from crontopus_app.git.embedded.refused import Refused
from crontopus_app.git.embedded.upload_pack import tree_objects

CAPABILITIES = b"report-status delete-refs quiet atomic ofs-delta side-band-64k object-format=sha1 agent=crontopus"
MAX_COMMANDS = 1000
BROKEN = (
    OSError,
    ValueError,
    KeyError,
    AssertionError,
    zlib.error,
    ApplyDeltaError,
    ChecksumMismatch,
    ObjectFormatException,
)


@dataclass(frozen=True)
class Command:
    old: ObjectID
    new: ObjectID
    ref: Ref


@dataclass
class Request:
    commands: list[Command] = field(default_factory=list)
    capabilities: set[bytes] = field(default_factory=set)

    @property
    def has_pack(self) -> bool:
        return any(command.new != ZERO_SHA for command in self.commands)


def advertise(repo: Repo) -> bytes:
    rows = sorted((name, sha) for name, sha in repo.get_refs().items() if name != b"HEAD")
    return pktline.refs_advertisement("git-receive-pack", list(rows), CAPABILITIES)


def read(source: IO[bytes]) -> Request:
    """The commands; what follows them in ``source`` is the pack. Empty for Git's probe of one flush."""
    request = Request()
    try:
        while (text := pktline.read(source)) is not None:
            if text.startswith(b"shallow "):
                continue  # where the pusher's history ends; what it sends is checked to be complete all the same
            command, _, capabilities = text.partition(b"\0")
            request.capabilities.update(capabilities.split())
            request.commands.append(_command(command))
            if len(request.commands) > MAX_COMMANDS:
                raise Refused(413, f"a push moves at most {MAX_COMMANDS} refs")
    except EOFError:
        raise Refused(400, "the push was cut off") from None
    return request


def _command(text: bytes) -> Command:
    parts = text.split(b" ", 2)
    if len(parts) != 3 or not all(_is_sha(part) for part in parts[:2]):
        raise Refused(400, "not a command of a push")
    return Command(ObjectID(parts[0]), ObjectID(parts[1]), Ref(parts[2]))


def _is_sha(text: bytes) -> bool:
    return len(text) == 40 and all(character in b"0123456789abcdef" for character in text)


def unpack(repo: Repo, source: IO[bytes]) -> str | None:
    """Takes the pack into the repository; the reason when it cannot. Objects that no ref reaches do no harm."""
    try:
        repo.object_store.add_thin_pack(source.read, None)
    except BROKEN as error:
        return " ".join(f"{type(error).__name__} {error}".split())[:200]
    return None


def move(repo: Repo, request: Request) -> list[tuple[Command, str | None]]:
    """Moves the refs, each for itself unless the push is atomic; with the reason for each that did not move.

    Call with the repository locked.
    """
    verdicts = [(command, _refusal(repo, command)) for command in request.commands]
    if b"atomic" in request.capabilities and any(reason for _, reason in verdicts):
        return [(command, reason or "atomic push failed") for command, reason in verdicts]
    return [(command, reason or _swap(repo, command)) for command, reason in verdicts]


def _refusal(repo: Repo, command: Command) -> str | None:
    if not command.ref.startswith((b"refs/heads/", b"refs/tags/")) or not check_ref_format(command.ref):
        return "funny refname"
    if repo.get_refs().get(command.ref, ZERO_SHA) != command.old:
        return "fetch first"
    if command.new == ZERO_SHA:
        current = repo.refs.get_symrefs().get(Ref(b"HEAD"))
        return "deletion of the current branch prohibited" if current == command.ref else None
    try:
        return _incomplete(repo, command)
    except KeyError:
        return "missing necessary objects"
    except BROKEN as error:
        return f"broken object: {type(error).__name__}"


def _incomplete(repo: Repo, command: Command) -> str | None:
    """Why the new commit cannot be served whole; raises KeyError for an object that is missing."""
    tips = set(repo.get_refs().values())
    start = repo.object_store[command.new]
    while isinstance(start, Tag) and command.ref.startswith(b"refs/tags/"):
        start = repo.object_store[start.object[1]]
    if not isinstance(start, Commit):
        return "not a commit"
    known: set[ObjectID] = set()
    if command.old in repo.object_store:
        old = repo.object_store[command.old]
        for _ in tree_objects(repo, old.tree, known) if isinstance(old, Commit) else ():
            pass  # fills ``known``: it was checked when it came
    for commit in _new_commits(repo, start, tips):
        for sha in tree_objects(repo, commit.tree, known):
            reason = _bad_object(repo, sha)
            if reason:
                return reason
    return None


def _new_commits(repo: Repo, start: Commit, tips: set[ObjectID]) -> Iterator[Commit]:
    """Commits from ``start`` down to those that refs name already."""
    seen, todo = {start.id}, [start]
    while todo:
        commit = todo.pop()
        if commit.id in tips:
            continue
        yield commit
        for sha in commit.parents:
            if sha in seen:
                continue
            seen.add(sha)
            parent = repo.object_store[sha]
            if not isinstance(parent, Commit):
                raise KeyError(sha)
            todo.append(parent)


def _bad_object(repo: Repo, sha: ObjectID) -> str | None:
    """A name that no checkout should meet; raises KeyError when the object is missing."""
    if sha not in repo.object_store:
        raise KeyError(sha)
    found = repo.object_store[sha]
    for name in found if isinstance(found, Tree) else ():
        if name in (b"", b".", b"..") or b"/" in name or name.lower() == b".git":
            return f"a tree holds the name {name.decode('utf-8', 'replace')!r}"
    return None


def _swap(repo: Repo, command: Command) -> str | None:
    try:
        if command.new == ZERO_SHA:
            done = repo.refs.remove_if_equals(command.ref, command.old)
        else:
            done = repo.refs.set_if_equals(command.ref, command.old, command.new)
    except (OSError, ValueError) as error:
        return f"failed to update ref: {type(error).__name__}"
    return None if done else "fetch first"


def report(request: Request, unpacked: str | None, moved: list[tuple[Command, str | None]], out: IO[bytes]) -> None:
    """report-status, on the side band where the client can read that."""
    if b"report-status" not in request.capabilities:
        return
    lines = [pktline.line(f"unpack {unpacked or 'ok'}\n".encode())]
    for command, reason in moved:
        text = b"ok " + command.ref if reason is None else b"ng " + command.ref + b" " + reason.encode()
        lines.append(pktline.line(text + b"\n"))
    body = b"".join([*lines, pktline.FLUSH])
    if b"side-band-64k" not in request.capabilities:
        out.write(body)
        return
    pktline.banded(out.write)(body)
    out.write(pktline.FLUSH)
