"""``git fetch`` over HTTP: one stateless round of gitprotocol-pack(5), version 0, with shallow clones.

The capability ``filter`` is not offered: a partial clone would later request single objects, which are not served. Git
then warns and makes a full clone.
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
from crontopus_app.forge.embedded.http_error import HttpError
from crontopus_app.forge.embedded.reading import BROKEN, Unreadable

CAPABILITIES = (
    b"multi_ack_detailed side-band-64k thin-pack ofs-delta no-progress include-tag shallow "
    b"object-format=sha1 agent=crontopus symref=HEAD:"
)
MAX_LINES = 100_000


@dataclass
class FetchRequest:
    """The commits that a client wants, those it has, and the boundaries of its history."""

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
    """The object that a tag finally points to; None for another type or a broken tag."""
    target = sha
    try:
        for _ in range(reading.MAX_TAGS):
            kind, data = reading.raw(repo.object_store, target)
            if kind != fsck.TAG:
                return target if target != sha else None
            target = reading.tag_target(data) or target
    except Unreadable:
        pass
    return None


def serve(repo: Repo, source: IO[bytes], out: IO[bytes]) -> None:
    """Answers one request; raises 400 for an invalid one. Reports a damaged repository to the user of Git."""
    request = read(source)
    if not request.wants:
        return
    try:
        _answer(repo, request, out)
    except Unreadable as damage:
        _fail(out, damage.message)
    except BROKEN as error:
        _fail(out, f"The repository is damaged ({type(error).__name__}).")


def _fail(out: IO[bytes], sentence: str) -> None:
    out.seek(0)
    out.truncate()
    out.write(pktline.line(f"ERR {sentence}".encode()))


def _answer(repo: Repo, request: FetchRequest, out: IO[bytes]) -> None:
    unknown = _unreachable_want(repo, request.wants)
    if unknown:
        out.write(pktline.line(b"ERR upload-pack: not our ref " + unknown))
        return
    ends = _deepen(repo, request, out)
    if not request.ended:
        return
    common = _acknowledge(repo, request, out)
    if request.done:
        _send_pack(repo, request, common, ends, out)


def _unreachable_want(repo: Repo, wants: list[ObjectID]) -> ObjectID | None:
    """The first wanted commit that no ref reaches. A ref that moved since its advertisement reaches the old one."""
    tips = set(reading.refs(repo).values())
    unadvertised = [want for want in wants if want not in tips]
    if not unadvertised:
        return None
    reachable = reading.history(repo.object_store, tips, gaps=True)
    return next((want for want in unadvertised if want not in reachable), None)


def read(source: IO[bytes]) -> FetchRequest:
    request = FetchRequest()
    try:
        for _ in range(MAX_LINES):
            text = pktline.read(source)
            if text is None:
                request.ended = bool(request.haves) or request.ended
                continue
            _take(request, text)
            if request.done:
                break
        else:
            raise HttpError(413, f"the fetch request has more than {MAX_LINES} lines")
    except EOFError:
        pass  # the end of a stateless round
    return request


def _take(request: FetchRequest, text: bytes) -> None:
    command, _, value = text.partition(b" ")
    if command == b"done":
        request.ended = request.done = True
    elif command == b"deepen" and value.isdigit() and len(value) < 11:
        request.depth = int(value)
    elif command == b"want":
        sha, _, capabilities = value.partition(b" ")
        request.wants.append(_sha(sha))
        request.capabilities.update(capabilities.split())
    elif command == b"have":
        request.haves.append(_sha(value))
    elif command == b"shallow":
        request.shallow.add(_sha(value))
    else:
        raise HttpError(400, "invalid line in a fetch request")


def _sha(text: bytes) -> ObjectID:
    if len(text) != 40 or not all(character in b"0123456789abcdef" for character in text):
        raise HttpError(400, "invalid object name")
    return ObjectID(text)


def _deepen(repo: Repo, request: FetchRequest, out: IO[bytes]) -> set[ObjectID]:
    """Sends the new boundaries of the client's history and returns them. Without ``deepen``, they stay."""
    if not request.depth:
        return set(request.shallow)
    shallow, whole = find_shallow(repo.object_store, request.wants, request.depth)
    ends = shallow - whole
    for sha in sorted(ends - request.shallow):
        out.write(pktline.line(b"shallow " + sha))
    for sha in sorted(request.shallow & whole):
        out.write(pktline.line(b"unshallow " + sha))
    out.write(pktline.FLUSH)
    return ends


