"""``crontopus-server worker``: one process that runs the tasks it is rung for, and sweeps for lost rings.

With ``--edits`` it leaves what takes long to others, so that an edit never waits behind it.
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
    """RQ's worker without a process per task: connections stay open, a task begins within milliseconds."""

    stop = threading.Event()
    max_connection_wait_time = 5.0  # seconds; RQ's minute would leave a Redis that came back unheard

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        leave(signum, frame)
        super().request_stop(signum, frame)

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """RQ's; a Redis that came back without its data is told again who works."""
        if pipeline is None and not self.connection.exists(self.key):
            self.register_birth()
        super().heartbeat(timeout, pipeline)

    def _install_signal_handlers(self) -> None:
        """RQ's, with our own way to leave; called by ``work``. A signal that came before it counts too."""
        signal.signal(signal.SIGINT, self.request_stop)
        signal.signal(signal.SIGTERM, self.request_stop)
        self._stop_requested = self.stop.is_set()


def leave(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 -- a signal handler's signature
    """Stops after the task at hand, which may take some seconds: every task bears being cut off."""
    Worker.stop.set()
    timer = threading.Timer(LEAVE_S, os._exit, (0,))
    timer.daemon = True
    timer.start()


def run(queues: Sequence[str]) -> None:
    """Serves the queues, the first first, until SIGTERM or SIGINT.

    Redis going away and coming back is survived; the sweep goes on meanwhile.
    """
    hide_secrets()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stdout)
    for chatty in ("httpx", "httpcore", "rq.worker"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    threading.Thread(target=Sweep(forge()).run, args=(Worker.stop,), name="sweep", daemon=True).start()
    log.info("working")
    while not Worker.stop.is_set():
        try:
            _work(queues)
        except RedisError as error:
            log.warning("Redis is away, the sweep goes on: %s", error)
        Worker.stop.wait(AGAIN_S)
    log.info("stopped")


def _work(queues: Sequence[str]) -> None:
    """Runs RQ's loop until it is told to stop or loses Redis."""
    connection = _connection()
    name = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
    served = [Queue(queue, connection=connection) for queue in queues]
    worker = Worker(served, name=name, connection=connection, worker_ttl=TTL_S)
    with suppress(StopRequested):  # raised where RQ does not expect it: between its handlers and its loop
        worker.work(logging_level="WARNING")
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)


def _connection() -> Redis:
    """A connection of RQ's own, for RQ changes its time-outs."""
    options: dict[str, Any] = {"socket_connect_timeout": 2, "health_check_interval": 15}
    return Redis.from_url(settings().redis_url, **options)


if __name__ == "__main__":
    try:
        run([QUEUE] if EDITS in sys.argv[1:] else QUEUES)
    except ConfigurationError as error:
        sys.exit(str(error))
