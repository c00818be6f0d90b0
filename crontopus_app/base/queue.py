"""Redis and the bell for the workers.

Losing Redis loses no fact: rows say what is to be done, a ring only says it soon.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any, cast

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue

from crontopus_app.base.settings import settings

log = logging.getLogger(__name__)

QUEUE = "crontopus"


@lru_cache(maxsize=1)
def redis() -> Redis:
    return Redis.from_url(settings().redis_url, socket_connect_timeout=2, socket_timeout=5, health_check_interval=15)


def info(section: str) -> dict[str, Any]:
    """A section of what Redis says of itself. Raises RedisError."""
    return cast("dict[str, Any]", redis().info(section))


def ring(task: str, *args: str) -> bool:
    """Asks a worker to run ``worker.tasks.<task>(*args)`` soon; False where Redis is away (a sweep finds the row)."""
    try:
        Queue(QUEUE, connection=redis()).enqueue(f"worker.tasks.{task}", *args, result_ttl=60, failure_ttl=86400)
    except RedisError as error:
        log.warning("Redis is away, %s%r waits for the sweep: %s", task, args, error)
        return False
    return True
