"""A fast path for ``POST /api/checkins`` in front of Reflex and FastAPI.

Unusual requests (another encoding, an Origin header, an invalid or too large body) are passed on to the application,
whose own route documents this path and produces all errors about the body.
"""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import datetime
from typing import Annotated, Any, get_type_hints

import msgspec
from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contract import wire
from crontopus_app.api import limits, problems
from crontopus_app.api.checkins import only_answer
from crontopus_app.base.errors import CrontopusError, Forbidden, NotAuthenticated
from crontopus_app.monitoring.intake import batch
from crontopus_app.monitoring.intake.senders import Caller, CallerCache
from crontopus_app.people.http_auth import endpoint_token

PATH = "/api/checkins"
PATHS = frozenset({PATH, f"{PATH}/"})
JSON = b"application/json"


class FastCheckins:
    """Answers usual check-ins; passes all other requests to ``other``."""

    def __init__(self, other: ASGIApp) -> None:
        self._other = other
        self._callers = CallerCache()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers_of(scope)
        if headers is None:
            await self._other(scope, receive, send)
            return
        try:
            caller = await self._caller(headers)
            body, whole = await _read(receive)
            checkin = decode(body) if whole else None
            if checkin is None:
                await self._other(scope, _replayed(body, whole, receive), send)
                return
            answer = await self._answer(caller, checkin)
            await _send(send, *answer)
            return
        except CrontopusError as error:
            refusal = problems.answer(error)
        except _DisconnectedError:
            return
        except Exception as error:
            refusal = await problems.unforeseen(Request(scope), error)
        await refusal(scope, receive, send)

    async def _caller(self, headers: dict[bytes, bytes]) -> Caller:
        """Authenticates before the body is read. Raises NotAuthenticated, Forbidden, Unavailable."""
        token = endpoint_token(headers.get(b"authorization", b"").decode("latin-1"))
        return self._callers.cached(token) or await asyncio.to_thread(self._callers.look_up, token)

    async def _answer(self, caller: Caller, checkin: wire.Checkin) -> tuple[bytes, dict[str, str]]:
        """The response body, and the rate limit headers."""
        try:
            result = await batch.write(caller, [checkin])
            answer = only_answer(result.outcomes)
        except (NotAuthenticated, Forbidden):
            self._callers.forget(caller)
            raise
        return msgspec.json.encode(answer), limits.headers(batch.RATE, result.spent)


async def _send(send: Send, body: bytes, rate_headers: dict[str, str]) -> None:
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", JSON)]
    headers += [(name.lower().encode(), value.encode()) for name, value in rate_headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


# At most microseconds: msgspec rounds finer fractions, and FastAPI truncates them.
Moment = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
        r"(?:Z|\+[0-9]{2}:[0-5][0-9]|-(?!00:00)[0-9]{2}:[0-5][0-9])\Z"
    ),
]


def _strict(shape: type, **overrides: Any) -> type[msgspec.Struct]:
    """A struct with exactly the fields of a wire type, because msgspec accepts unknown fields for dataclasses.

    ``overrides`` are fields with another type.
    """
    hints, fields = get_type_hints(shape) | overrides, list[tuple[str, Any, Any]]()
    for field in dataclasses.fields(shape):
        plain = field.default if field.default is not dataclasses.MISSING else msgspec.NODEFAULT
        default = plain if field.default_factory is dataclasses.MISSING else msgspec.field(default_factory=list)
        fields.append((field.name, hints[field.name], default))
    return msgspec.defstruct(shape.__name__, fields, forbid_unknown_fields=True)


_Output: Any = _strict(wire.CheckinOutput)
_Checkin = _strict(wire.Checkin, at=Moment, slot=Moment | None, started_at=Moment | None, output=_Output | None)
_decoder = msgspec.json.Decoder(_Checkin)


def decode(body: bytes) -> wire.Checkin | None:
    """Parses a check-in with the same result as FastAPI; None for an invalid or unusual body, which FastAPI handles."""
    try:
        values = msgspec.structs.asdict(_decoder.decode(body))
        for name in ("at", "slot", "started_at"):
            values[name] = values[name] and datetime.fromisoformat(values[name])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if values["output"] is not None:
        values["output"] = wire.CheckinOutput(**msgspec.structs.asdict(values["output"]))
    return wire.Checkin(**values)


class _DisconnectedError(Exception):
    """The client has disconnected."""


def _headers_of(scope: Scope) -> dict[bytes, bytes] | None:
    """The headers of a request that may be a usual check-in; None for others."""
    if scope["type"] != "http" or scope["path"] not in PATHS or scope["method"] != "POST":
        return None
    headers: dict[bytes, bytes] = dict(
        reversed(scope["headers"])
    )  # the first of duplicate headers counts, as in FastAPI
    length = headers.get(b"content-length", b"0")
    usual = headers.get(b"content-type", b"").partition(b";")[0] == JSON and b"origin" not in headers
    return headers if usual and length.isdigit() and int(length) <= limits.BODY_LIMIT else None


async def _read(receive: Receive) -> tuple[bytes, bool]:
    """The body, and whether it is complete: reading stops above the limit. Raises _DisconnectedError."""
    parts, size, more = [], 0, True
    while more and size <= limits.BODY_LIMIT:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _DisconnectedError
        part = message.get("body", b"")
        parts.append(part)
        size, more = size + len(part), message.get("more_body", False)
    return b"".join(parts), not more and size <= limits.BODY_LIMIT


def _replayed(body: bytes, whole: bool, receive: Receive) -> Receive:
    """A ``receive`` that returns the body read so far, then the remaining messages."""
    read: list[Message] = [{"type": "http.request", "body": body, "more_body": not whole}]

    async def again() -> Message:
        return read.pop() if read else await receive()

    return again
