"""Request and response bodies of ``/api/incidents`` and ``/api/channels``. Times are as in ``wire``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Incident:
    """A problem from its start to its end.

    ``cause`` is failing, missed, lost, no success, unstable, host silent, not applied, invalid manifest, repository
    failed or channel broken. ``state`` is open, acknowledged, snoozed or closed. ``handling`` says what became of its
    messages: waiting, delivered, bundled, silenced, resolved or nobody; ``handling_reason`` says why.
    """

    id: str
    cause: str
    state: str
    severity: str
    title: str
    what: str
    why: str
    namespace: str
    job_name: str
    endpoint_name: str
    endpoint_id: str
    run_id: str
    since: datetime
    opened_at: datetime
    closed_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str
    snoozed_until: datetime | None
    handling: str
    handling_reason: str
    parent_id: str | None = None


@dataclass(frozen=True)
class IncidentList:
    """``total`` counts all incidents of the filter, ``open`` those of the tenant that are not closed."""

    incidents: list[Incident]
    total: int
    open: int
    page: int
    page_size: int


@dataclass(frozen=True)
class IncidentEvent:
    """An entry of the timeline. ``actor`` is empty for what Crontopus did itself."""

    at: datetime
    kind: str
    actor: str
    text: str


@dataclass(frozen=True)
class Delivery:
    """A message to a channel. ``state`` is waiting, sent, failed or cancelled; ``answer`` is the receiver's."""

    id: str
    channel: str
    event: str
    state: str
    attempts: int
    created_at: datetime
    sent_at: datetime | None
    answer: str


@dataclass(frozen=True)
class IncidentDetail:
    incident: Incident
    timeline: list[IncidentEvent]
    deliveries: list[Delivery]


@dataclass(frozen=True)
class SnoozeRequest:
    """``minutes``: for so long, no reminders and no escalation."""

    minutes: int


@dataclass(frozen=True)
class CommentRequest:
    text: str


@dataclass(frozen=True)
class ChannelRequest:
    """``settings`` are those of the kind, see ``GET /api/channel-kinds``. An omitted secret keeps its value."""

    name: str
    kind: str
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Channel:
    """A way to tell people. Secrets in ``settings`` are masked. ``state`` is ok or broken; ``problem`` says why."""

    id: str
    name: str
    kind: str
    state: str
    problem: str
    settings: dict[str, str]
    created_by: str
    created_at: datetime
    last_sent_at: datetime | None = None


@dataclass(frozen=True)
class ChannelSetting:
    name: str
    label: str
    secret: bool
    required: bool
    hint: str


@dataclass(frozen=True)
class ChannelKind:
    """``confirms``: whether the receiver's answer tells that the message arrived."""

    name: str
    label: str
    confirms: bool
    settings: list[ChannelSetting]


@dataclass(frozen=True)
class Mail:
    """A mail that was not sent, because the server has no mail server configured."""

    id: str
    recipient: str
    subject: str
    text: str
    at: datetime
