"""The live mark: stale while Redis is away, live as soon as it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace

import pytest

from crontopus_app.base import queue
from crontopus_app.base.settings import settings
from crontopus_app.ui import live
from tests.cast import NOON

LIMIT_S = 30
NO_BROWSER = SimpleNamespace(event_namespace=None)


async def _nothing(*_: object) -> None:
    """Nothing to refill or mark: no browser is connected."""


@asynccontextmanager
async def following(app: object = NO_BROWSER, again_s: float = live.AGAIN_S) -> AsyncIterator[None]:
    follower = live.Follower(app, _nothing, _nothing, again_s)  # pyright: ignore[reportArgumentType] -- what it uses of an app
    task = asyncio.create_task(follower.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        live.watchers.stale_since = None


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 -- waits for another program
            await asyncio.sleep(0.005)


async def test_pages_are_live_as_soon_as_redis_is_back(redis_url: str) -> None:
    live.watchers.stale_since = NOON
    async with following():
        await until(lambda: live.watchers.stale_since is None)


async def test_pages_are_stale_while_redis_is_away(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRONTOPUS_REDIS_URL", "redis://127.0.0.1:1/0")
    settings.cache_clear()
    queue.redis.cache_clear()
    async with following():
        await until(lambda: live.watchers.stale_since is not None)


@pytest.mark.logs_errors
async def test_a_failed_refill_is_logged_and_retried(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    accesses: list[None] = []

    class Broken:
        """An app whose first access to the namespace fails."""

        @property
        def event_namespace(self) -> None:
            accesses.append(None)
            if len(accesses) == 1:
                raise RuntimeError("a defect")

    live.watchers.stale_since = NOON  # its end triggers a refill
    async with following(Broken(), again_s=0.01):
        await until(lambda: len(accesses) >= 2)
    assert [record.message for record in caplog.records if record.exc_info] == ["pages were not refilled, will retry"]
