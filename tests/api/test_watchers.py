"""Waiting agents: woken by an event through a real Redis; without Redis they look again, and nothing spins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from redis import Redis

from crontopus_app.api.watchers import SUBSCRIBED_CHECK_S, Hub
from crontopus_app.base import live, queue
from crontopus_app.base.live import CHANNEL, Event
from crontopus_app.base.settings import settings

pytestmark = pytest.mark.anyio

LIMIT_S = 10


@asynccontextmanager
async def listening(**options: float) -> AsyncIterator[Hub]:
    """A hub of this test's own, whose listener ends with it."""
    made = Hub(**options)
    try:
        yield made
    finally:
        if made.listener is not None:
            made.listener.cancel()
            await asyncio.wait([made.listener])


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with listening() as made:
        yield made


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 -- what is waited for is the state of another program
            await asyncio.sleep(0.005)


async def settled(hub: Hub) -> None:
    """Returns when the hub's subscription stands, and who waits has been told so."""
    await until(lambda: hub.listening)
    for events in hub.by_tenant.values():
        for changed in events:
            changed.clear()


def away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRONTOPUS_REDIS_URL", "redis://127.0.0.1:1/0")
    settings.cache_clear()
    queue.redis.cache_clear()


async def test_an_event_of_the_tenant_wakes_at_once(hub: Hub, redis_url: str) -> None:
    with hub.waiting("acme") as changed, hub.waiting("other") as others:
        await settled(hub)
        live.publish(Event("acme", "tenant", "acme"))
        async with asyncio.timeout(LIMIT_S):
            await hub.wait(changed, LIMIT_S)
        assert changed.is_set()
        assert not others.is_set()


async def test_every_waiting_agent_of_the_tenant_is_woken(hub: Hub, redis_url: str) -> None:
    with hub.waiting("acme") as one, hub.waiting("acme") as two:
        await settled(hub)
        live.publish(Event("acme", "endpoint", "e"))
        await until(lambda: one.is_set() and two.is_set())


async def test_runs_and_jobs_wake_nobody(hub: Hub, redis_url: str) -> None:
    with hub.waiting("acme") as changed:
        await settled(hub)
        live.publish(Event("acme", "run", "r"), Event("acme", "job", "j"), Event("other", "tenant", "other"))
        with hub.waiting("sentinel") as last:
            live.publish(Event("sentinel", "tenant", "sentinel"))
            await until(last.is_set)
        assert not changed.is_set()


async def test_whoever_stops_waiting_is_forgotten(hub: Hub, redis_url: str) -> None:
    with hub.waiting("acme"):
        with hub.waiting("acme"):
            assert len(hub.by_tenant["acme"]) == 2
        assert len(hub.by_tenant["acme"]) == 1
    assert not hub.by_tenant


async def test_a_wait_ends_when_its_time_is_up(hub: Hub, redis_url: str) -> None:
    with hub.waiting("acme") as changed:
        await settled(hub)
        await hub.wait(changed, 0.01)
        assert not changed.is_set()


async def test_a_subscription_that_begins_lets_everybody_look(hub: Hub, redis_url: str) -> None:
    with hub.waiting("acme") as changed, hub.waiting("other") as others:
        await until(lambda: changed.is_set() and others.is_set())


async def test_a_message_that_is_none_of_ours_is_passed_over(
    hub: Hub, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with hub.waiting("acme") as changed, Redis.from_url(redis_url) as client:
        await settled(hub)
        listener = hub.listener
        for message in ("nonsense", '{"kind": "tenant"}', "[]"):
            client.publish(CHANNEL, message)
        live.publish(Event("acme", "tenant", "acme"))
        await until(changed.is_set)
        assert hub.listener is listener
        assert hub.listening
    assert sum("not an event" in message for message in caplog.messages) == 3


async def test_redis_away_they_look_again_without_spinning(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away(monkeypatch)
    async with listening(check_s=0.2) as hub:
        with hub.waiting("acme") as changed:
            await until(lambda: caplog.messages)
            async with asyncio.timeout(SUBSCRIBED_CHECK_S / 2):
                await hub.wait(changed, LIMIT_S)
            assert not hub.listening
            assert len(caplog.messages) <= 2


async def test_redis_back_events_wake_again(redis_url: str) -> None:
    async with listening(check_s=0.01) as hub:
        with hub.waiting("acme") as changed:
            await settled(hub)
            with Redis.from_url(redis_url) as client:
                client.client_kill_filter(_type="pubsub")
            await until(changed.is_set)
            changed.clear()
            live.publish(Event("acme", "tenant", "acme"))
            await until(changed.is_set)
