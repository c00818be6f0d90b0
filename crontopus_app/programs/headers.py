"""HTTP headers of every response of the server, for all its applications."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crontopus_app.base import csp
from crontopus_app.base.settings import Settings
from crontopus_app.programs import frontend

Header = tuple[bytes, bytes]

# By the first header, agents distinguish responses of Crontopus from those of a proxy.
ALWAYS: tuple[Header, ...] = (
    (b"crontopus-api", b"1"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
HSTS: Header = (b"strict-transport-security", b"max-age=31536000")
# A year (the maximum), for files whose name changes with their content.
FOR_EVER = b"public, max-age=31536000, immutable"
_HASHED = re.compile(r"/assets/.+-[\w-]{8}\.\w+")


class Headers:
    """Adds headers to the responses of ``app``. Keeps an existing Content-Security-Policy and Cache-Control."""

    def __init__(self, app: ASGIApp, config: Settings, pages: Mapping[str, bytes]) -> None:
        self._app = app
        self._always = (*ALWAYS, HSTS) if config.public_url.startswith("https://") else ALWAYS
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
        existing = {name.lower(): value for name, value in start["headers"]}
        if b"content-security-policy" not in existing:
            yield from self._policy(path, start["status"], existing.get(b"content-type", b""))
        if b"cache-control" not in existing:
            yield b"cache-control", caching(path, start["status"])

    def _policy(self, path: str, status: int, content_type: bytes) -> Iterator[Header]:
        """The policy of a response. A 304 updates the browser's cached headers, so it has the page's policy or none."""
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
    """The Cache-Control of a response without one."""
    if status < 400 and _HASHED.fullmatch(path):
        return FOR_EVER
    if path.startswith("/fonts/"):
        return b"public, max-age=604800"
    if path.startswith("/api/") and not path.startswith("/api/docs"):
        return b"no-store"
    return b"no-cache"


def policies(pages: Mapping[str, Path], origins: Iterable[str]) -> dict[str, bytes]:
    """The policy of each console page by path. Pages may open their websocket at ``origins``."""
    sockets = [re.sub("^http", "ws", origin) for origin in origins]
    return {path: _policy_of(file.read_text(), sockets) for path, file in pages.items()}


def _policy_of(html: str, sockets: Iterable[str]) -> bytes:
    styles = (*csp.inline(html, "style"), csp.EMPTY)
    # Reflex uses eval for scripts that event handlers send to a page (``rx.call_script``).
    return csp.of_page(csp.inline(html, "script"), styles, evaluates=True, connect=sockets).encode()
