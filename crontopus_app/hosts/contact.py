"""Contacts of hosts: when a host was heard, how many check-ins wait on it, and its silences."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session

from crontopus_app.base import bounds
from crontopus_app.base.db import reading, writing
from crontopus_app.models import Endpoint
from crontopus_app.monitoring.evaluator import is_silent, wake_monitors

SEEN_EVERY = timedelta(seconds=15)
WORD = 255


def seen(endpoint_id: str, now: datetime, spool: int = 0, boot_id: str = "") -> None:
    """Stores a contact of the endpoint, at most every 15 seconds unless it says something new.

    ``spool``: the number of check-ins that wait on the host. ``boot_id`` changes when it restarts (empty: unknown).
    """
    spool, boot_id = bounded(spool, boot_id)
    with reading() as session:
        before = session.get(Endpoint, endpoint_id)
        if before is None or not _is_news(before, spool, boot_id, now):
            return
    with writing() as session:
        endpoint = session.get(Endpoint, endpoint_id, with_for_update={"key_share": True})
        if endpoint is not None:
            heard(session, endpoint, now, spool, boot_id)


def bounded(spool: int, boot_id: str) -> tuple[int, str]:
    """The facts that an agent sent, as their columns can hold them."""
    return max(0, min(spool, bounds.INT32)), bounds.text(boot_id, WORD)


def _is_news(endpoint: Endpoint, spool: int, boot_id: str, now: datetime) -> bool:
    is_stale = endpoint.last_seen_at is None or endpoint.last_seen_at < now - SEEN_EVERY
    return is_stale or endpoint.spool != spool or (bool(boot_id) and endpoint.boot_id != boot_id)


def _has_restarted(endpoint: Endpoint, boot_id: str) -> bool:
    return "" not in (boot_id, endpoint.boot_id) and endpoint.boot_id != boot_id


def heard(session: Session, endpoint: Endpoint, now: datetime, spool: int, boot_id: str) -> None:
    """Stores a contact. Wakes the host's monitors after a silence, after a restart, and when its spool is empty."""
    is_back, has_restarted = is_silent(endpoint, now), _has_restarted(endpoint, boot_id)
    has_drained = spool == 0 and endpoint.spool > 0
    if is_back and endpoint.last_seen_at is not None:
        endpoint.silent_from, endpoint.silent_until, endpoint.restarted = endpoint.last_seen_at, now, has_restarted
    if spool == 0:
        endpoint.drained_at = now
    elif endpoint.spool == 0 or is_back:
        endpoint.spooled_since = now
    endpoint.last_seen_at, endpoint.spool, endpoint.boot_id = now, spool, boot_id or endpoint.boot_id
    session.add(endpoint)
    session.flush()
    if is_back or has_restarted or has_drained:
        wake_monitors(session, endpoint.id, now)
