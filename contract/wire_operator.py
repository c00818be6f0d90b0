"""Request and response bodies of ``/api/operator``. Times and durations are as in ``wire``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Usage:
    """A tenant's use of the installation.

    ``runs``: those of the last 30 days; counting stops at ``runs_counted_to``. ``output_bytes``: an estimate of the
    kept output, from the size of the tenant's newest outputs.
    """

    users: int = 0
    jobs: int = 0
    endpoints: int = 0
    runs: int = 0
    runs_counted_to: int = 0
    output_bytes: int = 0
    last_checkin_at: datetime | None = None


@dataclass(frozen=True)
class OperatedTenant:
    """A tenant. ``operators``: how many of its users are operators."""

    id: str
    suspended: bool
    provisioning: str
    provisioning_step: str
    provisioning_error: str
    index_error: str
    created_at: datetime
    usage: Usage
    operators: int = 0


@dataclass(frozen=True)
class OperatedTenantList:
    tenants: list[OperatedTenant]
    total: int
    page: int
    page_size: int


@dataclass(frozen=True)
class Person:
    """A user account. ``role``: user or operator."""

    username: str
    tenant_id: str
    email: str
    role: str
    is_active: bool


@dataclass(frozen=True)
class TenantDetail:
    """One tenant. ``repository_bytes``: None if the Git server does not report it."""

    tenant: OperatedTenant
    people: list[Person]
    repository: str
    head: str
    indexed_head: str
    indexed_at: datetime | None
    repository_bytes: int | None = None


@dataclass(frozen=True)
class Figures:
    """The installation in numbers. ``changes_oldest_s``: age of the oldest pending change, None if there is none."""

    tenants: int
    suspended: int
    unprovisioned: int
    provisioning_failed: int
    endpoints: int
    changes_pending: int
    changes_oldest_s: float | None


@dataclass(frozen=True)
class TaskQueue:
    """A queue. ``oldest_s``: how long its next task has waited, None if it is empty."""

    name: str
    waiting: int
    oldest_s: float | None
    running: int
    scheduled: int
    failed: int


@dataclass(frozen=True)
class TaskWorker:
    """A worker process. ``task``: the task that it runs, empty if it is idle."""

    name: str
    state: str
    task: str
    heartbeat_s: float | None
    born_at: datetime | None
    done: int
    failed: int


@dataclass(frozen=True)
class FailedTask:
    """A task that ended with an error. Arguments are shortened, and secrets are masked in all texts."""

    id: str
    queue: str
    function: str
    arguments: list[str]
    tenant_id: str
    error: str
    traceback: str
    failed_at: datetime | None


@dataclass(frozen=True)
class Tasks:
    """Queues, workers and the latest failed tasks. ``problem``: why they are missing, if Redis does not answer."""

    queues: list[TaskQueue] = field(default_factory=list)
    workers: list[TaskWorker] = field(default_factory=list)
    failed: list[FailedTask] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True)
class OpenChange:
    """An uncommitted change: pending, or failed within the last week."""

    id: str
    tenant_id: str
    state: str
    operation: str
    path: str
    author: str
    error: str
    attempts: int
    created_at: datetime


@dataclass(frozen=True)
class Retried:
    count: int


@dataclass(frozen=True)
class MeasuredPart:
    """A component of the installation, measured now.

    ``lag_ms`` is its round trip, or its delay. Worker: age of the oldest waiting task. Index: time since the last
    indexing of the outdated repository that waits longest. Live: time from publishing an event to receiving it. None
    if nothing waits.
    """

    name: str
    ok: bool
    lag_ms: float | None
    detail: str


@dataclass(frozen=True)
class Measured:
    ok: bool
    at: datetime
    parts: list[MeasuredPart]


@dataclass(frozen=True)
class Version:
    """A component's version. ``ok`` is False if this release needs another one, or the component does not answer."""

    name: str
    version: str
    ok: bool = True


@dataclass(frozen=True)
class AgentVersion:
    version: str
    endpoints: int


@dataclass(frozen=True)
class Versions:
    """``schema``: the database's revision. ``schema_head``: the revision that this release needs."""

    parts: list[Version]
    agents: list[AgentVersion]
    schema: str
    schema_head: str


@dataclass(frozen=True)
class SettingInForce:
    """A setting. ``source``: environment, the path of the file with it, or default. Secrets are masked."""

    name: str
    value: str
    source: str
