"""Git's smart HTTP (gitprotocol-http(5)) as an ASGI app. Bodies go to temporary files; Git work runs in threads."""

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
from crontopus_app.forge.embedded.http_error import HttpError
from crontopus_app.forge.embedded.incoming import Incoming
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
    """``max_push`` limits the bytes of a push, compressed and uncompressed; a larger one gets 413."""

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
            except HttpError as error:
                answer = _problem(error)
            await _send(answer, send)
        for callback in answer.after:
            await run(self.threads, callback)

    def _open(self, scope: Scope) -> tuple[Row, str, bool, Caller]:
        """The repository, the service, whether refs are requested, and the caller. Reads no body."""
        match = PATH.match(scope["path"])
        if match is None:
            raise HttpError(404, "Repository not found")
        owner, name, action = match.groups()
        refs = action == "info/refs"
        query = parse_qs(scope.get("query_string", b"").decode("ascii", "replace"))
        service = query.get("service", [""])[0] if refs else action
        if scope["method"] != ("GET" if refs else "POST"):
            raise HttpError(405, "method not allowed")
        headers = Headers(scope=scope)
        caller = self.forge.gate.identify(headers.get("authorization"))
        _refuse_unusable(caller)
        if service not in SERVICES:
            raise HttpError(403, "only Git's smart HTTP protocol is supported")
        kind, needed = ("read", "read") if service == "git-upload-pack" else ("write", "write")
        caller.require(kind, "repository")
        repository = self.forge.gate.open(caller, owner, name, needed)
        if not refs and headers.get("content-type") != f"application/x-{service}-request":
            raise HttpError(415, f"the Content-Type must be application/x-{service}-request")
        return repository, service, refs, caller

    async def _spool(self, scope: Scope, receive: Receive, body: IO[bytes], service: str) -> None:
        """Writes the decompressed request body to ``body``; raises 413 as soon as it exceeds the limit."""
        limit = self.max_push if service == "git-receive-pack" else MAX_FETCH_REQUEST
        headers = Headers(scope=scope)
        encoding = headers.get("content-encoding", "identity")
        if encoding not in ("gzip", "x-gzip", "identity"):
            raise HttpError(415, "unknown Content-Encoding")
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding != "identity" else None
        size = 0
        async with self.bodies.chunks(receive) as chunks:
            async for chunk in chunks:
                data = _inflate(inflate, chunk, limit)
                size += len(data)
                if size > limit:
                    raise HttpError(413, f"the push is too large: at most {limit} bytes are allowed")
                body.write(data)
        body.seek(0)

    def _serve(self, repository: Row, service: str, refs: bool, caller: Caller, body: IO[bytes]) -> Answer:
        out = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 -- closed after sending
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
            return  # Git tests its credentials with an empty request
        if request.has_pack:
            pack_guard.check(body)
        owner, name = repository["owner"], repository["name"]
        moved: list[tuple[receive_pack.Command, str | None]]
        with self.forge.repositories.writing(owner, name) as locked:
            incoming = Incoming(locked)
        with incoming:
            examination = Examination(incoming.store, incoming.existing)
            problem = None
            if request.has_pack:
                problem = receive_pack.unpack(incoming.store, body) or examination.pack_problem()
            if problem is None:
                with self.forge.repositories.writing(owner, name) as locked:
                    moved = receive_pack.move(locked, request, incoming, examination)
            else:
                moved = [(command, "unpacker error") for command in request.commands]
        receive_pack.report(request, problem, moved, answer.body)
        for command, reason in moved:
            if reason is None and command.ref.startswith(b"refs/heads/"):
                push = Push(
                    command.ref.decode("utf-8", "replace"), command.old.decode(), command.new.decode(), caller.login
                )
                answer.after.append(lambda push=push: self.forge.announce(repository, push))


def _refuse_unusable(caller: Caller) -> None:
    if caller.disabled:
        raise HttpError(200, "disabled")
    if caller.must_change_password:
        raise HttpError(401, "You must change your password.")


def _inflate(inflate: Any, data: bytes, limit: int) -> bytes:
    if inflate is None:
        return data
    try:
        return inflate.decompress(data, limit + 1)
    except zlib.error:
        raise HttpError(400, "the body is not gzip") from None


def _problem(error: HttpError) -> Answer:
    body = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 -- closed after sending
    if error.status == 200:  # Forgejo answers a disabled account with an HTML page, which Git reports as an error
        body.write(DISABLED)
        return Answer(200, "text/html; charset=utf-8", body)
    body.write((error.message if error.status != 404 else "Repository not found").encode() + b"\n")
    headers = {"www-authenticate": CHALLENGE} if error.status == 401 else {}
    return Answer(error.status, "text/plain; charset=utf-8", body, headers)


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
