"""Opens and closes incidents and decides their messages. One process leads; others stand by."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from crontopus_app.alerts import levels, monitors, notify
from crontopus_app.base.errors import CrontopusError
from crontopus_app.base.leases import HeldLease, LeaseLost, lease
from crontopus_app.monitoring.evaluator import SILENT_AFTER

log = logging.getLogger(__name__)

LEASE = "incidents"
LEASE_LENGTH, RENEW_S, STANDBY_S = timedelta(seconds=12), 4.0, 2.0
PAUSE_S, LEVELS_S = 0.5, 10.0
# Hosts contact the server every 30 seconds. One that has had this time since the server is back is silent.
SETTLED = SILENT_AFTER + timedelta(seconds=30)


def run(stop: threading.Event, now: Callable[[], datetime]) -> None:
    """Leads or stands by until ``stop`` is set. Errors are logged, and the work goes on."""
    started = now()
    while not stop.is_set():
        try:
            with lease(LEASE, now, LEASE_LENGTH) as held:
                if held is not None:
                    _lead(held, stop, now, started)
        except LeaseLost as error:
            log.warning("%s", error)
        except CrontopusError as error:
            log.warning("Incidents are not updated: %s", error)
        except Exception:
            log.exception("Incidents are not updated")
        stop.wait(STANDBY_S)


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
