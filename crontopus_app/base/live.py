"""Events that refresh open pages. They carry ids, never data, so nothing leaks between tenants."""

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
    """A tenant's object changed. ``kind`` is run, job, endpoint, change, incident, tenant or session.

    An empty ``id`` means several objects of that kind.
    """

    tenant_id: str
    kind: str
    id: str


def publish(*events: Event) -> None:
    """Sends events to every web process. Call it after the commit (``db.after_commit``). Never raises."""
    try:
        quickly(lambda client: _publish(client, events))
    except RedisError as error:
        log.warning("Redis is unavailable, %d events were not sent: %s", len(events), error)


def _publish(client: Redis, events: Sequence[Event]) -> None:
    pipe = client.pipeline(transaction=False)
    for event in events:
        pipe.publish(CHANNEL, json.dumps(asdict(event)))
    pipe.execute()


async def subscribe() -> AsyncIterator[Event | None]:
    """Yields events until cancelled; raises RedisError when the connection is lost (the caller subscribes again).

    Yields None once subscribed: earlier events may have been missed. Messages in another format are ignored.
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
        log.warning("Ignored a message on %s that is not an event: %s", CHANNEL, error)
        return None
