"""The headers that every HTTP answer of the server carries, whichever application gave it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crontopus_app.base import csp
from crontopus_app.base.settings import Settings
from crontopus_app.programs import frontend

Header = tuple[bytes, bytes]

# Agents tell our answers from a proxy's by the first.
ALWAYS: tuple[Header, ...] = (
    (b"crontopus-api", b"1"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
HSTS: Header = (b"strict-transport-security", b"max-age=31536000")
# A year, the longest that is allowed, for files whose name changes with their content.
FOR_EVER = b"public, max-age=31536000, immutable"
_HASHED = re.compile(r"/assets/.+-[\w-]{8}\.\w+")


class Headers:
    """Adds them to the answers of ``app``; a policy or a rule for caches that an answer has already stays."""

    def __init__(self, app: ASGIApp, ours: Settings, pages: Mapping[str, bytes]) -> None:
        self._app = app
        self._always = (*ALWAYS, HSTS) if ours.public_url.startswith("https://") else ALWAYS
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._added(scope["path"], message)]
            await send(message)

        await self._app(scope, receive, with_headers)

    def _added(self, path: str, start: Message) -> Iterator[Header]:
        yield from self._always
        there = {name.lower(): value for name, value in start["headers"]}
        if b"content-security-policy" not in there:
            yield from self._policy(path, start["status"], there.get(b"content-type", b""))
        if b"cache-control" not in there:
            yield b"cache-control", caching(path, start["status"])

    def _policy(self, path: str, status: int, content_type: bytes) -> Iterator[Header]:
        """A 304 replaces the headers that a browser has kept: it has the page's policy, else none."""
        page = self._pages.get(path.rstrip("/") or "/")
        if status == 304:
            policy = page
        elif content_type.startswith(b"text/html"):
            policy = page or self._pages.get(frontend.FALLBACK)
        else:
            policy = csp.NOTHING.encode()
        if policy:
            yield b"content-security-policy", policy


def caching(path: str, status: int) -> bytes:
    """How long caches may keep an answer that does not say it itself."""
    if status < 400 and _HASHED.fullmatch(path):
        return FOR_EVER
    if path.startswith("/fonts/"):
        return b"public, max-age=604800"
    if path.startswith("/api/") and not path.startswith("/api/docs"):
        return b"no-store"
    return b"no-cache"


def policies(pages: Mapping[str, Path], origins: Iterable[str]) -> dict[str, bytes]:
    """The policy of each page of the console, by its path; its websocket may be opened at ``origins``."""
    sockets = [re.sub("^http", "ws", origin) for origin in origins]
    return {path: _policy_of(file.read_text(), sockets) for path, file in pages.items()}


def _policy_of(html: str, sockets: Iterable[str]) -> bytes:
    styles = (*csp.inline(html, "style"), csp.EMPTY)
    # Reflex evaluates the scripts that our handlers send to a page (``rx.call_script``).
    return csp.of_page(csp.inline(html, "script"), styles, evaluates=True, connect=sockets).encode()
