"""Refills open pages after live events of their tenant.

Events carry ids, never data: each page reads the services again as its own actor, so nothing leaks between tenants.
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
# Pause after a refill, as a share of the time it took.
REST = 0.5
AGAIN_S = 1.0
TOGETHER = 16
# Kind of the events that say that the facts in every page's frame changed.
FRAME = "tenant"


@dataclass(frozen=True)
class Watch:
    """One connected browser: its page, the events that the page shows, its session token."""

    tenant_id: str
    page: type[rx.State]
    kinds: frozenset[str]
    session: str


Refill = Callable[[Set[str], rx.State, Watch], Awaitable[None]]
Act = Callable[[rx.State, Watch], Awaitable[None]]
MarkStale = Callable[[rx.State, datetime | None], Awaitable[None]]


class Watchers:
    """Open pages of this process by Reflex's client token."""

    def __init__(self) -> None:
        self._by_token: dict[str, Watch] = {}
        self.stale_since: datetime | None = None
        self.unwatched = ""

    def add(self, token: str, watch: Watch) -> None:
        self._by_token[token] = watch

    def forget(self, token: str) -> None:
        self._by_token.pop(token, None)

    def move(self, token: str, page: type[rx.State]) -> None:
        """Notes the new page of a browser whose tenant is suspended: that page is filled when the suspension ends."""
        watch = self._by_token.get(token)
        if watch is not None:
            self._by_token[token] = replace(watch, page=page)

    def is_at(self, token: str, page: type[rx.State]) -> bool:

        watch = self._by_token.get(token)
        return watch is not None and watch.page is page

    def of(self, tenant_id: str, kinds: Set[str]) -> list[tuple[str, Watch]]:
        """Browsers of one tenant whose page or frame shows one of the kinds."""
        return [
            (token, watch)
            for token, watch in self._by_token.items()
            if watch.tenant_id == tenant_id and (FRAME in kinds or watch.kinds & kinds)
        ]

    def all(self) -> list[tuple[str, Watch]]:
        return list(self._by_token.items())

    def keep(self, connected: set[str]) -> None:
        """Forgets all browsers but the connected ones."""
        for token in set(self._by_token) - connected:
            del self._by_token[token]


watchers = Watchers()


class Follower:
    """The lifespan task. One for each web process."""

    def __init__(self, app: rx.App, refill: Refill, mark: MarkStale, again_s: float = AGAIN_S) -> None:
        """``again_s``: the pause before what failed is tried again."""
        self._app = app
        self._refill = refill
        self._mark = mark
        self._again_s = again_s
        self._pending: dict[str, set[str]] = defaultdict(set)
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Runs until cancelled. While Redis is away, pages show since when; they are refilled when it is back."""
        # A context of its own: in that of the current event, Reflex would start one more event for each page.
        renew = asyncio.create_task(self._renew(), context=Context())
        try:
            while True:
                await self._listen()
                await asyncio.sleep(self._again_s)
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
        """After Redis is back: marks pages live at once and refills all, for events may have been missed."""
        if watchers.stale_since is None:
            return
        watchers.stale_since = None
        await self._each(watchers.all(), self._marked)
        for _, watch in watchers.all():
            self._pending[watch.tenant_id] |= watch.kinds
        self._bell.set()

    async def _renew(self) -> None:
        """Refills pages whose events arrived, at most twenty times a second.

        It takes at most two thirds of the time, so that check-ins and clicks go on while many pages are refilled.
        """
        while True:
            await self._bell.wait()
            self._bell.clear()
            begun = asyncio.get_running_loop().time()
            pending, self._pending = self._pending, defaultdict(set)
            try:
                await self._tick(pending)
            except Exception:
                # One bad refill must not leave every page of the process stale for ever.
                log.exception("pages were not refilled, will retry")
                for tenant_id, kinds in pending.items():
                    self._pending[tenant_id] |= kinds
                self._bell.set()
                await asyncio.sleep(self._again_s)
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

    async def _each(self, pages: list[tuple[str, Watch]], act: Act) -> None:
        rest = iter(pages)

        async def some() -> None:
            for token, watch in rest:
                try:
                    async with self._app.modify_state(rx.BaseStateToken(ident=token, cls=watch.page)) as root:
                        # modify_state yields the root state: a field set on it would be lost silently.
                        await act(await root.get_state(watch.page), watch)
                except Exception:
                    log.exception("a page was not refilled")

        await asyncio.gather(*(some() for _ in range(min(TOGETHER, len(pages)))))
