"""Tables of incidents, channels, deliveries, reports, and the local mail outbox."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, Text, UniqueConstraint, text
from sqlmodel import Field

from crontopus_app.models.base import Instant, TableModel, new_id

_OPEN = text("closed_at IS NULL")


class Incident(TableModel, table=True):
    """One problem from its start to its end. A subject has at most one open incident; its ``cause`` may change.

    ``subject`` is ``monitor:ID``, ``endpoint:ID``, ``manifest:PATH``, ``channel:ID`` or the name of a part of the
    tenant. ``handling`` says what becomes of its messages: waiting, delivered, bundled (with its ``parent_id``),
    silenced, resolved (it closed before it was told) or nobody; ``handling_reason`` says why.
    ``notify_at`` is when its messages are decided next (None: not before something changes). ``told_at`` is the time
    of the last message that it is open, ``closing_told_at`` of the message that it is closed.
    """

    __table_args__ = (
        Index(
            "uq_incident_open_subject",
            "tenant_id",
            "subject",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
        Index("ix_incident_tenant_opened", "tenant_id", "opened_at", "id"),
    )

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id")
    subject: str
    cause: str
    severity: str = "error"
    title: str
    what: str
    why: str = ""
    job_id: str = Field(default="", index=True)
    job_name: str = ""
    namespace: str = ""
    endpoint_id: str = ""
    endpoint_name: str = ""
    run_id: str = ""
    since: datetime = Field(sa_type=Instant)
    opened_at: datetime = Field(sa_type=Instant)
    closed_at: datetime | None = Field(default=None, sa_type=Instant)
    acknowledged_at: datetime | None = Field(default=None, sa_type=Instant)
    acknowledged_by: str = ""
    snoozed_until: datetime | None = Field(default=None, sa_type=Instant)
    parent_id: str | None = None
    handling: str = "waiting"
    handling_reason: str = ""
    route: str = ""
    notify_at: datetime | None = Field(default=None, sa_type=Instant, index=True)
    told_at: datetime | None = Field(default=None, sa_type=Instant)
    closing_told_at: datetime | None = Field(default=None, sa_type=Instant)


class IncidentEvent(TableModel, table=True):
    """An entry of an incident's timeline. ``actor`` is empty for what Crontopus did itself."""

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    incident_id: str = Field(foreign_key="incident.id", index=True)
    at: datetime = Field(sa_type=Instant)
    kind: str
    actor: str = ""
    text: str = Field(default="", sa_type=Text)


class Channel(TableModel, table=True):
    """A way to tell people. ``settings`` are sealed JSON. ``state`` is ok or broken, with the reason in ``problem``."""

    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    name: str
    kind: str
    settings: str = Field(sa_type=Text)
    state: str = "ok"
    problem: str = ""
    created_by: str = ""
    created_at: datetime = Field(sa_type=Instant)


class Delivery(TableModel, table=True):
    """A message to a channel about one incident or several. Written with the decision to send it; sent at least once.

    ``event`` is opened, reminder, acknowledged, closed or test. ``state`` is waiting, sent, failed or cancelled.
    ``total`` counts the incidents, of which ``incident_ids`` names the first.
    """

    __table_args__ = (
        Index("ix_delivery_state_next", "state", "next_at"),
        Index("ix_delivery_channel", "channel_id", "created_at"),
    )

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    channel_id: str
    event: str
    reason: str = ""
    incident_ids: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    incident_id: str = Field(default="", index=True)
    total: int = 1
    group_key: str = ""
    state: str = "waiting"
    attempts: int = 0
    created_at: datetime = Field(sa_type=Instant)
    next_at: datetime = Field(sa_type=Instant)
    sent_at: datetime | None = Field(default=None, sa_type=Instant)
    answer: str = Field(default="", sa_type=Text)


class Mail(TableModel, table=True):
    """A mail that was not sent because no mail server is configured. ``id`` is that of its delivery or report."""

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    recipient: str
    subject: str
    raw: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=Instant)


class Report(TableModel, table=True):
    """A report by mail to a user about a ``period`` ("weekly 2026-11-16"); at most one each.

    ``state`` is waiting, sending, sent, failed or cancelled. One that is sending when its process ends stays so.
    """

    __table_args__ = (UniqueConstraint("user_id", "period"), Index("ix_report_state_next", "state", "next_at"))

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    user_id: str
    period: str
    state: str = "waiting"
    created_at: datetime = Field(sa_type=Instant, index=True)
    next_at: datetime = Field(sa_type=Instant)
    answer: str = Field(default="", sa_type=Text)
