"""``git push`` over HTTP: gitprotocol-pack(5), "Pushing Data To a Server".

Each ref moves by compare-and-swap under the repository's lock, after all objects that it reaches are checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import IO

from dulwich.object_store import DiskObjectStore
from dulwich.objects import ZERO_SHA, ObjectID
from dulwich.refs import Ref, check_ref_format
from dulwich.repo import Repo

from crontopus_app.forge.embedded import pktline, reading
from crontopus_app.forge.embedded.examine import Examination
from crontopus_app.forge.embedded.http_error import HttpError
from crontopus_app.forge.embedded.incoming import Incoming
from crontopus_app.forge.embedded.reading import BROKEN, Unreadable

CAPABILITIES = b"report-status delete-refs quiet atomic ofs-delta side-band-64k object-format=sha1 agent=crontopus"
MAX_COMMANDS = 1000
MAX_REF = 250


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
    rows = sorted((name, sha) for name, sha in reading.refs(repo).items() if name != b"HEAD")
    return pktline.refs_advertisement("git-receive-pack", list(rows), CAPABILITIES)


def read(source: IO[bytes]) -> Request:
    """Reads the commands, up to the pack. Empty for a request of one flush, with which Git tests its credentials."""
    request = Request()
    try:
        while (text := pktline.read(source)) is not None:
            if text.startswith(b"shallow "):
                continue  # a boundary of the client's history; the pushed objects are checked for completeness anyway
            command, _, capabilities = text.partition(b"\0")
            request.capabilities.update(capabilities.split())
            request.commands.append(_command(command))
            if len(request.commands) > MAX_COMMANDS:
                raise HttpError(413, f"the push has too many refs: at most {MAX_COMMANDS} are allowed")
    except EOFError:
        raise HttpError(400, "the push is incomplete") from None
    return request


def _command(text: bytes) -> Command:
    parts = text.split(b" ", 2)
    if len(parts) != 3 or not all(_is_sha(part) for part in parts[:2]):
        raise HttpError(400, "invalid push command")
    return Command(ObjectID(parts[0]), ObjectID(parts[1]), Ref(parts[2]))


def _is_sha(text: bytes) -> bool:
    return len(text) == 40 and all(character in b"0123456789abcdef" for character in text)


def unpack(store: DiskObjectStore, source: IO[bytes]) -> str | None:
    """Adds the pack to the store. Returns the reason if it cannot."""
    try:
        store.add_thin_pack(source.read, None)
    except BROKEN as error:
        return " ".join(f"{type(error).__name__} {error}".split())[:200]
    return None


def move(
    repo: Repo, request: Request, incoming: Incoming, examination: Examination
) -> list[tuple[Command, str | None]]:
    """Moves the refs, each independently unless the push is atomic. Returns the reason for each ref that did not move.

    Call with the repository locked. The pushed objects enter the repository if at least one ref may move.
    """
    verdicts = [(command, _refusal(repo, command, examination)) for command in request.commands]
    if b"atomic" in request.capabilities and any(reason for _, reason in verdicts):
        return [(command, reason or "atomic push failed") for command, reason in verdicts]
    if request.has_pack and not all(reason for _, reason in verdicts):
        incoming.keep()
    return [(command, reason or _swap(repo, command)) for command, reason in verdicts]


def _refusal(repo: Repo, command: Command, examination: Examination) -> str | None:
    refs = reading.refs(repo)
    if not command.ref.startswith((b"refs/heads/", b"refs/tags/")) or not check_ref_format(command.ref):
        return "funny refname"
    if refs.get(command.ref, ZERO_SHA) != command.old:
        return "fetch first"
    if command.new == ZERO_SHA:
        current = repo.refs.get_symrefs().get(Ref(b"HEAD"))
        return "deletion of the current branch prohibited" if current == command.ref else None
    if len(command.ref) > MAX_REF or not _is_text(command.ref):
        return f"the name of a ref may have at most {MAX_REF} bytes of UTF-8"
    try:
        return examination.tip(command.new, tag=command.ref.startswith(b"refs/tags/"), tips=set(refs.values()))
    except Unreadable:
        return "missing necessary objects"


def _is_text(name: bytes) -> bool:
    try:
        return bool(name.decode())
    except UnicodeDecodeError:
        return False


def _swap(repo: Repo, command: Command) -> str | None:
    try:
        if command.new == ZERO_SHA:
            moved = repo.refs.remove_if_equals(command.ref, command.old)
        else:
            if command.old == ZERO_SHA and command.ref not in reading.refs(repo):
                repo.refs.remove_if_equals(command.ref, None)  # a damaged ref file
            moved = repo.refs.set_if_equals(command.ref, command.old, command.new)
    except (OSError, ValueError) as error:
        return f"failed to update ref: {type(error).__name__}"
    return None if moved else "fetch first"


def report(request: Request, problem: str | None, moved: list[tuple[Command, str | None]], out: IO[bytes]) -> None:
    """Writes the report-status, on the side band if the client supports it."""
    if b"report-status" not in request.capabilities:
        return
    lines = [pktline.line(f"unpack {problem or 'ok'}\n".encode("utf-8", "replace"))]
    for command, reason in moved:
        text = b"ok " + command.ref if reason is None else b"ng " + command.ref + b" " + reason.encode()
        lines.append(pktline.line(text + b"\n"))
    body = b"".join([*lines, pktline.FLUSH])
    if b"side-band-64k" not in request.capabilities:
        out.write(body)
        return
    pktline.banded(out.write)(body)
    out.write(pktline.FLUSH)
