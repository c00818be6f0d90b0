"""``POST /api/checkins`` in front of Reflex and FastAPI: what comes as usual never reaches them.

Whatever is not usual (another encoding, a browser's Origin, a body that is wrong or too large) goes on to the
application behind, unread or read again: its own route documents this one and gives every refusal of a body.
"""

from __future__ import annotations

import asyncio
import json

from fastapi import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contract import wire
from crontopus_app.api import decode, limits, problems
from crontopus_app.api.checkins import one
from crontopus_app.base.errors import CrontopusError, Forbidden, NotAuthenticated
from crontopus_app.monitoring.intake import intake
from crontopus_app.monitoring.intake.senders import Caller, Callers
from crontopus_app.people.http_auth import endpoint_token

PATH = "/api/checkins"
PATHS = frozenset({PATH, f"{PATH}/"})
JSON = b"application/json"


class HotCheckins:
    """Answers check-ins as they usually come, and hands all else to ``other``."""

    def __init__(self, other: ASGIApp) -> None:
        self._other = other
        self._callers = Callers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers_of(scope)
        if headers is None:
            await self._other(scope, receive, send)
            return
        try:
            caller = await self._caller(headers)
            body, whole = await _read(receive)
            told = decode.checkin(body) if whole else None
            if told is None:
                await self._other(scope, _again(body, whole, receive), send)
                return
            answer = await self._answer(caller, told)
        except CrontopusError as error:
            answer = problems.answer(error)
        except _GoneError:
            return
        except Exception as error:
            answer = await problems.unforeseen(Request(scope), error)
        await answer(scope, receive, send)

    async def _caller(self, headers: dict[bytes, bytes]) -> Caller:
        """Asked before the body is read. Raises NotAuthenticated, Forbidden, Unavailable."""
        token = endpoint_token(headers.get(b"authorization", b"").decode("latin-1"))
        return self._callers.known(token) or await asyncio.to_thread(self._callers.look_up, token)

    async def _answer(self, caller: Caller, told: wire.Checkin) -> Response:
        try:
            outcome = await intake.take(caller, [told])
            answer = one(outcome.answers)
        except (NotAuthenticated, Forbidden):
            self._callers.forget(caller)
            raise
        body = {"run_id": answer.run_id, "state": answer.state, "duplicate": answer.duplicate}
        left = limits.headers(intake.RATE, outcome.spent)
        return Response(json.dumps(body), headers=left, media_type="application/json")


class _GoneError(Exception):
    """Nobody waits for an answer any more."""


def _headers_of(scope: Scope) -> dict[bytes, bytes] | None:
    """The headers of a request that may be a usual check-in, else None."""
    if scope["type"] != "http" or scope["path"] not in PATHS or scope["method"] != "POST":
        return None
    headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))  # of two alike the first counts, as for FastAPI
    length = headers.get(b"content-length", b"0")
    usual = headers.get(b"content-type", b"").partition(b";")[0] == JSON and b"origin" not in headers
    return headers if usual and length.isdigit() and int(length) <= limits.BODY_LIMIT else None


async def _read(receive: Receive) -> tuple[bytes, bool]:
    """The body and whether it is whole: reading ends past the limit. Raises _GoneError."""
    parts, size, more = [], 0, True
    while more and size <= limits.BODY_LIMIT:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        part = message.get("body", b"")
        parts.append(part)
        size, more = size + len(part), message.get("more_body", False)
    return b"".join(parts), not more and size <= limits.BODY_LIMIT


def _again(body: bytes, whole: bool, receive: Receive) -> Receive:
    """Gives what was read once more, then what is left."""
    read: list[Message] = [{"type": "http.request", "body": body, "more_body": not whole}]

    async def again() -> Message:
        return read.pop() if read else await receive()

    return again
