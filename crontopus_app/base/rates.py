"""Rate limits, and waits after failures, counted in Redis. While Redis is unavailable, nothing is limited."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis import Redis
from redis.exceptions import RedisError

from crontopus_app.base import clock
from crontopus_app.base.errors import RateLimited
from crontopus_app.base.queue import quickly

log = logging.getLogger(__name__)

# Longer than any valid name, id or address. Longer keys are cut, so that strangers cannot fill Redis.
KEY_LENGTH = 100


@dataclass(frozen=True)
class Rate:
    """At most ``count`` requests in ``seconds``; ``refusal`` begins the error for further ones."""

    name: str
    count: int
    seconds: int
    refusal: str = "Too many requests."


@dataclass(frozen=True)
class Backoff:
    """Allows ``free`` failures in ``seconds``. Each further failure doubles the wait, from ``seconds`` to ``longest``.

    The failures are forgotten ``longest`` seconds after the last wait has ended.
    """

    name: str
    free: int
    seconds: int
    longest: int
    refusal: str

    def wait(self, failures: int) -> int:
        """Seconds to wait after this many failures."""
        if failures < self.free:
            return 0
        return min(self.longest, self.seconds * 2 ** min(failures - self.free, 30))


@dataclass(frozen=True)
class Spent:
    """``used`` requests of a rate whose period ends in ``seconds_left``."""

    used: int
    seconds_left: int


def spend(rate: Rate, key: str) -> Spent | None:
    """Counts one request of ``key``; raises RateLimited above the rate. Returns None while Redis is unavailable."""
    try:
        ((used, left),) = add(rate, {key: 1}).values()
    except RedisError as error:
        _log_unlimited(rate.name, error)
        return None
    if used > rate.count:
        raise limited(rate, left)
    return Spent(used, left)


def add(rate: Rate, counts: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Counts requests of several keys. Returns the requests used and the seconds left of each. Raises RedisError."""
    commands: list[tuple[str | int, ...]] = []
    for key, count in counts.items():
        bucket = _bucket(rate.name, key)
        commands += [("INCRBY", bucket, count), ("EXPIRE", bucket, rate.seconds, "NX"), ("TTL", bucket)]
    replies = _execute(*commands) if commands else []
    return {key: (replies[3 * index], replies[3 * index + 2]) for index, key in enumerate(counts)}


def limited(rate: Rate, seconds_left: int) -> RateLimited:
    """The error for a request above the rate."""
    return _limited(rate.refusal, rate.count, seconds_left)


def check(rate: Rate, key: str) -> None:
    """Raises RateLimited if the rate of ``key`` is used up; counts nothing."""
    try:
        used, left = _execute(("GET", _bucket(rate.name, key)), ("TTL", _bucket(rate.name, key)))
    except RedisError as error:
        _log_unlimited(rate.name, error)
        return
    if int(used or 0) >= rate.count:
        raise limited(rate, left)


def refund(rate: Rate, key: str) -> None:
    """Takes back one counted request."""
    try:
        bucket = _bucket(rate.name, key)
        _execute(("DECR", bucket), ("EXPIRE", bucket, rate.seconds, "NX"))
    except RedisError as error:
        _log_unlimited(rate.name, error)


def check_wait(backoff: Backoff, key: str) -> None:
    """Raises RateLimited while ``key`` must wait after its failures."""
    try:
        (left,) = _execute(("TTL", _bucket(f"{backoff.name}-wait", key)))
    except RedisError as error:
        _log_unlimited(backoff.name, error)
        return
    if left > 0:
        raise _limited(backoff.refusal, backoff.free, left)


def fail(backoff: Backoff, key: str) -> None:
    """Counts a failure of ``key``."""
    try:
        bucket = _bucket(backoff.name, key)
        failures, _ = _execute(("INCR", bucket), ("EXPIRE", bucket, backoff.seconds, "NX"))
        if wait := backoff.wait(failures):
            waiting = _bucket(f"{backoff.name}-wait", key)
            _execute(("SET", waiting, 1, "EX", wait), ("EXPIRE", bucket, wait + backoff.longest))
    except RedisError as error:
        _log_unlimited(backoff.name, error)


def try_again(seconds: int, now: datetime) -> str:
    """A sentence that says when to try again: in seconds, or from two minutes on, at a time of day (UTC)."""
    if seconds < 120:
        return f"Try again in {seconds} second{'' if seconds == 1 else 's'}."
    at = datetime.fromtimestamp(math.ceil((now + timedelta(seconds=seconds)).timestamp() / 60) * 60, tz=now.tzinfo)
    return f"Try again at {at:%H:%M} UTC."


def _limited(refusal: str, limit: int, seconds_left: int) -> RateLimited:
    seconds = max(1, seconds_left)
    return RateLimited(f"{refusal} {try_again(seconds, clock.now())}", retry_after=seconds, limit=limit)


def _execute(*commands: tuple[str | int, ...]) -> list[int]:
    """The replies to commands sent in one transaction. Raises RedisError."""
    return quickly(lambda client: _pipelined(client, commands))


def _pipelined(client: Redis, commands: Sequence[tuple[str | int, ...]]) -> list[int]:
    pipe = client.pipeline()
    for command in commands:
        pipe.execute_command(*command)
    return pipe.execute()


def _bucket(name: str, key: str) -> str:
    return f"crontopus:rate:{name}:{key[:KEY_LENGTH]}"


def _log_unlimited(name: str, error: RedisError) -> None:
    log.warning("Redis is unavailable, %s is not limited: %s", name, error)
