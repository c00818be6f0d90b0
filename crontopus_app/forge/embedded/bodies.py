"""Reading the bodies of requests within bounds: bytes, time, and how many at once. Their callers are known by then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.types import Receive

from crontopus_app.forge.embedded.refused import Refused


@dataclass(frozen=True)
class Bounds:
    """``piece_s``: the longest pause between two pieces of a body; ``whole_s``: the longest time for all of it."""

    at_once: int = 16
    piece_s: float = 30.0
    whole_s: float = 600.0


class Bodies:
    """All bodies that one process reads."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._reading = 0

    @asynccontextmanager
    async def pieces(self, receive: Receive) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body as it comes. Raises 503 where too many are read already, 408 for one that is too slow."""
        if self._reading >= self.bounds.at_once:
            raise Refused(503, "too many requests are being read: try again")
        self._reading += 1
        try:
            async with asyncio.timeout(self.bounds.whole_s):
                yield self._each(receive)
        except TimeoutError:
            raise Refused(408, "the request came too slowly") from None
        finally:
            self._reading -= 1

    async def _each(self, receive: Receive) -> AsyncIterator[bytes]:
        more = True
        while more:
            async with asyncio.timeout(self.bounds.piece_s):
                message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "the request was cut off")
            more = bool(message.get("more_body"))
            yield message.get("body", b"")
