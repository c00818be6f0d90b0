"""How often: rates and waits after failures, kept in Redis, which, away, limits nothing."""

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

# Longer than any name, id or address that exists: what a stranger sends cannot fill Redis.
KEY_LENGTH = 100


@dataclass(frozen=True)
class Rate:
    """``count`` requests in ``seconds``; ``refusal`` is said to who asks more often."""

    name: str
    count: int
    seconds: int
    refusal: str = "Too many requests."


@dataclass(frozen=True)
class Backoff:
    """``free`` failures in ``seconds``; each one more makes the wait twice as long: ``seconds`` first, then up to
    ``longest``. It is forgotten ``longest`` seconds after the last wait is over."""

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
    """Requests ``used`` of a rate that begins anew in ``left`` seconds."""

    used: int
    left: int


def spend(rate: Rate, key: str) -> Spent | None:
    """Counts one request of ``key``; raises RateLimited past the rate. None where Redis is away: nothing is limited."""
    try:
        ((used, left),) = add(rate, {key: 1}).values()
    except RedisError as error:
        _away(rate.name, error)
        return None
    if used > rate.count:
        raise refused(rate, left)
    return Spent(used, left)


def add(rate: Rate, counts: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Counts requests of some keys; for each how many there were and the seconds left. Raises RedisError."""
    commands: list[tuple[str | int, ...]] = []
    for key, count in counts.items():
        bucket = _bucket(rate.name, key)
        commands += [("INCRBY", bucket, count), ("EXPIRE", bucket, rate.seconds, "NX"), ("TTL", bucket)]
    told = _execute(*commands) if commands else []
    return {key: (told[3 * place], told[3 * place + 2]) for place, key in enumerate(counts)}


def refused(rate: Rate, left: int) -> RateLimited:
    return _refused(rate.refusal, rate.count, left)


def check(rate: Rate, key: str) -> None:
    """Raises RateLimited where the rate of ``key`` is used up; counts nothing."""
    try:
        used, left = _execute(("GET", _bucket(rate.name, key)), ("TTL", _bucket(rate.name, key)))
    except RedisError as error:
        _away(rate.name, error)
        return
    if int(used or 0) >= rate.count:
        raise _refused(rate.refusal, rate.count, left)


def refund(rate: Rate, key: str) -> None:
    """Takes back one request that was counted."""
    try:
        bucket = _bucket(rate.name, key)
        _execute(("DECR", bucket), ("EXPIRE", bucket, rate.seconds, "NX"))
    except RedisError as error:
        _away(rate.name, error)


def check_wait(backoff: Backoff, key: str) -> None:
    """Raises RateLimited while ``key`` has to wait after its failures."""
    try:
        (left,) = _execute(("TTL", _bucket(f"{backoff.name}-wait", key)))
    except RedisError as error:
        _away(backoff.name, error)
        return
    if left > 0:
        raise _refused(backoff.refusal, backoff.free, left)


def fail(backoff: Backoff, key: str) -> None:
    """Counts a failure of ``key``."""
    try:
        bucket = _bucket(backoff.name, key)
        failures, _ = _execute(("INCR", bucket), ("EXPIRE", bucket, backoff.seconds, "NX"))
        if wait := backoff.wait(failures):
            waiting = _bucket(f"{backoff.name}-wait", key)
            _execute(("SET", waiting, 1, "EX", wait), ("EXPIRE", bucket, wait + backoff.longest))
    except RedisError as error:
        _away(backoff.name, error)


def try_again(seconds: int, now: datetime) -> str:
    """When to try again, as a sentence: in seconds, or from two minutes on at a time of day."""
    if seconds < 120:
        return f"Try again in {seconds} second{'' if seconds == 1 else 's'}."
    at = datetime.fromtimestamp(math.ceil((now + timedelta(seconds=seconds)).timestamp() / 60) * 60, tz=now.tzinfo)
    return f"Try again at {at:%H:%M} UTC."


def _refused(refusal: str, limit: int, left: int) -> RateLimited:
    seconds = max(1, left)
    return RateLimited(f"{refusal} {try_again(seconds, clock.now())}", retry_after=seconds, limit=limit)


def _execute(*commands: tuple[str | int, ...]) -> list[int]:
    """The answers to some commands, sent together. Raises RedisError."""
    return quickly(lambda client: _pipelined(client, commands))


def _pipelined(client: Redis, commands: Sequence[tuple[str | int, ...]]) -> list[int]:
    pipe = client.pipeline()
    for command in commands:
        pipe.execute_command(*command)
    return pipe.execute()


def _bucket(name: str, key: str) -> str:
    return f"crontopus:rate:{name}:{key[:KEY_LENGTH]}"


def _away(name: str, error: RedisError) -> None:
    log.warning("Redis is away, %s is not limited: %s", name, error)
