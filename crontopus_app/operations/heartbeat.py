"""Tells somebody outside that missed runs are noticed and people are told: calls a ping URL each minute.

When this installation is broken, the calls stop, and the service behind the URL says so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
from sqlmodel import Session, col, func, select

from crontopus_app.base.db import reading
from crontopus_app.base.errors import CrontopusError
from crontopus_app.models import Delivery
from crontopus_app.monitoring import evaluator

log = logging.getLogger(__name__)

EVERY_S, TIMEOUT_S = 60.0, 10.0
# Messages that were not tried for so long are a problem of this server, not of their receivers.
MOST_WAIT = timedelta(minutes=5)


def run(url: str, stop: threading.Event, now: Callable[[], datetime], every_s: float = EVERY_S) -> None:
    """Calls the URL each minute while everything works, until ``stop`` is set."""
    while not stop.wait(every_s):
        try:
            with reading() as session:
                reason = why_not(session, now())
            if reason:
                log.warning("The heartbeat is not sent: %s", reason)
            else:
                httpx.get(url, timeout=TIMEOUT_S).raise_for_status()
        except (CrontopusError, httpx.HTTPError) as error:
            # The URL may be a secret.
            log.warning("The heartbeat failed: %s", type(error).__name__)


def why_not(session: Session, now: datetime) -> str:
    """Why no heartbeat is sent from this process; empty if all is well."""
    if not evaluator.leads_here(session):
        return "another process evaluates the deadlines"
    if evaluator.lag(session, now) > evaluator.MOST_LAG:
        return "deadlines are evaluated late"
    untried = Delivery.state == "waiting", Delivery.attempts == 0
    oldest = session.exec(select(func.min(col(Delivery.created_at))).where(*untried)).one()
    return "messages wait to be sent" if oldest is not None and oldest < now - MOST_WAIT else ""
