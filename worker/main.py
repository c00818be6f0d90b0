"""``crontopus-server worker``: a process that runs queued tasks, and sweeps for due work without a task.

With ``--edits`` it runs only short tasks, so that edits never wait for long ones.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested

from crontopus_app.base.errors import ConfigurationError
from crontopus_app.base.logs import hide_secrets
from crontopus_app.base.queue import QUEUE, QUEUES
from crontopus_app.base.settings import settings
from crontopus_app.forge.configured import forge
from worker.sweep import Sweep

log = logging.getLogger("worker")

LEAVE_S = 5.0
TTL_S = 60
AGAIN_S = 1.0
EDITS = "--edits"


class Worker(SimpleWorker):
    """RQ's worker without a process per task: connections stay open, and a task starts within milliseconds."""

    stop = threading.Event()
    max_connection_wait_time = 5.0  # seconds; RQ's default of a minute delays work after an outage of Redis

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        leave(signum, frame)
        super().request_stop(signum, frame)

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Registers this worker again if Redis has lost its data."""
        if pipeline is None and not self.connection.exists(self.key):
            self.register_birth()
        super().heartbeat(timeout, pipeline)

    def _install_signal_handlers(self) -> None:
        """Replaces RQ's handlers; called by ``work``. Also applies a signal that arrived earlier."""
        signal.signal(signal.SIGINT, self.request_stop)
        signal.signal(signal.SIGTERM, self.request_stop)
        self._stop_requested = self.stop.is_set()


def leave(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 -- a signal handler's signature
    """Stops after the running task, or after LEAVE_S: every task may be interrupted."""
    Worker.stop.set()
    timer = threading.Timer(LEAVE_S, os._exit, (0,))
    timer.daemon = True
    timer.start()


def run(queues: Sequence[str]) -> None:
    """Serves the queues, in order of priority, until SIGTERM or SIGINT.

    Reconnects after an outage of Redis; the sweep continues meanwhile.
    """
    hide_secrets()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stdout)
    for verbose in ("httpx", "httpcore", "rq.worker"):
        logging.getLogger(verbose).setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    threading.Thread(target=Sweep(forge()).run, args=(Worker.stop,), name="sweep", daemon=True).start()
    log.info("Worker started")
    while not Worker.stop.is_set():
        try:
            _work(queues)
        except RedisError as error:
            log.warning("Redis is unavailable, the sweep continues: %s", error)
        Worker.stop.wait(AGAIN_S)
    log.info("Worker stopped")


def _work(queues: Sequence[str]) -> None:
    """Runs RQ's loop until a stop is requested or Redis becomes unavailable."""
    connection = _connection()
    name = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
    served = [Queue(queue, connection=connection) for queue in queues]
    worker = Worker(served, name=name, connection=connection, worker_ttl=TTL_S)
    with suppress(StopRequested):  # RQ does not catch it between its handlers and its loop
        worker.work(logging_level="WARNING")
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)


def _connection() -> Redis:
    """A separate connection, because RQ changes its timeouts."""
    options: dict[str, Any] = {"socket_connect_timeout": 2, "health_check_interval": 15}
    return Redis.from_url(settings().redis_url, **options)


if __name__ == "__main__":
    try:
        run([QUEUE] if EDITS in sys.argv[1:] else QUEUES)
    except ConfigurationError as error:
        sys.exit(str(error))
