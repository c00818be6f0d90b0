"""Sends open incidents again, each minute, to receivers that forget them otherwise, such as Alertmanager."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from crontopus_app.alerts import facts
from crontopus_app.alerts.channels.base import Verdict
from crontopus_app.alerts.kinds import KINDS
from crontopus_app.alerts.notice import Notice
from crontopus_app.base.db import reading
from crontopus_app.models import Channel, Delivery, Incident

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=1)
MOST = 500

Send = Callable[[Channel, Notice, datetime], Verdict]


class Turns:
    """Whose turn it is: each channel of these kinds once a minute, later if a message to it is under way."""

    def __init__(self) -> None:
        self._next: datetime | None = None
        self._waiting: set[str] = set()

    def due(self, now: datetime, busy: Container[str]) -> list[str]:
        """The ids of the channels to refresh now."""
        if self._next is None or now >= self._next:
            self._next, self._waiting = now + EVERY, set(_channels())
        found = [channel_id for channel_id in sorted(self._waiting) if channel_id not in busy]
        self._waiting -= set(found)
        return found


def _channels() -> list[str]:
    kinds = [kind.name for kind in KINDS.values() if kind.refreshed]
    with reading() as session:
        return list(session.exec(select(Channel.id).where(col(Channel.kind).in_(kinds), Channel.state == "ok")))


def refresh(channel_id: str, send: Send, now: datetime) -> None:
    """Sends the incidents that the channel was told of and that are still open. A failure is repeated next minute."""
    with reading() as session:
        channel = session.get(Channel, channel_id)
        incidents = _open(session, channel_id)
        notice = facts.repeated(session, channel.tenant_id, incidents, now) if channel and incidents else None
    if channel is None or notice is None:
        return
    verdict = send(channel, notice, now)
    if verdict.outcome != "sent":
        log.warning(
            "Channel %s of %s did not take the open incidents: %s", channel.name, channel.tenant_id, verdict.words
        )


def _open(session: Session, channel_id: str) -> list[Incident]:
    told = select(Delivery.incident_id).where(
        Delivery.channel_id == channel_id, Delivery.event == "opened", Delivery.state == "sent"
    )
    query = select(Incident).where(col(Incident.closed_at).is_(None), col(Incident.id).in_(told))
    return list(session.exec(query.order_by(col(Incident.opened_at)).limit(MOST)))
