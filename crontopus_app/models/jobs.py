"""Jobs as the index knows them, changes on their way to Git, and monitors."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary, UniqueConstraint
from sqlmodel import Field

from crontopus_app.models.base import Instant, Row, new_id


class JobIndex(Row, table=True):
    """One manifest file of a tenant's repository: a cache, rebuilt from Git by ``reindex``.

    An invalid file has a row too (``valid`` false, ``errors`` filled); ``job_id`` is then the best that is known.
    """

    __table_args__ = (UniqueConstraint("tenant_id", "path"), Index("ix_job_index_tenant_job", "tenant_id", "job_id"))

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id")
    path: str
    job_id: str
    name: str
    namespace: str
    blob_sha: str
    yaml: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    valid: bool
    errors: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    lints: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    manifest: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    schedule: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    timezone: str | None = None
    enabled: bool = True
    paused: bool = False
    commit_sha: str = ""
    commit_author: str = ""
    commit_message: str = ""
    commit_at: datetime | None = Field(default=None, sa_type=Instant)


class Change(Row, table=True):
    """An edit of the repository on its way to a commit. The row is the queue; Redis only rings.

    What somebody pushed is noted here too, as done by no ``user_id``; until its author is looked up it has none.
    ``state`` is pending, done or failed. ``base_sha`` is the blob the author saw, ``said`` what changes, in words.
    """

    __table_args__ = (Index("ix_change_tenant_state", "tenant_id", "state"),)

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id")
    sequence: int = 0
    user_id: str
    author_name: str
    author_email: str
    operation: str
    path: str
    content: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    base_sha: str | None = None
    message: str
    said: str = Field(default="", sa_column_kwargs={"server_default": ""})
    state: str = "pending"
    commit_sha: str | None = None
    error: str | None = None
    attempts: int = 0
    created_at: datetime = Field(sa_type=Instant)
    done_at: datetime | None = Field(default=None, sa_type=Instant)


class Monitor(Row, table=True):
    """What is expected of a job by one source of check-ins, and where it stands.

    The source is an endpoint (then ``endpoint_id`` is ``source_id``) or a ping key. ``state`` is waiting, ok, failing,
    paused or retired (``monitoring/state.py``), ``health`` what it is when the job neither rests nor is gone;
    ``outcome`` is what the agent's last pass did to its entry.
    """

    __table_args__ = (UniqueConstraint("job_id", "source_id"), Index("ix_monitor_tenant_job", "tenant_id", "job_id"))

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id")
    job_id: str
    source_id: str
    endpoint_id: str | None = Field(default=None, foreign_key="endpoint.id", index=True)
    job_name: str
    namespace: str
    state: str = "waiting"
    health: str = Field(default="waiting", sa_column_kwargs={"server_default": "waiting"})
    outcome: str = ""
    reason: str = ""
    applied_commit: str = ""
    last_run_id: str | None = None
    last_run_status: str | None = None
    last_run_at: datetime | None = Field(default=None, sa_type=Instant)
    updated_at: datetime = Field(sa_type=Instant)
