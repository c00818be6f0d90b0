"""``crontopus-server evaluator``: finds missed runs, keeps incidents, sends messages and reports, removes old runs."""

from __future__ import annotations

import logging
import signal
import sys
import threading

from crontopus_app.alerts import keeper, reports, sender
from crontopus_app.base import clock
from crontopus_app.base.settings import settings
from crontopus_app.monitoring import evaluator
from crontopus_app.operations import heartbeat, retention


def run() -> None:
    """Runs until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stdout)
    for verbose in ("httpx", "httpcore"):  # they log URLs, which may be secret
        logging.getLogger(verbose).setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    beside = [
        threading.Thread(target=keeper.run, args=(stop, clock.now), name="incidents"),
        threading.Thread(target=sender.run, args=(stop, clock.now), name="deliveries"),
        threading.Thread(target=reports.run, args=(stop, clock.now), name="reports"),
        threading.Thread(target=retention.run, args=(stop, clock.now), name="retention"),
    ]
    if settings().heartbeat_url:
        beside.append(threading.Thread(target=heartbeat.run, args=(settings().heartbeat_url, stop, clock.now)))
    for thread in beside:
        thread.start()
    evaluator.run(stop, clock.now)
    for thread in beside:
        thread.join()
