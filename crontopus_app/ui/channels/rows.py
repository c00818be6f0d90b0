"""Rows of the Channels page."""

from __future__ import annotations

from dataclasses import dataclass

from contract import wire_alerts
from crontopus_app.ui.kit import words

DELIVERY = {"sent": "ok", "waiting": "running", "failed": "failed", "cancelled": "paused"}


@dataclass(frozen=True)
class ChannelRow:
    """``target`` is what may be shown of its settings."""

    id: str
    name: str
    kind: str
    target: str
    colour: str
    problem: str
    sent: str


@dataclass(frozen=True)
class DeliveryRow:
    id: str
    channel: str
    event: str
    state: str
    colour: str
    at: str
    answer: str


@dataclass(frozen=True)
class MailRow:
    id: str
    recipient: str
    subject: str
    at: str
    text: str


def channel(one: wire_alerts.Channel, labels: dict[str, str]) -> ChannelRow:
    shown = ", ".join(value for value in one.settings.values() if not value.startswith("•"))
    colour = "failed" if one.state == "broken" else "ok"
    return ChannelRow(
        one.id, one.name, labels.get(one.kind, one.kind), shown, colour, one.problem, words.iso(one.last_sent_at)
    )


def delivery(one: wire_alerts.Delivery) -> DeliveryRow:
    tries = f" ({words.plural(one.attempts, 'attempt')})" if one.attempts > 1 else ""
    at = words.iso(one.sent_at or one.created_at)
    return DeliveryRow(
        one.id, one.channel, one.event, f"{one.state}{tries}", DELIVERY.get(one.state, "unknown"), at, one.answer
    )


def mail(one: wire_alerts.Mail) -> MailRow:
    return MailRow(one.id, one.recipient, one.subject, words.iso(one.at), one.text)
