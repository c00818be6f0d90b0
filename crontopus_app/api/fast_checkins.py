"""``POST /api/checkins`` in front of Reflex and FastAPI: what comes as usual never reaches them.

Whatever is not usual (another encoding, a browser's Origin, a body that is wrong or too large) goes on to the
application behind, unread or read again: its own route documents this one and gives every refusal of a body.
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
from crontopus_app.api.checkins import one
from crontopus_app.base.errors import CrontopusError, Forbidden, NotAuthenticated
from crontopus_app.monitoring.intake import batch
from crontopus_app.monitoring.intake.senders import Caller, CallerCache
from crontopus_app.people.http_auth import endpoint_token

PATH = "/api/checkins"
PATHS = frozenset({PATH, f"{PATH}/"})
JSON = b"application/json"


class HotCheckins:
    """Answers check-ins as they usually come, and hands all else to ``other``."""

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
            told = decode(body) if whole else None
            if told is None:
                await self._other(scope, _again(body, whole, receive), send)
                return
            answer = await self._answer(caller, told)
            await _send(send, *answer)
            return
        except CrontopusError as error:
            refusal = problems.answer(error)
        except _GoneError:
            return
        except Exception as error:
            refusal = await problems.unforeseen(Request(scope), error)
        await refusal(scope, receive, send)

    async def _caller(self, headers: dict[bytes, bytes]) -> Caller:
        """ReceivedCheckin before the body is read. Raises NotAuthenticated, Forbidden, Unavailable."""
        token = endpoint_token(headers.get(b"authorization", b"").decode("latin-1"))
        return self._callers.cached(token) or await asyncio.to_thread(self._callers.look_up, token)

    async def _answer(self, caller: Caller, told: wire.Checkin) -> tuple[bytes, dict[str, str]]:
        """The answer's body and what is left of the rate, as headers."""
        try:
            outcome = await batch.write(caller, [told])
            answer = one(outcome.outcomes)
        except (NotAuthenticated, Forbidden):
            self._callers.forget(caller)
            raise
        return msgspec.json.encode(answer), limits.headers(batch.RATE, outcome.spent)


async def _send(send: Send, body: bytes, left: dict[str, str]) -> None:
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", JSON)]
    headers += [(name.lower().encode(), value.encode()) for name, value in left.items()]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


# msgspec rounds what is finer than microseconds, FastAPI cuts it.
Moment = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
        r"(?:Z|\+[0-9]{2}:[0-5][0-9]|-(?!00:00)[0-9]{2}:[0-5][0-9])\Z"
    ),
]


def _strict(shape: type, **others: Any) -> type[msgspec.Struct]:
    """A struct with the fields of a shape of the wire and no others: msgspec lets a dataclass have more.

    ``others`` are fields that are read as another type.
    """
    hints, fields = get_type_hints(shape) | others, list[tuple[str, Any, Any]]()
    for each in dataclasses.fields(shape):
        kept = each.default if each.default is not dataclasses.MISSING else msgspec.NODEFAULT
        default = kept if each.default_factory is dataclasses.MISSING else msgspec.field(default_factory=list)
        fields.append((each.name, hints[each.name], default))
    return msgspec.defstruct(shape.__name__, fields, forbid_unknown_fields=True)


_Output: Any = _strict(wire.CheckinOutput)
_Checkin = _strict(wire.Checkin, at=Moment, slot=Moment | None, started_at=Moment | None, output=_Output | None)
_decoder = msgspec.json.Decoder(_Checkin)


def decode(body: bytes) -> wire.Checkin | None:
    """A check-in's body as FastAPI reads it; None where it is wrong or unusual, for FastAPI to read or to refuse."""
    try:
        told = msgspec.structs.asdict(_decoder.decode(body))
        for name in ("at", "slot", "started_at"):
            told[name] = told[name] and datetime.fromisoformat(told[name])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if told["output"] is not None:
        told["output"] = wire.CheckinOutput(**msgspec.structs.asdict(told["output"]))
    return wire.Checkin(**told)


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
