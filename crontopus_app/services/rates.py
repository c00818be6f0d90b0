"""How often: rates kept in Redis, which, away, limits nothing."""

from __future__ import annotations

import logging
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
    bucket = f"crontopus:rate:{rate.name}:{key[:KEY_LENGTH]}"
    try:
        pipe = redis().pipeline()
        pipe.incr(bucket)
        pipe.expire(bucket, rate.seconds, nx=True)
        pipe.ttl(bucket)
        used, _, left = pipe.execute()
    except RedisError as error:
        log.warning("Redis is away, %s is not limited: %s", rate.name, error)
        return None
    if used > rate.count:
        raise RateLimited(f"Too many requests: try again in {left} seconds.", retry_after=max(1, left))
    return Spent(used, left)
