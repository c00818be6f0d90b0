"""How often: rates kept in Redis, which, away, limits nothing."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from redis.exceptions import RedisError

from crontopus_app.errors import RateLimited
from crontopus_app.queue import redis

log = logging.getLogger(__name__)

# Longer than any name, id or address that exists: what a stranger sends cannot fill Redis.
KEY_LENGTH = 100


@dataclass(frozen=True)
class Rate:
    """``count`` requests in ``seconds``."""

    name: str
    count: int
    seconds: int


@dataclass(frozen=True)
class Spent:
    """Requests ``used`` of a rate that begins anew in ``left`` seconds."""

    used: int
    left: int


def spend(rate: Rate, key: str) -> Spent | None:
    """Counts one request of ``key``; raises RateLimited past the rate. None where Redis is away: nothing is limited."""
    (spent,) = spend_each(rate, [key])
    if isinstance(spent, RateLimited):
        raise spent
    return spent


def spend_each(rate: Rate, keys: Sequence[str]) -> list[Spent | RateLimited | None]:
    """As ``spend``, for many requests with one question to Redis; a key that is there twice is counted twice."""
    asked = Counter(keys)
    try:
        pipe = redis().pipeline()
        for key, count in asked.items():
            bucket = f"crontopus:rate:{rate.name}:{key[:KEY_LENGTH]}"
            pipe.incrby(bucket, count)
            pipe.expire(bucket, rate.seconds, nx=True)
            pipe.ttl(bucket)
        told = pipe.execute() if asked else []
    except RedisError as error:
        log.warning("Redis is away, %s is not limited: %s", rate.name, error)
        return [None] * len(keys)
    used = {key: told[3 * place] - count for place, (key, count) in enumerate(asked.items())}
    left = {key: told[3 * place + 2] for place, key in enumerate(asked)}
    return [_spent(rate, used, key, left[key]) for key in keys]


def _spent(rate: Rate, used: dict[str, int], key: str, left: int) -> Spent | RateLimited:
    used[key] += 1
    if used[key] > rate.count:
        return RateLimited(f"Too many requests: try again in {left} seconds.", retry_after=max(1, left))
    return Spent(used[key], left)
