"""Sends deliveries, at least once each, in their order per channel and incident. One process leads; others stand by.

A delivery is marked after its receiver has answered. A process that dies in between sends it again, with the same id.
Channels are served at the same time, so that a slow receiver delays only its own messages.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Container
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from crontopus_app.alerts import facts, incidents, mail, outbound, refresh
from crontopus_app.alerts.channels.base import HttpKind, Verdict
from crontopus_app.alerts.kinds import KINDS
from crontopus_app.alerts.notice import Notice, headline
from crontopus_app.base import meters
from crontopus_app.base.db import after_commit, reading, writing
from crontopus_app.base.leases import HeldLease, lead
from crontopus_app.base.live import Event, publish
from crontopus_app.base.sealing import unseal
from crontopus_app.base.settings import settings
from crontopus_app.models import Channel, Delivery, Incident, Mail

log = logging.getLogger(__name__)

LEASE = "deliveries"
# Longer than an attempt can take: another process must not send what this one is sending.
LEASE_LENGTH, RENEW_S, PAUSE_S = timedelta(seconds=60), 10.0, 1.0
AT_ONCE = 8
# Delays before the next attempts; the last one repeats, until the delivery is GIVE_UP old.
DELAYS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600))
GIVE_UP = timedelta(hours=24)
# Kinds of timeline entries by state of the delivery.
ENTRIES = {"sent": "told", "failed": "not told", "cancelled": "cancelled"}
NO_SERVER = "No mail server is configured: kept in the outbox."


def run(stop: threading.Event, now: Callable[[], datetime]) -> None:
    """Leads or stands by until ``stop`` is set. Errors are logged, and the work goes on."""
    lead(LEASE, LEASE_LENGTH, stop, now, lambda held: _lead(held, stop, now), "Messages are not sent")


def _lead(held: HeldLease, stop: threading.Event, now: Callable[[], datetime]) -> None:
    renewed, going, turns = time.monotonic(), dict[str, Future[None]](), refresh.Turns()
    with ThreadPoolExecutor(AT_ONCE, "deliveries") as pool:
        while not stop.is_set():
            if time.monotonic() - renewed >= RENEW_S:
                held.renew()
                renewed = time.monotonic()
            going = {channel: future for channel, future in going.items() if not future.done()}
            for channel_id, delivery_id in due(now(), going.keys()):
                going[channel_id] = pool.submit(_attempt_safely, delivery_id, now)
            for channel_id in turns.due(now(), going.keys()):
                going[channel_id] = pool.submit(_refresh_safely, channel_id, now)
            meters.flush()
            stop.wait(PAUSE_S)


def due(now: datetime, busy: Container[str] = ()) -> list[tuple[str, str]]:
    """The channel and the id of a delivery that is due, one for each channel that is not ``busy``.

    The oldest, except one that waits to be repeated: it holds up the messages about its own incidents only.
    """
    columns = Delivery.channel_id, Delivery.id, Delivery.next_at, Delivery.incident_ids
    with reading() as session:
        waiting = select(*columns).where(Delivery.state == "waiting")  # pyright: ignore[reportCallIssue, reportArgumentType] -- JSON
        rows = session.execute(waiting.order_by(col(Delivery.created_at), col(Delivery.id))).all()
    chosen: dict[str, str] = {}
    held: dict[str, set[str]] = defaultdict(set)
    for channel_id, delivery_id, next_at, incident_ids in rows:
        if channel_id in busy or channel_id in chosen:
            continue
        if next_at <= now and not held[channel_id].intersection(incident_ids):
            chosen[channel_id] = delivery_id
        held[channel_id].update(incident_ids)
    return list(chosen.items())


def _attempt_safely(delivery_id: str, now: Callable[[], datetime]) -> None:
    try:
        attempt(delivery_id, now())
    except Exception:
        log.exception("Delivery %s failed and is repeated", delivery_id)
        with writing() as session:
            _mark(session, delivery_id, Verdict("retry", "An error of Crontopus; the operator's log has it."), now())


def _refresh_safely(channel_id: str, now: Callable[[], datetime]) -> None:
    try:
        refresh.refresh(channel_id, send, now())
    except Exception:
        log.exception("The open incidents were not sent again")


def attempt(delivery_id: str, now: datetime) -> None:
    """Sends a waiting delivery once, and stores what came of it."""
    with reading() as session:
        delivery = session.get_one(Delivery, delivery_id)
        channel = session.get(Channel, delivery.channel_id)
        needless = _needless(session, delivery)
        notice = facts.notice(session, delivery, now)
    if channel is None or needless:
        verdict = Verdict("cancelled", needless or "The channel was deleted.")
    else:
        verdict = send(channel, notice, now)
    with writing() as session:
        _mark(session, delivery_id, verdict, now)


def _needless(session: Session, delivery: Delivery) -> str:
    """Why the message is not sent: all its incidents are closed, or nobody was told that they are open."""
    if delivery.event == "test":
        return ""
    ids = delivery.incident_ids
    still_open = select(Incident.id).where(col(Incident.id).in_(ids), col(Incident.closed_at).is_(None))
    if delivery.event in ("opened", "reminder", "acknowledged"):
        return "" if session.exec(still_open.limit(1)).first() else "Everything was closed before it was sent."
    of_channel = Delivery.channel_id == delivery.channel_id, Delivery.event == "opened", Delivery.state == "sent"
    told = session.exec(select(Delivery.incident_ids).where(*of_channel, Delivery.created_at <= delivery.created_at))
    if any(set(each) & set(ids) for each in told):
        return ""
    return "The channel was not told that it was open."


def send(channel: Channel, notice: Notice, now: datetime) -> Verdict:
    """Sends a message through a channel, without marking anything."""
    kind, given = KINDS[channel.kind], json.loads(unseal(channel.settings))
    if isinstance(kind, HttpKind):
        return _send_by_http(kind, given, notice, now)
    message, smtp_url = mail.message(given, notice, settings().mail_from), settings().smtp_url
    if smtp_url:
        return mail.deliver(message, smtp_url)
    row = Mail(
        id=notice.delivery_id,
        tenant_id=channel.tenant_id,
        recipient=given["to"],
        subject=headline(notice),
        raw=message.as_string(),
        at=now,
    )
    with writing() as session:
        session.merge(row)
    return Verdict("sent", NO_SERVER)


def _send_by_http(kind: HttpKind, given: dict[str, str], notice: Notice, now: datetime) -> Verdict:
    verdict = Verdict("failed", "There was nothing to send.")
    for request in kind.requests(given, notice):
        try:
            answer = outbound.send(request, settings().alert_networks)
        except outbound.Refused as error:
            return Verdict("failed", str(error))
        except outbound.Failed as error:
            return Verdict("retry", str(error))
        verdict = kind.judge(answer, now)
        if verdict.outcome != "sent":
            return verdict
    return verdict


def _mark(session: Session, delivery_id: str, verdict: Verdict, now: datetime) -> None:
    delivery = session.get_one(Delivery, delivery_id, with_for_update=True)
    delivery.attempts += verdict.outcome != "cancelled"
    delivery.answer = verdict.words[:1000]
    if verdict.outcome == "retry" and now < delivery.created_at + GIVE_UP:
        delivery.next_at = now + _delay(delivery.attempts, verdict.seconds)
    else:
        delivery.state = {"sent": "sent", "cancelled": "cancelled"}.get(verdict.outcome, "failed")
        delivery.sent_at = now if verdict.outcome == "sent" else None
    session.add(delivery)
    channel = session.get(Channel, delivery.channel_id)
    if channel is not None and verdict.outcome in ("sent", "broken"):
        channel.state, channel.problem = ("broken", verdict.words) if verdict.outcome == "broken" else ("ok", "")
        session.add(channel)
    after_commit(session, meters.add, "deliveries", channel.kind if channel else "deleted", verdict.outcome)
    if delivery.state != "waiting":
        _note(session, delivery, channel, now)
    after_commit(session, publish, Event(delivery.tenant_id, "incident", delivery.incident_id))


def _delay(attempts: int, asked_s: float | None) -> timedelta:
    """The delay before the next attempt, with some variation; not shorter than what the receiver asked for."""
    planned = DELAYS[min(attempts, len(DELAYS)) - 1] * random.uniform(0.8, 1.2)  # noqa: S311 -- not a secret
    return max(planned, timedelta(seconds=min(asked_s or 0.0, GIVE_UP.total_seconds())))


def _note(session: Session, delivery: Delivery, channel: Channel | None, now: datetime) -> None:
    """Writes into the timelines what came of the message."""
    name = channel.name if channel else "a deleted channel"
    words = {"sent": f"Told {name}", "failed": f"{name} was not told", "cancelled": f"{name} needed no message"}
    text = f"{words[delivery.state]} ({delivery.event}): {delivery.answer}"
    for incident in session.exec(select(Incident).where(col(Incident.id).in_(delivery.incident_ids))):
        incidents.note(session, incident, ENTRIES[delivery.state], now, text)
