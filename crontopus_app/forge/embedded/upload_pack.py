"""``git fetch`` over HTTP: one stateless round of gitprotocol-pack(5), version 0, with shallow clones.

``filter`` is not offered: a partial clone would later ask for single objects, which this does not serve. Git then
clones whole and says so.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from dulwich.object_store import find_shallow
from dulwich.objects import ZERO_SHA, ObjectID
from dulwich.pack import pack_object_header, write_pack_from_container
from dulwich.repo import Repo

from crontopus_app.forge.embedded import fsck, pktline, reading
from crontopus_app.forge.embedded.reading import BROKEN, Unreadable
from crontopus_app.forge.embedded.refused import Refused

CAPABILITIES = (
    b"multi_ack_detailed side-band-64k thin-pack ofs-delta no-progress include-tag shallow "
    b"object-format=sha1 agent=crontopus symref=HEAD:"
)
MAX_LINES = 100_000


@dataclass
class Asked:
    """What a client wants, what it has, and where its history ends."""

    wants: list[ObjectID] = field(default_factory=list)
    capabilities: set[bytes] = field(default_factory=set)
    shallow: set[ObjectID] = field(default_factory=set)
    depth: int = 0
    haves: list[ObjectID] = field(default_factory=list)
    ended: bool = False
    done: bool = False


def advertise(repo: Repo) -> bytes:
    rows: list[tuple[bytes, bytes]] = []
    for name, sha in sorted(reading.refs(repo).items()):
        rows.append((name, sha))
        peeled = _peeled(repo, sha) if name.startswith(b"refs/tags/") else None
        if peeled:
            rows.append((name + b"^{}", peeled))
    head = repo.refs.get_symrefs().get(b"HEAD", b"refs/heads/main")  # type: ignore[call-overload] -- a ref's name
    return pktline.refs_advertisement("git-upload-pack", rows, CAPABILITIES + head)


def _peeled(repo: Repo, sha: ObjectID) -> ObjectID | None:
    """What a tag object names in the end; None for what is no tag, or leads nowhere."""
    found = sha
    try:
        for _ in range(reading.MAX_TAGS):
            kind, data = reading.raw(repo.object_store, found)
            if kind != fsck.TAG:
                return found if found != sha else None
            found = reading.tag_target(data) or found
    except Unreadable:
        pass
    return None


def serve(repo: Repo, source: IO[bytes], out: IO[bytes]) -> None:
    """Answers one request; raises 400 for one that is not Git's. A repository that is damaged says so to Git's user."""
    asked = read(source)
    if not asked.wants:
        return
    try:
        _answer(repo, asked, out)
    except Unreadable as damage:
        _fail(out, damage.message)
    except BROKEN as error:
        _fail(out, f"The repository is damaged ({type(error).__name__}).")


def _fail(out: IO[bytes], sentence: str) -> None:
    out.seek(0)
    out.truncate()
    out.write(pktline.line(f"ERR {sentence}".encode()))


def _answer(repo: Repo, asked: Asked, out: IO[bytes]) -> None:
    strange = _not_ours(repo, asked.wants)
    if strange:
        out.write(pktline.line(b"ERR upload-pack: not our ref " + strange))
        return
    ends = _deepen(repo, asked, out)
    if not asked.ended:
        return
    common = _acknowledge(repo, asked, out)
    if asked.done:
        _send_pack(repo, asked, common, ends, out)


def _not_ours(repo: Repo, wants: list[ObjectID]) -> ObjectID | None:
    """The first want that no ref reaches. A ref that moved since it was advertised still reaches its old commit."""
    tips = set(reading.refs(repo).values())
    others = [want for want in wants if want not in tips]
    if not others:
        return None
    reachable = reading.history(repo.object_store, tips, gaps=True)
    return next((want for want in others if want not in reachable), None)


def read(source: IO[bytes]) -> Asked:
    asked = Asked()
    try:
        for _ in range(MAX_LINES):
            text = pktline.read(source)
            if text is None:
                asked.ended = bool(asked.haves) or asked.ended
                continue
            _take(asked, text)
            if asked.done:
                break
        else:
            raise Refused(413, "too many lines")
    except EOFError:
        pass  # the end of a stateless round
    return asked


def _take(asked: Asked, text: bytes) -> None:
    command, _, value = text.partition(b" ")
    if command == b"done":
        asked.ended = asked.done = True
    elif command == b"deepen" and value.isdigit() and len(value) < 11:
        asked.depth = int(value)
    elif command == b"want":
        sha, _, capabilities = value.partition(b" ")
        asked.wants.append(_sha(sha))
        asked.capabilities.update(capabilities.split())
    elif command == b"have":
        asked.haves.append(_sha(value))
    elif command == b"shallow":
        asked.shallow.add(_sha(value))
    else:
        raise Refused(400, "not a line of a fetch request")


def _sha(text: bytes) -> ObjectID:
    if len(text) != 40 or not all(character in b"0123456789abcdef" for character in text):
        raise Refused(400, "not an object name")
    return ObjectID(text)


def _deepen(repo: Repo, asked: Asked, out: IO[bytes]) -> set[ObjectID]:
    """Tells where the client's history will end, and returns these commits. Without ``deepen`` they stay."""
    if not asked.depth:
        return set(asked.shallow)
    shallow, whole = find_shallow(repo.object_store, asked.wants, asked.depth)
    ends = shallow - whole
    for sha in sorted(ends - asked.shallow):
        out.write(pktline.line(b"shallow " + sha))
    for sha in sorted(asked.shallow & whole):
        out.write(pktline.line(b"unshallow " + sha))
    out.write(pktline.FLUSH)
    return ends