def _acknowledge(repo: Repo, request: FetchRequest, out: IO[bytes]) -> list[ObjectID]:
    """Acknowledges common commits, with multi_ack_detailed if the client supports it, and returns them."""
    common = [sha for sha in request.haves if reading.kind_of(repo.object_store, sha) is not None]
    detailed = b"multi_ack_detailed" in request.capabilities
    if detailed:
        for sha in common:
            out.write(pktline.line(b"ACK " + sha + b" common\n"))
        if common and not request.done:
            out.write(pktline.line(b"ACK " + common[-1] + b" ready\n"))
    if request.done and common and detailed:
        out.write(pktline.line(b"ACK " + common[-1] + b"\n"))
    elif common and not detailed:
        out.write(pktline.line(b"ACK " + common[0] + b"\n"))
    else:
        out.write(pktline.line(b"NAK\n"))
    return common


def _send_pack(repo: Repo, request: FetchRequest, common: list[ObjectID], ends: set[ObjectID], out: IO[bytes]) -> None:
    shas = _missing(repo, request, common, ends)
    banded = b"side-band-64k" in request.capabilities
    write = pktline.banded(out.write) if banded else out.write
    start = out.tell()
    try:
        write_pack_from_container(
            write,  # type: ignore[arg-type] -- whatever it returns is not used
            repo.object_store,
            [(sha, None) for sha in shas],
            object_format=repo.object_format,
        )
    except BROKEN:
        out.seek(start)
        out.truncate()
        _write_plain_pack(repo, shas, write)
    if banded:
        out.write(pktline.FLUSH)


def _write_plain_pack(repo: Repo, shas: list[ObjectID], write: Callable[[bytes], object]) -> None:
    """Writes a pack of objects that dulwich cannot parse; raises Unreadable for a damaged object."""
    digest = hashlib.sha1(usedforsecurity=False)
    header = b"PACK" + (2).to_bytes(4, "big") + len(shas).to_bytes(4, "big")
    digest.update(header)
    write(header)
    for sha in shas:
        kind, data = reading.raw(repo.object_store, sha)
        entry = bytes(pack_object_header(kind, None, len(data), repo.object_format)) + zlib.compress(data)
        digest.update(entry)
        write(entry)
    write(digest.digest())


def _missing(repo: Repo, request: FetchRequest, common: list[ObjectID], ends: set[ObjectID]) -> list[ObjectID]:
    """The objects that the client lacks.

    It has what ``common`` reaches, up to its old boundaries; it needs what its wants reach, up to the new ones.
    """
    store = repo.object_store
    present = reading.history(store, common, request.shallow, gaps=True)
    wanted = reading.history(store, request.wants, ends)
    missing = [sha for sha in wanted if sha not in present]
    known: set[ObjectID] = set()
    boundary = {parent for sha in missing for parent in wanted[sha].parents if parent in present}
    for sha in boundary | {sha for sha in common if sha in present}:
        with suppress(Unreadable):  # the client has the whole tree, even if it is damaged here
            for _ in reading.tree_objects(store, present[sha].tree, known):
                pass  # fills ``known``
    objects = dict.fromkeys(missing)
    for sha in missing:
        objects.update(dict.fromkeys(reading.tree_objects(store, wanted[sha].tree, known)))
    objects.update(dict.fromkeys(_tags(repo, request, wanted)))
    return list(objects)


def _tags(repo: Repo, request: FetchRequest, wanted: Container[ObjectID]) -> Iterator[ObjectID]:
    """Wanted tag objects; with include-tag, also the tags of commits that are sent."""
    for sha in set(reading.refs(repo).values()):
        kind, data = reading.raw(repo.object_store, sha) if sha in request.wants else _readable(repo, sha)
        if kind != fsck.TAG:
            continue
        if sha in request.wants or (b"include-tag" in request.capabilities and _target(data) in wanted):
            yield sha


def _target(tag: bytes) -> ObjectID:
    return reading.tag_target(tag) or ZERO_SHA


def _readable(repo: Repo, sha: ObjectID) -> tuple[int, bytes]:
    try:
        return reading.raw(repo.object_store, sha)
    except Unreadable:
        return 0, b""
