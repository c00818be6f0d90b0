"""Redis and the bell for the workers.

Losing Redis loses no fact: rows say what is to be done, a ring only says it soon.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any, cast

from redis import Redis
from redis.exceptions import RedisError, WatchError
from rq import Queue

from crontopus_app.base.settings import settings

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


@lru_cache(maxsize=1)
def redis() -> Redis:
    return Redis.from_url(settings().redis_url, socket_connect_timeout=2, socket_timeout=5, health_check_interval=15)


def info(section: str) -> dict[str, Any]:
    """A section of what Redis says of itself. Raises RedisError."""
    return cast("dict[str, Any]", redis().info(section))


def ring(task: str, *args: str) -> bool:
    """Asks a worker to run ``worker.tasks.<task>(*args)`` soon; False where Redis is away (a sweep finds the row).

    A task that waits in its queue already is not put there twice. One that has begun may have looked too early: it is.
    """
    queue = Queue(LONG_QUEUE if task in LONG else QUEUE, connection=redis())
    try:
        _enqueue_once(queue, task, args)
    except WatchError:  # somebody else rang at this instant
        return True
    except RedisError as error:
        log.warning("Redis is away, %s%r waits for the sweep: %s", task, args, error)
        return False
    return True


def _enqueue_once(queue: Queue, task: str, args: tuple[str, ...]) -> None:
    """Raises WatchError where another process did it meanwhile, RedisError."""
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
