"""Tables of the job index, of changes, and of monitors."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary, String, UniqueConstraint
from sqlmodel import Field

from crontopus_app.models.base import Instant, TableModel, new_id


class JobIndex(TableModel, table=True):
    """One manifest file of a tenant's repository. A cache; ``reindex`` rebuilds it from Git.

    An invalid file has a row too (``valid`` is false, ``errors`` lists why); its ``job_id`` is then a best guess.
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


class Change(TableModel, table=True):
    """An edit of the repository that is to become a commit. These rows are the queue; Redis only starts the worker.

    Pushed commits are recorded here too, as done and without a ``user_id``; their author is filled in later.
    ``state`` is pending, done or failed. ``base_sha`` is the blob that the author edited, ``summary`` describes the
    difference in words.
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
    summary: str = Field(default="", sa_column=Column("said", String, nullable=False, server_default=""))
    state: str = "pending"
    commit_sha: str | None = None
    error: str | None = None
    attempts: int = 0
    created_at: datetime = Field(sa_type=Instant)
    done_at: datetime | None = Field(default=None, sa_type=Instant)


class Monitor(TableModel, table=True):
    """The expected runs and the state of one job at one source of check-ins.

    The source is an endpoint (then ``endpoint_id`` equals ``source_id``) or the tenant's pings (then ``ping_id`` is the
    secret part of the job's ping URL). ``state`` is waiting, ok, failing, missed, late, stuck, paused or retired
    (``monitoring/state.py``); ``health`` is the state by ended and missed runs alone, decided by the run
    ``health_run_id``. ``outcome`` is what the agent's last pass did with the job's crontab entry.

    ``lines`` are the lines that were installed (``monitoring/installed.py``). Slots up to ``settled_until`` are
    settled; the evaluator looks at the monitor again at ``next_deadline`` (None: nothing is due, or its host is
    silent).
    ``alert_at`` is when the monitor is compared with its incident next; ``incident_id`` is the open one.
    ``grace_s`` is the manifest's start grace, ``run_limit_s`` the longest time of a run with all its retries,
    ``finish_by`` the time of day by which it must have ended.
    ``counts`` are of all its ended and missed runs, also of those that are no longer kept (``monitoring/counts.py``).
    """

    __table_args__ = (UniqueConstraint("job_id", "source_id"), Index("ix_monitor_tenant_job", "tenant_id", "job_id"))

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id")
    job_id: str
    source_id: str
    endpoint_id: str | None = Field(default=None, foreign_key="endpoint.id", index=True)
    ping_id: str | None = Field(default=None, unique=True)
    job_name: str
    namespace: str
    state: str = "waiting"
    health: str = Field(default="waiting", sa_column_kwargs={"server_default": "waiting"})
    outcome: str = ""
    reason: str = ""
    applied_commit: str = ""
    health_run_id: str | None = None
    health_at: datetime | None = Field(default=None, sa_type=Instant)
    last_run_id: str | None = None
    last_run_status: str | None = None
    last_run_at: datetime | None = Field(default=None, sa_type=Instant)
    last_success_at: datetime | None = Field(default=None, sa_type=Instant)
    counts: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}"))
    lines: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False, server_default="[]"))
    grace_s: float | None = None
    run_limit_s: float | None = None
    finish_by: str = Field(default="", sa_column_kwargs={"server_default": ""})
    settled_until: datetime | None = Field(default=None, sa_type=Instant)
    next_deadline: datetime | None = Field(default=None, sa_type=Instant, index=True)
    alert_at: datetime | None = Field(default=None, sa_type=Instant, index=True)
    incident_id: str | None = None
    updated_at: datetime = Field(sa_type=Instant)
