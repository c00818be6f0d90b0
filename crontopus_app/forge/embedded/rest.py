"""The REST API at ``/api/v1``: routes requests to handlers, which run in threads.

A handler is a function of a ``Call`` that returns a Starlette response or raises ``HttpError``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crontopus_app.forge.embedded.access import Caller
from crontopus_app.forge.embedded.bodies import Bodies
from crontopus_app.forge.embedded.forge import Forge
from crontopus_app.forge.embedded.http_error import HttpError
from crontopus_app.forge.embedded.store import Row

MAX_BODY = 32 * 1024 * 1024
DEFAULT_LIMIT, MAX_LIMIT = 30, 50
NAME = re.compile(r"^[0-9a-zA-Z](?!.*[-._]{2})[-.\w]*(?<![-._])$", re.ASCII)
REPOSITORY_NAME = re.compile(
    r"^(?!\.{1,2}$|-$)[A-Za-z0-9._-]{1,100}(?<!\.git)(?<!\.wiki)(?<!\.rss)(?<!\.atom)$", re.ASCII
)
RESERVED = frozenset(
    ("admin", "api", "user", "org", "repo", "issues", "pulls", "v2", "ghost", "assets", "login", "explore")
)

log = logging.getLogger(__name__)


@dataclass
class Call:
    """A request of an authenticated caller. ``body`` is the JSON object, empty without a body."""

    forge: Forge
    caller: Caller
    method: str
    path: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]
    after: list[Callable[[], None]] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return "read" if self.method in ("GET", "HEAD") else "write"

    def repository(self, needed: str = "read", category: str = "repository") -> Row:
        """The repository in the path, if the caller has the permission; see ``Gate.open``."""
        self.caller.require(self.kind, category)
        return self.forge.gate.open(self.caller, self.path["owner"], self.path["repo"], needed)

    def require_admin(self) -> None:
        self.caller.require(self.kind, "admin")
        if not self.caller.admin or self.caller.repositories is not None:
            raise HttpError(403, "user should be the site administrator")

    def text(self, name: str) -> str:
        """A required string of the body; raises 422."""
        value = self.body.get(name)
        if not isinstance(value, str) or not value:
            raise HttpError(422, f"[{name}]: Required")
        return value

    def number(self, name: str, default: int, most: int | None = None) -> int:
        value = self.query.get(name, "")
        number = int(value) if value.isdecimal() and len(value) < 10 else default
        number = max(number, 1) if name == "page" or number else default
        return min(number, most) if most else number

    def page(self, items: list[Any]) -> Response:
        """The page of a list that ``page`` and ``limit`` select, with the list's length in X-Total-Count."""
        limit = self.number("limit", DEFAULT_LIMIT, MAX_LIMIT)
        start = (self.number("page", 1) - 1) * limit
        return reply(items[start : start + limit], headers={"X-Total-Count": str(len(items))})


Handler = Callable[[Call], Response]


def reply(body: Any = None, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    if status == 204:
        return Response(status_code=204)
    return JSONResponse(body, status_code=status, headers=headers)


def valid_name(name: str) -> str:
    """Raises 422 for a name that Forgejo does not allow for an account."""
    if len(name) > 40 or not NAME.match(name) or name.lower() in RESERVED:
        raise HttpError(422, f"name is reserved or invalid [name: {name}]")
    return name


def routes(
    forge: Forge, threads: ThreadPoolExecutor, bodies: Bodies, table: list[tuple[str, str, Handler]]
) -> list[Route]:
    """Starlette routes for ``(method, path, handler)`` rows, in their order."""
    return [
        Route(path, _endpoint(forge, threads, bodies, handler), methods=[method]) for method, path, handler in table
    ]


def _endpoint(
    forge: Forge, threads: ThreadPoolExecutor, bodies: Bodies, handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        run = asyncio.get_running_loop().run_in_executor
        try:
            caller = await run(threads, _identify, forge, request)  # before the body is read
            raw = await _read(request, bodies)
            return await run(threads, _answer, forge, handler, caller, request, raw)
        except HttpError as error:
            return _problem(forge, error)

    return endpoint


async def _read(request: Request, bodies: Bodies) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async with bodies.chunks(request.receive) as stream:
        async for chunk in stream:
            size += len(chunk)
            if size > MAX_BODY:
                raise HttpError(413, f"the request is too large: at most {MAX_BODY} bytes are allowed")
            chunks.append(chunk)
    return b"".join(chunks)


def _identify(forge: Forge, request: Request) -> Caller:
    caller = forge.gate.identify(request.headers.get("Authorization"))
    _refuse_unusable(caller, request)
    return caller


def _answer(forge: Forge, handler: Handler, caller: Caller, request: Request, raw: bytes) -> Response:
    body = _json(request, raw)
    call = Call(forge, caller, request.method, dict(request.path_params), dict(request.query_params), body)
    answer = handler(call)
    if call.after:
        answer.background = BackgroundTask(_run_all, call.after)
    return answer


def _run_all(after: list[Callable[[], None]]) -> None:
    for callback in after:
        callback()


def _refuse_unusable(caller: Caller, request: Request) -> None:
    if caller.disabled:
        raise HttpError(403, "user is disabled")
    if caller.must_change_password:
        raise HttpError(403, "You must change your password.")
    if "Sudo" in request.headers or "sudo" in request.query_params:
        raise HttpError(403, "Only administrators allowed to sudo.")


def _json(request: Request, raw: bytes) -> dict[str, Any]:
    """The body as a JSON object; raises 422 for other content, or another Content-Type."""
    if not raw:
        return {}
    if "json" not in request.headers.get("Content-Type", ""):
        raise HttpError(422, "Empty Content-Type")
    try:
        body = json.loads(raw)
        if b"\\u" in raw:
            json.dumps(body, ensure_ascii=False).encode()  # refuse lone surrogates
    except (ValueError, RecursionError):
        raise HttpError(422, "Deserialization failed") from None
    if not isinstance(body, dict):
        raise HttpError(422, "Deserialization failed")
    return body


def _problem(forge: Forge, error: HttpError) -> Response:
    body: dict[str, Any] = {"message": error.message, "url": f"{forge.url}/api/swagger"}
    if error.status == 404:
        body["errors"] = []
    return JSONResponse(body, status_code=error.status)
