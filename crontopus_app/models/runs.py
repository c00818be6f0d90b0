"""Runs, what they printed, and the check-ins that told of them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Text
from sqlmodel import Field

from crontopus_app.models.base import Instant, Row


class Run(Row, table=True):
    """One execution. ``status`` is running, success, failed, timeout, lost, skipped or missed.

    Its id was chosen by the sender; ``sort_at`` (start, else receipt) and the id order the pages. ``source_id`` is
    the endpoint (then ``endpoint_id`` is the same) or the ping key that told of it, ``endpoint_name`` its name then.
    """

    __table_args__ = (
        Index("ix_run_tenant_sort", "tenant_id", "sort_at", "id"),
        Index("ix_run_job_sort", "tenant_id", "job_id", "sort_at", "id"),
        Index("ix_run_source_sort", "tenant_id", "source_id", "sort_at", "id"),
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


class RunOutput(Row, table=True):
    """Kept apart from its run, so that a page of runs never reads outputs."""

    run_id: str = Field(primary_key=True, foreign_key="run.id")
    head: str = Field(default="", sa_type=Text)
    tail: str = Field(default="", sa_type=Text)
    lost_bytes: int = Field(default=0, sa_type=BigInteger)


class CheckIn(Row, table=True):
    """One message about a run; its id makes a repeat by the same source harmless."""

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
