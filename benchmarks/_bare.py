"""An ASGI application that only answers: the upper bound of granian and Python."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

ANSWER = b'{"run_id": "00000000-0000-4000-8000-000000000000", "state": "success", "duplicate": false}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body and sends an answer of the size of a check-in's."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})
