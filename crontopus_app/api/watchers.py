"""Wakes waiting agents, by Redis events; without Redis, they check every two seconds."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from redis.exceptions import RedisError

from crontopus_app.base.live import subscribe

log = logging.getLogger(__name__)

KINDS = frozenset({"tenant", "endpoint"})
# Seconds between checks: without Redis, and with it (in case an event is lost).
CHECK_S = 2.0
SUBSCRIBED_CHECK_S = 10.0


class Hub:
    """The waiting requests of a process by tenant, and the task that receives events."""

    def __init__(self, check_s: float = CHECK_S) -> None:
        """``check_s``: seconds between checks without Redis."""
        self._check_s = check_s
        self.by_tenant: dict[str, set[asyncio.Event]] = defaultdict(set)
        self.listener: asyncio.Task[None] | None = None
        self.listening = False

    @contextmanager
    def waiting(self, tenant_id: str) -> Iterator[asyncio.Event]:
        """Yields an event that is set whenever an object of the tenant changes."""
        changed = asyncio.Event()
        self.by_tenant[tenant_id].add(changed)
        self._start()
        try:
            yield changed
        finally:
            self.by_tenant[tenant_id].discard(changed)
            if not self.by_tenant[tenant_id]:
                del self.by_tenant[tenant_id]

    async def wait(self, changed: asyncio.Event, seconds: float) -> None:
        """Returns when something changed, or when it is time for the next check."""
        with suppress(TimeoutError):
            await asyncio.wait_for(
                changed.wait(), min(seconds, SUBSCRIBED_CHECK_S if self.listening else self._check_s)
            )

    def _start(self) -> None:
        if self.listener is None or self.listener.done():
            self.listener = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        while self.by_tenant:
            try:
                await self._relay()
            except RedisError as error:
                log.warning("Redis is unavailable, waiting agents check every %.0f s: %s", self._check_s, error)
            finally:
                self.listening = False
            await asyncio.sleep(self._check_s)

    async def _relay(self) -> None:
        async for event in subscribe():
            if event is None:
                self.listening = True
                self._wake(*self.by_tenant)
            elif event.kind in KINDS:
                self._wake(event.tenant_id)

    def _wake(self, *tenants: str) -> None:
        for tenant_id in tenants:
            for changed in self.by_tenant.get(tenant_id, ()):
                changed.set()


# The hub of this process.
hub = Hub()
