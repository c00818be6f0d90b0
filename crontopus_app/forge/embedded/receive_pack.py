"""``git push`` over HTTP: gitprotocol-pack(5), "Pushing Data To a Server".

Every ref moves by compare-and-swap under the repository's lock, after all that it reaches is known to be good.
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
from crontopus_app.forge.embedded.incoming import Incoming
from crontopus_app.forge.embedded.reading import BROKEN, Unreadable
from crontopus_app.forge.embedded.refused import Refused

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


def unpack(store: DiskObjectStore, source: IO[bytes]) -> str | None:
    """Takes the pack into the store; the reason when it cannot."""
    try:
        store.add_thin_pack(source.read, None)
    except BROKEN as error:
        return " ".join(f"{type(error).__name__} {error}".split())[:200]
    return None


def move(
    repo: Repo, request: Request, incoming: Incoming, examination: Examination
) -> list[tuple[Command, str | None]]:
    """Moves the refs, each for itself unless the push is atomic; with the reason for each that did not move.

    Call with the repository locked. What was pushed becomes the repository's where at least one ref may move.
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
        return f"a ref has a name of at most {MAX_REF} bytes of UTF-8"
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
            done = repo.refs.remove_if_equals(command.ref, command.old)
        else:
            if command.old == ZERO_SHA and command.ref not in reading.refs(repo):
                repo.refs.remove_if_equals(command.ref, None)  # a file that names nothing
            done = repo.refs.set_if_equals(command.ref, command.old, command.new)
    except (OSError, ValueError) as error:
        return f"failed to update ref: {type(error).__name__}"
    return None if done else "fetch first"


def report(request: Request, unpacked: str | None, moved: list[tuple[Command, str | None]], out: IO[bytes]) -> None:
    """report-status, on the side band where the client can read that."""
    if b"report-status" not in request.capabilities:
        return
    lines = [pktline.line(f"unpack {unpacked or 'ok'}\n".encode("utf-8", "replace"))]
    for command, reason in moved:
        text = b"ok " + command.ref if reason is None else b"ng " + command.ref + b" " + reason.encode()
        lines.append(pktline.line(text + b"\n"))
    body = b"".join([*lines, pktline.FLUSH])
    if b"side-band-64k" not in request.capabilities:
        out.write(body)
        return
    pktline.banded(out.write)(body)
    out.write(pktline.FLUSH)
