"""Pages follow the world: events of a tenant renew what that tenant's open pages show.

Events carry ids, never data: each page asks the services again with its own actor, so nothing leaks between tenants.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Set
from contextvars import Context
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import reflex as rx
from redis.exceptions import RedisError

from crontopus_app.base import clock, live
from crontopus_app.ui import call

log = logging.getLogger(__name__)

COALESCE_S = 0.05
# Beside what a renewal took.
REST = 0.5
AGAIN_S = 1.0
TOGETHER = 16
# The kind of event that says that what every page's frame shows has changed.
FRAME = "tenant"


@dataclass(frozen=True)
class Watch:
    """What one connected browser looks at, with which session's token."""

    tenant_id: str
    page: type[rx.State]
    kinds: frozenset[str]
    session: str


Refill = Callable[[Set[str], rx.State, Watch], Awaitable[None]]
Act = Callable[[rx.State, Watch], Awaitable[None]]
MarkStale = Callable[[rx.State, datetime | None], Awaitable[None]]


class Watchers:
    """Who looks at what in this process, by Reflex's client token."""

    def __init__(self) -> None:
        self._by_token: dict[str, Watch] = {}
        self.stale_since: datetime | None = None

    def look(self, token: str, watch: Watch) -> None:
        self._by_token[token] = watch

    def forget(self, token: str) -> None:
        self._by_token.pop(token, None)

    def stays(self, token: str, page: type[rx.State]) -> None:
        """A browser that goes to another page while it may see nothing is renewed there when it may again."""
        watch = self._by_token.get(token)
        if watch is not None:
            self._by_token[token] = replace(watch, page=page)

    def looks(self, token: str, page: type[rx.State]) -> bool:
        """Whether a browser is still at a page."""
        watch = self._by_token.get(token)
        return watch is not None and watch.page is page

    def of(self, tenant_id: str, kinds: Set[str]) -> list[tuple[str, Watch]]:
        """The browsers of one tenant whose page, or its frame, shows one of the kinds."""
        return [
            (token, watch)
            for token, watch in self._by_token.items()
            if watch.tenant_id == tenant_id and (FRAME in kinds or watch.kinds & kinds)
        ]

    def all(self) -> list[tuple[str, Watch]]:
        return list(self._by_token.items())

    def keep(self, connected: set[str]) -> None:
        """Forgets browsers that have gone."""
        for token in set(self._by_token) - connected:
            del self._by_token[token]


watchers = Watchers()


class Follower:
    """The lifespan task. One for each web process."""

    def __init__(self, app: rx.App, refill: Refill, mark: MarkStale) -> None:
        self._app = app
        self._refill = refill
        self._mark = mark
        self._pending: dict[str, set[str]] = defaultdict(set)
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled. Redis away: the pages say since when, and are renewed when it is back."""
        # Without the event that the task was begun in, of which Reflex would make one more for each page.
        renew = asyncio.create_task(self._renew(), context=Context())
        try:
            while True:
                await self._listen()
                await asyncio.sleep(AGAIN_S)
        finally:
            renew.cancel()

    async def _listen(self) -> None:
        try:
            async for event in live.subscribe():
                if event is None:
                    await self._fresh()
                else:
                    self._pending[event.tenant_id].add(event.kind)
                    self._bell.set()
        except (RedisError, OSError) as error:
            log.warning("no live events, Redis is away: %s", error)
            await self._stale()

    async def _stale(self) -> None:
        if watchers.stale_since is None:
            watchers.stale_since = clock.now()
            await self._each(watchers.all(), self._marked)

    async def _fresh(self) -> None:
        """Redis tells again: the mark says so at once, and what may have been missed is asked for."""
        if watchers.stale_since is None:
            return
        watchers.stale_since = None
        await self._each(watchers.all(), self._marked)
        for _, watch in watchers.all():
            self._pending[watch.tenant_id] |= watch.kinds
        self._bell.set()

    async def _renew(self) -> None:
        """At most twenty times a second: takes what came and renews the pages that show it.

        Two thirds of the time at most: check-ins and clicks go on while many or heavy pages are renewed.
        """
        while True:
            await self._bell.wait()
            self._bell.clear()
            begun = asyncio.get_running_loop().time()
            pending, self._pending = self._pending, defaultdict(set)
            try:
                await self._tick(pending)
            except Exception:
                # Whatever it was must not leave every page of the process as it is for ever.
                log.exception("pages were not renewed, and will be tried again")
                for tenant_id, kinds in pending.items():
                    self._pending[tenant_id] |= kinds
                self._bell.set()
                await asyncio.sleep(AGAIN_S)
            await asyncio.sleep(max(COALESCE_S, REST * (asyncio.get_running_loop().time() - begun)))

    async def _tick(self, pending: Mapping[str, set[str]]) -> None:
        watchers.keep(self._connected())
        with call.tick():
            for tenant_id, kinds in pending.items():
                await self._each(watchers.of(tenant_id, kinds), partial(self._refill, kinds))

    def _connected(self) -> set[str]:
        namespace = self._app.event_namespace
        return set(namespace.token_to_sid) if namespace else set()

    async def _marked(self, page: rx.State, _watch: Watch) -> None:
        await self._mark(page, watchers.stale_since)

    async def _each(self, wanted: list[tuple[str, Watch]], act: Act) -> None:
        rest = iter(wanted)

        async def some() -> None:
            for token, watch in rest:
                try:
                    async with self._app.modify_state(rx.BaseStateToken(ident=token, cls=watch.page)) as root:
                        # What modify_state gives is the root: a field set on it would be lost without a word.
                        await act(await root.get_state(watch.page), watch)
                except Exception:
                    log.exception("a page was not renewed")

        await asyncio.gather(*(some() for _ in range(min(TOGETHER, len(wanted)))))
