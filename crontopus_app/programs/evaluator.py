"""``crontopus-server evaluator``: a process that evaluates the deadlines of all monitors, and keeps the incidents."""

from __future__ import annotations

import logging
import signal
import sys
import threading

from crontopus_app.alerts import keeper
from crontopus_app.base import clock
from crontopus_app.monitoring import evaluator


def run() -> None:
    """Runs until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stdout)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    thread = threading.Thread(target=keeper.run, args=(stop, clock.now), name="incidents")
    thread.start()
    evaluator.run(stop, clock.now)
    thread.join()
