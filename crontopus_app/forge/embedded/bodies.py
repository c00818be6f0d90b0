"""Reads request bodies with limits: time, and number at once. Callers are authenticated before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.types import Receive

from crontopus_app.forge.embedded.http_error import HttpError


@dataclass(frozen=True)
class Bounds:
    """Timeouts in seconds: ``chunk_s`` between two chunks of a body, ``body_s`` for the whole body."""

    at_once: int = 16
    chunk_s: float = 30.0
    body_s: float = 600.0


class Bodies:
    """Reads the bodies of one process."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._reading = 0

    @asynccontextmanager
    async def chunks(self, receive: Receive) -> AsyncIterator[AsyncIterator[bytes]]:
        """Streams a body. Raises 503 above ``at_once`` bodies, 408 for one that is too slow."""
        if self._reading >= self.bounds.at_once:
            raise HttpError(503, "too many requests are being read; try again")
        self._reading += 1
        try:
            async with asyncio.timeout(self.bounds.body_s):
                yield self._chunks(receive)
        except TimeoutError:
            raise HttpError(408, "the request was sent too slowly") from None
        finally:
            self._reading -= 1

    async def _chunks(self, receive: Receive) -> AsyncIterator[bytes]:
        more = True
        while more:
            async with asyncio.timeout(self.bounds.chunk_s):
                message = await receive()
            if message["type"] == "http.disconnect":
                raise HttpError(400, "the request was cut off")
            more = bool(message.get("more_body"))
            yield message.get("body", b"")
