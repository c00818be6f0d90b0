"""Bodies of ``/api/incidents``, ``channels``, ``silences`` and ``maintenance``. Times are as in ``wire``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


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
class JobAlerts:
    """``rules``: when a job has an incident. ``handling``, ``reason`` and ``steps``: who would be told of one now."""

    rules: list[str]
    handling: str
    reason: str
    steps: list[str]
    incidents: list[Incident]


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


@dataclass(frozen=True)
class WindowScope:
    """Conditions that must all hold; an empty one always holds. ``jobs`` and ``endpoints`` are shell patterns."""

    namespaces: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    endpoints: list[str] = field(default_factory=list)
    labels: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class WindowRequest:
    """A silence or a maintenance: from ``starts`` (default: now) to ``until``, or for so many ``minutes``.

    ``during`` are the times at which a maintenance recurs, as in ``crontopus.yaml``.
    """

    until: datetime | None = None
    minutes: int | None = None
    starts: datetime | None = None
    when: WindowScope = WindowScope()
    reason: str = ""
    during: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Window:
    """A silence or a maintenance of ``crontopus.yaml``. ``state`` is active, planned or over.

    ``id`` follows from its content. ``during``: the times at which it recurs, in words.
    """

    id: str
    state: str
    starts: datetime | None
    until: datetime | None
    when: WindowScope
    reason: str
    during: list[str]
