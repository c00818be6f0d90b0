"""Git's smart HTTP (gitprotocol-http(5)) as an ASGI app: bodies to temporary files, Git's part in threads."""

from __future__ import annotations

import asyncio
import re
import tempfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from crontopus_app.forge.embedded import pack_guard, receive_pack, upload_pack
from crontopus_app.forge.embedded.access import Caller
from crontopus_app.forge.embedded.bodies import Bodies
from crontopus_app.forge.embedded.examine import Examination
from crontopus_app.forge.embedded.forge import Forge
from crontopus_app.forge.embedded.incoming import Incoming
from crontopus_app.forge.embedded.refused import Refused
from crontopus_app.forge.embedded.store import Row
from crontopus_app.forge.embedded.webhooks import Push

PATH = re.compile(r"^/([^/]+)/([^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)$")
SERVICES = ("git-upload-pack", "git-receive-pack")
IN_MEMORY = 1024 * 1024
MAX_FETCH_REQUEST = 8 * 1024 * 1024
CHUNK = 256 * 1024
CHALLENGE = 'Basic realm="Crontopus"'
DISABLED = b"<!DOCTYPE html>\n<html>\n<body>\n<p>This account is disabled.</p>\n</body>\n</html>\n"


@dataclass
class Answer:
    status: int
    kind: str
    body: IO[bytes]
    headers: dict[str, str] = field(default_factory=dict)
    after: list[Callable[[], None]] = field(default_factory=list)


class SmartHttp:
    """``max_push`` bounds a push in bytes, as sent and as unpacked from gzip; above it the answer is 413."""

    def __init__(self, forge: Forge, threads: ThreadPoolExecutor, bodies: Bodies, max_push: int) -> None:
        self.forge = forge
        self.threads = threads
        self.bodies = bodies
        self.max_push = max_push

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        run = asyncio.get_running_loop().run_in_executor
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as body:
            try:
                opened = await run(self.threads, self._open, scope)
                await self._spool(scope, receive, body, opened[1])
                answer = await run(self.threads, self._serve, *opened, body)
            except Refused as refused:
                answer = _problem(refused)
            await _send(answer, send)
        for act in answer.after:
            await run(self.threads, act)

    def _open(self, scope: Scope) -> tuple[Row, str, bool, Caller]:
        """Repository, service, whether refs are asked for, and the caller. Before any body is read."""
        match = PATH.match(scope["path"])
        if match is None:
            raise Refused(404, "Repository not found")
        owner, name, action = match.groups()
        refs = action == "info/refs"
        query = parse_qs(scope.get("query_string", b"").decode("ascii", "replace"))
        service = query.get("service", [""])[0] if refs else action
        if scope["method"] != ("GET" if refs else "POST"):
            raise Refused(405, "method not allowed")
        headers = Headers(scope=scope)
        caller = self.forge.gate.identify(headers.get("authorization"))
        _refuse_unusable(caller)
        if service not in SERVICES:
            raise Refused(403, "only Git's smart protocol is served")
        kind, needed = ("read", "read") if service == "git-upload-pack" else ("write", "write")
        caller.require(kind, "repository")
        repository = self.forge.gate.open(caller, owner, name, needed)
        if not refs and headers.get("content-type") != f"application/x-{service}-request":
            raise Refused(415, "not a request of Git")
        return repository, service, refs, caller

    async def _spool(self, scope: Scope, receive: Receive, body: IO[bytes], service: str) -> None:
        """The request's body, unzipped, into ``body``; raises 413 as soon as it grows beyond the limit."""
        limit = self.max_push if service == "git-receive-pack" else MAX_FETCH_REQUEST
        headers = Headers(scope=scope)
        encoding = headers.get("content-encoding", "identity")
        if encoding not in ("gzip", "x-gzip", "identity"):
            raise Refused(415, "unknown Content-Encoding")
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding != "identity" else None
        size = 0
        async with self.bodies.pieces(receive) as pieces:
            async for piece in pieces:
                data = _inflate(inflate, piece, limit)
                size += len(data)
                if size > limit:
                    raise Refused(413, f"a push has at most {limit} bytes")
                body.write(data)
        body.seek(0)

    def _serve(self, repository: Row, service: str, refs: bool, caller: Caller, body: IO[bytes]) -> Answer:
        out = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 -- closed once it is sent
        answer = Answer(200, f"application/x-{service}-{'advertisement' if refs else 'result'}", out)
        try:
            self._write(repository, service, refs, caller, body, answer)
        except BaseException:
            out.close()
            raise
        return answer

    def _write(
        self, repository: Row, service: str, refs: bool, caller: Caller, body: IO[bytes], answer: Answer
    ) -> None:
        with self.forge.repositories.open(repository["owner"], repository["name"]) as repo:
            if refs:
                part = upload_pack if service == "git-upload-pack" else receive_pack
                answer.body.write(part.advertise(repo))
            elif service == "git-upload-pack":
                upload_pack.serve(repo, body, answer.body)
            else:
                self._receive(repository, caller, body, answer)

    def _receive(self, repository: Row, caller: Caller, body: IO[bytes], answer: Answer) -> None:
        request = receive_pack.read(body)
        if not request.commands:
            return  # Git asks in this way whether its credentials will do
        if request.has_pack:
            pack_guard.check(body)
        owner, name = repository["owner"], repository["name"]
        moved: list[tuple[receive_pack.Command, str | None]]
        with self.forge.repositories.writing(owner, name) as locked:
            incoming = Incoming(locked)
        with incoming:
            examination = Examination(incoming.store, incoming.here)
            unpacked = receive_pack.unpack(incoming.store, body) or examination.arrived() if request.has_pack else None
            if unpacked is None:
                with self.forge.repositories.writing(owner, name) as locked:
                    moved = receive_pack.move(locked, request, incoming, examination)
            else:
                moved = [(command, "unpacker error") for command in request.commands]
        receive_pack.report(request, unpacked, moved, answer.body)
        for command, reason in moved:
            if reason is None and command.ref.startswith(b"refs/heads/"):
                push = Push(
                    command.ref.decode("utf-8", "replace"), command.old.decode(), command.new.decode(), caller.login
                )
                answer.after.append(lambda push=push: self.forge.announce(repository, push))


def _refuse_unusable(caller: Caller) -> None:
    if caller.disabled:
        raise Refused(200, "disabled")
    if caller.must_change_password:
        raise Refused(401, "You must change your password.")


def _inflate(inflate: Any, data: bytes, limit: int) -> bytes:
    if inflate is None:
        return data
    try:
        return inflate.decompress(data, limit + 1)
    except zlib.error:
        raise Refused(400, "the body is not gzip") from None


def _problem(refused: Refused) -> Answer:
    body = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 -- closed once it is sent
    if refused.status == 200:  # Forgejo shows a disabled account a page, and Git stumbles over it
        body.write(DISABLED)
        return Answer(200, "text/html; charset=utf-8", body)
    body.write((refused.message if refused.status != 404 else "Repository not found").encode() + b"\n")
    headers = {"www-authenticate": CHALLENGE} if refused.status == 401 else {}
    return Answer(refused.status, "text/plain; charset=utf-8", body, headers)


async def _send(answer: Answer, send: Send) -> None:
    length = answer.body.seek(0, 2)
    headers = {
        "content-type": answer.kind,
        "content-length": str(length),
        "cache-control": "no-cache, max-age=0, must-revalidate",
        **answer.headers,
    }
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    answer.body.seek(0)
    with answer.body as body:
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        while chunk := body.read(CHUNK):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
