"""Counters of what all processes have done, summed in Redis. Each process adds its own about once a second.

While Redis is away, a process keeps them. When Redis loses its data they begin at zero again, as Prometheus expects.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from redis import Redis
from redis.exceptions import RedisError

from crontopus_app.base.queue import quickly, redis

log = logging.getLogger(__name__)

KEY = "crontopus:meters"
_pending: dict[str, float] = defaultdict(float)
_lock = threading.Lock()


def add(name: str, *values: str, amount: float = 1) -> None:
    """Adds to the counter ``name`` with these label values, which have no ``|``."""
    with _lock:
        _pending["|".join((name, *values))] += amount


def observe(name: str, limits: Sequence[float], value: float) -> None:
    """Adds a value to a histogram: to one of its buckets, and to its sum."""
    add(name, str(bisect_left(limits, value)))
    add(name, "sum", amount=value)


def flush() -> None:
    """Adds what this process has counted to Redis."""
    with _lock:
        counted = dict(_pending)
        _pending.clear()
    if not counted:
        return
    try:
        quickly(lambda client: _send(client, counted))
    except RedisError as error:
        log.warning("Redis is unavailable, counters wait: %s", error)
        for key, amount in counted.items():
            add(key, amount=amount)


def _send(client: Redis, counted: dict[str, float]) -> None:
    pipe = client.pipeline()
    for key, amount in counted.items():
        pipe.hincrbyfloat(KEY, key, amount)
    pipe.execute()


def totals() -> dict[str, dict[tuple[str, ...], float]]:
    """The totals of each counter by label values. Raises RedisError."""
    found: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for key, value in redis().hgetall(KEY).items():  # pyright: ignore[reportAttributeAccessIssue] -- typed for both clients
        name, *values = key.decode().split("|")
        found[name][tuple(values)] = float(value)
    return found
