"""Tables of endpoints and enrolment tokens."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, UniqueConstraint, false
from sqlmodel import Field

from crontopus_app.models.base import Instant, TableModel, new_id


class EnrollmentToken(TableModel, table=True):
    """A ``cet_…`` token. A conditional UPDATE counts ``uses``, so at most ``max_uses`` hosts enrol with it."""

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    name: str
    token_hmac: str = Field(unique=True)
    max_uses: int | None = None
    uses: int = 0
    created_at: datetime = Field(sa_type=Instant)
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    revoked_at: datetime | None = Field(default=None, sa_type=Instant)


class Endpoint(TableModel, table=True):
    """A machine with an enrolled agent. ``status`` is active or revoked; a revoked token is never valid again.

    ``spool``: check-ins that waited on the host at its last contact. ``drained_at``: the last contact at which none
    waited. ``spooled_since``: the first of the contacts since at which some waited. ``boot_id`` changes at a restart.
    The last silence was from ``silent_from`` to ``silent_until``; ``restarted``: the host restarted in it.
    """

    __table_args__ = (UniqueConstraint("tenant_id", "machine_id"),)

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    machine_id: str
    name: str
    hostname: str
    platform: str = ""
    agent_version: str = ""
    timezone: str = ""
    utc_offset: int = 0
    labels: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    capabilities: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    status: str = "active"
    token_hmac: str = Field(unique=True)
    git_token_name: str = ""
    created_at: datetime = Field(sa_type=Instant)
    last_seen_at: datetime | None = Field(default=None, sa_type=Instant)
    spool: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    drained_at: datetime | None = Field(default=None, sa_type=Instant)
    spooled_since: datetime | None = Field(default=None, sa_type=Instant)
    boot_id: str = Field(default="", sa_column_kwargs={"server_default": ""})
    silent_from: datetime | None = Field(default=None, sa_type=Instant)
    silent_until: datetime | None = Field(default=None, sa_type=Instant)
    restarted: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    wake_at: datetime | None = Field(default=None, sa_type=Instant)
    prune_confirmed: str | None = None
    pass_status: str = ""
    pass_message: str = ""
    head_applied: str = ""
    reported_at: datetime | None = Field(default=None, sa_type=Instant)
    drift: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    crontab: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