def _acknowledge(repo: Repo, asked: Asked, out: IO[bytes]) -> list[ObjectID]:
    """multi_ack_detailed: every commit both have, then whether that is enough."""
    common = [sha for sha in asked.haves if reading.kind_of(repo.object_store, sha) is not None]
    detailed = b"multi_ack_detailed" in asked.capabilities
    if detailed:
        for sha in common:
            out.write(pktline.line(b"ACK " + sha + b" common\n"))
        if common and not asked.done:
            out.write(pktline.line(b"ACK " + common[-1] + b" ready\n"))
    if asked.done and common and detailed:
        out.write(pktline.line(b"ACK " + common[-1] + b"\n"))
    elif common and not detailed:
        out.write(pktline.line(b"ACK " + common[0] + b"\n"))
    else:
        out.write(pktline.line(b"NAK\n"))
    return common


def _send_pack(repo: Repo, asked: Asked, common: list[ObjectID], ends: set[ObjectID], out: IO[bytes]) -> None:
    wanted = _missing(repo, asked, common, ends)
    banded = b"side-band-64k" in asked.capabilities
    write = pktline.banded(out.write) if banded else out.write
    start = out.tell()
    try:
        write_pack_from_container(
            write,  # type: ignore[arg-type] -- whatever it returns is not used
            repo.object_store,
            [(sha, None) for sha in wanted],
            object_format=repo.object_format,
        )
    except BROKEN:
        out.seek(start)
        out.truncate()
        _write_as_they_are(repo, wanted, write)
    if banded:
        out.write(pktline.FLUSH)


def _write_as_they_are(repo: Repo, shas: list[ObjectID], write: Callable[[bytes], object]) -> None:
    """A pack of objects that dulwich does not take for what they are; raises Unreadable for one that is damaged."""
    digest = hashlib.sha1(usedforsecurity=False)
    header = b"PACK" + (2).to_bytes(4, "big") + len(shas).to_bytes(4, "big")
    digest.update(header)
    write(header)
    for sha in shas:
        kind, data = reading.raw(repo.object_store, sha)
        part = bytes(pack_object_header(kind, None, len(data), repo.object_format)) + zlib.compress(data)
        digest.update(part)
        write(part)
    write(digest.digest())


def _missing(repo: Repo, asked: Asked, common: list[ObjectID], ends: set[ObjectID]) -> list[ObjectID]:
    """Objects the client lacks.

    What it has is what its haves reach down to its own old ends; what it shall have reaches down to the new ends.
    """
    store = repo.object_store
    has = reading.history(store, common, asked.shallow, gaps=True)
    wanted = reading.history(store, asked.wants, ends)
    missing = [sha for sha in wanted if sha not in has]
    known: set[ObjectID] = set()
    boundary = {parent for sha in missing for parent in wanted[sha].parents if parent in has}
    for sha in boundary | {sha for sha in common if sha in has}:
        with suppress(Unreadable):  # the client has it whole, whatever is left of it here
            for _ in reading.tree_objects(store, has[sha].tree, known):
                pass  # fills ``known``
    found = dict.fromkeys(missing)
    for sha in missing:
        found.update(dict.fromkeys(reading.tree_objects(store, wanted[sha].tree, known)))
    found.update(dict.fromkeys(_tags(repo, asked, wanted)))
    return list(found)


def _tags(repo: Repo, asked: Asked, wanted: Container[ObjectID]) -> Iterator[ObjectID]:
    """Tag objects that were asked for; with include-tag also those that name a commit being sent."""
    for sha in set(reading.refs(repo).values()):
        kind, data = reading.raw(repo.object_store, sha) if sha in asked.wants else _readable(repo, sha)
        if kind != fsck.TAG:
            continue
        if sha in asked.wants or (b"include-tag" in asked.capabilities and _target(data) in wanted):
            yield sha


def _target(tag: bytes) -> ObjectID:
    return reading.tag_target(tag) or ZERO_SHA


def _readable(repo: Repo, sha: ObjectID) -> tuple[int, bytes]:
    try:
        return reading.raw(repo.object_store, sha)
    except Unreadable:
        return 0, b""
