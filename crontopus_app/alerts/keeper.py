"""Opens and closes incidents and decides their messages. One process leads; others stand by."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from crontopus_app.alerts import levels, monitors, notify
from crontopus_app.base.leases import HeldLease, lead
from crontopus_app.monitoring.evaluator import SILENT_AFTER

LEASE = "incidents"
LEASE_LENGTH, RENEW_S = timedelta(seconds=12), 4.0
PAUSE_S, LEVELS_S = 1.0, 10.0
# Hosts contact the server every 30 seconds. One that has had this time since the server is back is silent.
SETTLED = SILENT_AFTER + timedelta(seconds=30)


def run(stop: threading.Event, now: Callable[[], datetime]) -> None:
    """Leads or stands by until ``stop`` is set. Errors are logged, and the work goes on."""
    started = now()
    lead(LEASE, LEASE_LENGTH, stop, now, lambda held: _lead(held, stop, now, started), "Incidents are not updated")


def _lead(held: HeldLease, stop: threading.Event, now: Callable[[], datetime], started: datetime) -> None:
    renewed, compared = time.monotonic(), float("-inf")
    while not stop.is_set():
        clock = time.monotonic()
        if clock - renewed >= RENEW_S:
            held.renew()
            renewed = clock
        if clock - compared >= LEVELS_S:
            levels.compare(now(), silence=now() - started >= SETTLED)
            compared = clock
        if not monitors.compare_due(now()) + notify.notify_due(now()):
            stop.wait(PAUSE_S)
