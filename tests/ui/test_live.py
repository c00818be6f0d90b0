"""The live mark tells the truth: stale while nobody tells, live as soon as somebody can again."""

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
    """No browser is connected: there is nothing to refill or to mark."""


@asynccontextmanager
async def following(app: object = NO_BROWSER) -> AsyncIterator[None]:
    follower = live.Follower(app, _nothing, _nothing)  # pyright: ignore[reportArgumentType] -- what it uses of an app
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
        while not condition():  # noqa: ASYNC110 -- what is waited for is the state of another program
            await asyncio.sleep(0.005)


async def test_redis_back_is_said_before_anything_happens(redis_url: str) -> None:
    live.watchers.stale_since = NOON
    async with following():
        await until(lambda: live.watchers.stale_since is None)


async def test_redis_away_is_said(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRONTOPUS_REDIS_URL", "redis://127.0.0.1:1/0")
    settings.cache_clear()
    queue.redis.cache_clear()
    async with following():
        await until(lambda: live.watchers.stale_since is not None)


@pytest.mark.logs_errors
async def test_a_renewal_that_fails_is_told_and_done_again(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live, "AGAIN_S", 0.01)
    asked: list[None] = []

    class Broken:
        """Fails when it is first asked who is connected."""

        @property
        def event_namespace(self) -> None:
            asked.append(None)
            if len(asked) == 1:
                raise RuntimeError("a defect")

    live.watchers.stale_since = NOON  # its end rings for a renewal
    async with following(Broken()):
        await until(lambda: len(asked) >= 2)
    assert [record.message for record in caplog.records if record.exc_info] == [
        "pages were not renewed, and will be tried again"
    ]
