"""Events for the dashboards: ids, never data, so nothing leaks between tenants."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass

from redis import Redis
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from crontopus_app.base.queue import quickly
from crontopus_app.base.settings import settings

log = logging.getLogger(__name__)

CHANNEL = "crontopus:live"


@dataclass(frozen=True)
class Event:
    """Something of a tenant changed: ``kind`` is run, job, endpoint, change, tenant or session; ``id`` which one.

    An empty id says that it was several.
    """

    tenant_id: str
    kind: str
    id: str


def publish(*events: Event) -> None:
    """Tells every web process, after the commit: see ``db.after_commit``. Never raises: a late page fails nobody."""
    try:
        quickly(lambda client: _publish(client, events))
    except RedisError as error:
        log.warning("Redis is away, %d events were not told: %s", len(events), error)


def _publish(client: Redis, events: Sequence[Event]) -> None:
    pipe = client.pipeline(transaction=False)
    for event in events:
        pipe.publish(CHANNEL, json.dumps(asdict(event)))
    pipe.execute()


async def subscribe() -> AsyncIterator[Event | None]:
    """Events as they come, until cancelled; raises RedisError when Redis goes away (the caller starts again).

    None says that the subscription stands from now on: what happened before may have been missed. A message that is
    none of ours is passed over.
    """
    client = aioredis.Redis.from_url(settings().redis_url, socket_connect_timeout=2)
    try:
        async with client.pubsub() as pubsub:
            await pubsub.subscribe(CHANNEL)
            async for message in pubsub.listen():
                if message["type"] == "subscribe":
                    yield None
                elif event := _read(message["data"]):
                    yield event
    finally:
        await client.aclose()


def _read(data: bytes) -> Event | None:
    try:
        return Event(**json.loads(data))
    except (ValueError, TypeError) as error:
        log.warning("a message on %s is none of ours: %s", CHANNEL, error)
        return None
