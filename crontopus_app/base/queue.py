"""Redis and the bell for the workers.

Losing Redis loses no fact: rows say what is to be done, a ring only says it soon.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, WatchError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from rq import Queue

from crontopus_app.base.circuit import Circuit
from crontopus_app.base.settings import settings

T = TypeVar("T")

log = logging.getLogger(__name__)

# What people wait for, in milliseconds; and what may take seconds. One worker at least serves edits only.
QUEUE, LONG_QUEUE = "crontopus", "crontopus-long"
QUEUES = (QUEUE, LONG_QUEUE)
LONG = frozenset(
    {
        "index_tenant",
        "reindex_tenant",
        "read_history",
        "retry_changes",
        "provision_tenant",
        "delete_tenant",
        "settle_git_access",
    }
)
# Tasks end by themselves, after a slice of work: a limit of RQ's would cut them in two.
NO_LIMIT = -1
A_DAY_S = 86_400
BUDGET_S, REST_S = 0.2, 3.0


@lru_cache(maxsize=1)
def redis() -> Redis:
    return Redis.from_url(settings().redis_url, socket_connect_timeout=2, socket_timeout=5, health_check_interval=15)


class _Hurry:
    """A client for those whom somebody waits for: it has its answer soon, or for some seconds none."""

    def __init__(self, url: str) -> None:
        # A connection that a restarted server has closed is made anew; silence is not waited for twice.
        again = Retry(NoBackoff(), 1, (RedisConnectionError,))
        waits = {"socket_connect_timeout": BUDGET_S, "socket_timeout": BUDGET_S}
        self.client = Redis.from_url(url, retry=again, **waits)
        self.silence = Circuit(REST_S)


@lru_cache(maxsize=1)
def _hurry(url: str) -> _Hurry:
    return _Hurry(url)


def quickly(act: Callable[[Redis], T]) -> T:
    """What ``act`` is told by Redis within BUDGET_S. Raises RedisError: at once, for REST_S after it was silent."""
    hurry = _hurry(settings().redis_url)
    if not hurry.silence.lets_through():
        raise RedisTimeoutError("Redis did not answer a moment ago")
    try:
        found = act(hurry.client)
    except RedisTimeoutError:
        hurry.silence.fail()
        raise
    hurry.silence.succeed()
    return found


def info(section: str) -> dict[str, Any]:
    """A section of what Redis says of itself. Raises RedisError."""
    return cast("dict[str, Any]", redis().info(section))


def ring(task: str, *args: str) -> bool:
    """Asks a worker to run ``worker.tasks.<task>(*args)`` soon; False where Redis is away (a sweep finds the row).

    A task that waits in its queue already is not put there twice. One that has begun may have looked too early: it is.
    """
    try:
        quickly(lambda client: _enqueue_once(client, task, args))
    except WatchError:  # somebody else rang at this instant
        return True
    except RedisError as error:
        log.warning("Redis is away, %s%r waits for the sweep: %s", task, args, error)
        return False
    return True


def _enqueue_once(client: Redis, task: str, args: tuple[str, ...]) -> None:
    """Raises WatchError where another process did it meanwhile, RedisError."""
    queue = Queue(LONG_QUEUE if task in LONG else QUEUE, connection=client)
    key = f"crontopus:rung:{task}:{':'.join(args)}"
    with queue.connection.pipeline() as pipe:
        pipe.watch(key)
        last = cast("bytes | None", pipe.get(key))
        if last is not None and pipe.lpos(queue.key, last.decode()) is not None:
            return
        pipe.multi()
        made = queue.enqueue(
            f"worker.tasks.{task}",
            *args,
            result_ttl=60,
            failure_ttl=A_DAY_S,
            job_timeout=NO_LIMIT,
            pipeline=pipe,
        )
        pipe.set(key, made.id, ex=A_DAY_S)
        pipe.execute()
