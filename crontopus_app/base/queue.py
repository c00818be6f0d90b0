"""Redis: the task queues of the workers, and a client with short timeouts for requests.

The database says what work is due; a queued task only starts it sooner. So losing Redis loses no work.
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

# QUEUE: short tasks that people wait for; at least one worker serves it alone. LONG_QUEUE: tasks that may take seconds.
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
# No time limit in RQ: tasks end by themselves after a slice of work, and a limit would interrupt them.
NO_LIMIT = -1
A_DAY_S = 86_400
BUDGET_S, REST_S = 0.2, 3.0


@lru_cache(maxsize=1)
def redis() -> Redis:
    return Redis.from_url(settings().redis_url, socket_connect_timeout=2, socket_timeout=5, health_check_interval=15)


class _RequestClient:
    """A Redis client for requests: a timeout of BUDGET_S, then failing at once for REST_S."""

    def __init__(self, url: str) -> None:
        # Reconnect once when a restarted server has closed the connection; do not repeat a timeout.
        retry = Retry(NoBackoff(), 1, (RedisConnectionError,))
        timeouts = {"socket_connect_timeout": BUDGET_S, "socket_timeout": BUDGET_S}
        self.client = Redis.from_url(url, retry=retry, **timeouts)
        self.circuit = Circuit(REST_S)


@lru_cache(maxsize=1)
def _request_client(url: str) -> _RequestClient:
    return _RequestClient(url)


def quickly(call: Callable[[Redis], T]) -> T:
    """The result of ``call(client)``, with a timeout of BUDGET_S.

    Raises RedisError. After a timeout it raises at once for REST_S.
    """
    redis_client = _request_client(settings().redis_url)
    if not redis_client.circuit.allows():
        raise RedisTimeoutError("Redis timed out a moment ago")
    try:
        result = call(redis_client.client)
    except RedisTimeoutError:
        redis_client.circuit.fail()
        raise
    redis_client.circuit.succeed()
    return result


def info(section: str) -> dict[str, Any]:
    """A section of Redis' INFO command. Raises RedisError."""
    return cast("dict[str, Any]", redis().info(section))


def ring(task: str, *args: str) -> bool:
    """Queues ``worker.tasks.<task>(*args)``; False if Redis is unavailable (a sweep finds the due row later).

    A task that is already waiting is not queued twice. A running one is: it may have read the rows too early.
    """
    try:
        quickly(lambda client: _enqueue_once(client, task, args))
    except WatchError:  # another process queued it at the same moment
        return True
    except RedisError as error:
        log.warning("Redis is unavailable, %s%r waits for the next sweep: %s", task, args, error)
        return False
    return True


def _enqueue_once(client: Redis, task: str, args: tuple[str, ...]) -> None:
    """Raises WatchError if another process queued the task at the same time, and RedisError."""
    queue = Queue(LONG_QUEUE if task in LONG else QUEUE, connection=client)
    key = f"crontopus:rung:{task}:{':'.join(args)}"
    with queue.connection.pipeline() as pipe:
        pipe.watch(key)
        last = cast("bytes | None", pipe.get(key))
        if last is not None and pipe.lpos(queue.key, last.decode()) is not None:
            return
        pipe.multi()
        queued = queue.enqueue(
            f"worker.tasks.{task}",
            *args,
            result_ttl=60,
            failure_ttl=A_DAY_S,
            job_timeout=NO_LIMIT,
            pipeline=pipe,
        )
        pipe.set(key, queued.id, ex=A_DAY_S)
        pipe.execute()
