"""Ping URLs, in front of Reflex and FastAPI: a ping is written as a check-in, by the same writer.

Every answer is plain text, as clients of Healthchecks expect it.
"""

from __future__ import annotations

import asyncio
import logging
import uuid

from starlette.types import ASGIApp, Receive, Scope, Send

from contract import wire
from crontopus_app.api.checkins import only_answer
from crontopus_app.base import clock
from crontopus_app.base.errors import CrontopusError, NotAuthenticated, RateLimited, Unavailable
from crontopus_app.monitoring.intake import batch, ping
from crontopus_app.monitoring.intake.ping_url import PREFIX, Refusal, parse

log = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "POST")
# Of a body, the first and the last bytes are kept. A larger one than MOST_READ is refused.
BODY_LIMIT, HEAD, TAIL = 1 << 20, 64 * 1024, 192 * 1024
MOST_READ = 16 << 20
HEADERS = (
    (b"access-control-allow-origin", b"*"),
    (b"ping-body-limit", str(BODY_LIMIT).encode()),
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"cache-control", b"no-store"),
)
ALLOW = (b"allow", b"GET, HEAD, POST, OPTIONS")
PREFLIGHT = (ALLOW, (b"access-control-allow-methods", b"GET, HEAD, POST"), (b"access-control-allow-headers", b"*"))

Headers = tuple[tuple[bytes, bytes], ...]
Answer = tuple[int, str, Headers]


class Pings:
    """Answers pings; passes ``/ping`` itself, which Reflex answers, to ``other``."""

    def __init__(self, other: ASGIApp) -> None:
        self._other = other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(f"{PREFIX}/"):
            await self._other(scope, receive, send)
            return
        try:
            status, text, headers = await _answer(scope, receive)
        except _DisconnectedError:
            return
        except CrontopusError as error:
            status, text, headers = _refused(error)
        except Exception:
            reference = uuid.uuid4().hex[:12]
            log.exception("A ping failed, reference %s", reference)
            status, text, headers = 500, f"server error, reference {reference}", ()
        await _send(send, scope["method"], status, text, headers)


async def _answer(scope: Scope, receive: Receive) -> Answer:
    if scope["method"] == "OPTIONS":
        return 204, "", PREFLIGHT
    if scope["method"] not in METHODS:
        return 405, "method not allowed", (ALLOW,)
    parsed = parse(scope["path"], scope["query_string"].decode("latin-1"))
    if isinstance(parsed, Refusal):
        return parsed.status, parsed.text, ()
    output, whole = await _read(receive)
    if not whole:
        return 413, f"the body is too large: at most {MOST_READ} bytes", ((b"connection", b"close"),)
    report = await asyncio.to_thread(ping.understood, parsed, output, clock.now())
    if isinstance(report, Refusal):
        return report.status, report.text, ()
    if report.checkin is not None:
        result = await batch.write(report.caller, [report.checkin])
        only_answer(result.outcomes)
    return 200, "OK", ()


def _refused(error: CrontopusError) -> Answer:
    if isinstance(error, (RateLimited, Unavailable)):
        return error.status, error.message, ((b"retry-after", str(error.retry_after).encode()),)
    return (404, "not found", ()) if isinstance(error, NotAuthenticated) else (error.status, error.message, ())


async def _send(send: Send, method: str, status: int, text: str, headers: Headers) -> None:
    body = text.encode()
    own = [*HEADERS, *headers] if status == 204 else [*HEADERS, (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


class _DisconnectedError(Exception):
    """The client has disconnected."""


async def _read(receive: Receive) -> tuple[wire.CheckinOutput | None, bool]:
    """The first and last bytes of the body, and whether it has ended before MOST_READ."""
    head, tail, size, more = b"", b"", 0, True
    while more and size <= MOST_READ:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _DisconnectedError
        part = message.get("body", b"")
        size, more = size + len(part), message.get("more_body", False)
        room = HEAD - len(head)
        head, tail = head + part[:room], (tail + part[room:])[-TAIL:]
    return (_output(head, tail, size) if size else None), not more and size <= MOST_READ


def _output(head: bytes, tail: bytes, size: int) -> wire.CheckinOutput:
    """The body as text; bytes that are not UTF-8 become U+FFFD."""
    lost = size - len(head) - len(tail)
    if not lost:
        return wire.CheckinOutput(head=(head + tail).decode("utf-8", "replace"))
    return wire.CheckinOutput(head.decode("utf-8", "replace"), tail.decode("utf-8", "replace"), lost)
