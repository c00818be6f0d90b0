"""Tables of runs, their output, and check-ins."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Text
from sqlmodel import Field

from crontopus_app.models.base import Instant, TableModel


class Run(TableModel, table=True):
    """One execution of a job. ``status`` is running, success, failed, timeout, lost, skipped or missed.

    The sender chose its id. Pages are ordered by ``sort_at`` (start, or else receipt) and id. ``source_id`` is the
    endpoint (then ``endpoint_id`` equals it) or the ping key that reported it; ``endpoint_name`` its name at that time.
    """

    __table_args__ = (
        Index("ix_run_tenant_sort", "tenant_id", "sort_at", "id"),
        Index("ix_run_job_sort", "tenant_id", "job_id", "sort_at", "id"),
        Index("ix_run_source_sort", "tenant_id", "source_id", "sort_at", "id"),
        Index("ix_run_slot", "job_id", "source_id", "slot"),
        Index("ix_run_status_sort", "tenant_id", "status", "sort_at", "id"),
    )

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id")
    job_id: str
    job_name: str
    namespace: str
    source_id: str
    endpoint_id: str | None = None
    endpoint_name: str
    status: str
    flags: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    slot: datetime | None = Field(default=None, sa_type=Instant)
    started_at: datetime | None = Field(default=None, sa_type=Instant)
    finished_at: datetime | None = Field(default=None, sa_type=Instant)
    received_at: datetime = Field(sa_type=Instant)
    sort_at: datetime = Field(sa_type=Instant)
    duration_s: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    attempt: int = 1
    commit: str = ""
    error: str = ""


class RunOutput(TableModel, table=True):
    """The output of a run, in a table of its own so that lists of runs do not read it."""

    run_id: str = Field(primary_key=True, foreign_key="run.id")
    head: str = Field(default="", sa_type=Text)
    tail: str = Field(default="", sa_type=Text)
    lost_bytes: int = Field(default=0, sa_type=BigInteger)


class CheckIn(TableModel, table=True):
    """One message about a run. Its id makes a repetition by the same source harmless."""

    id: str = Field(primary_key=True)
    source_id: str = Field(primary_key=True)
    tenant_id: str
    run_id: str = Field(index=True)
    kind: str
    attempt: int = 1
    at: datetime = Field(sa_type=Instant)
    received_at: datetime = Field(sa_type=Instant, index=True)
    seq: int = Field(default=0, sa_type=BigInteger)
    boot_id: str = ""
    line_hash: str = ""
    facts: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class RunDay(TableModel, table=True):
    """How many runs of a monitor there were on a day (UTC), of those that are no longer kept. Never removed."""

    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    job_id: str = Field(primary_key=True)
    source_id: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    job_name: str
    namespace: str
    success: int = 0
    failed: int = 0
    timeout: int = 0
    lost: int = 0
    missed: int = 0
    skipped: int = 0
    duration_s: float = 0.0
    longest_s: float = 0.0


class OutputsRemoved(TableModel, table=True):
    """The outputs of a tenant's runs with this ``status`` that began up to ``until`` are removed."""

    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    status: str = Field(primary_key=True)
    until: datetime = Field(sa_type=Instant)
