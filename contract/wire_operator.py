"""Shapes of ``/api/operator``: what the operator of an installation sees. As in ``wire``: aware datetimes, seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Usage:
    """What a tenant uses.

    ``runs`` are those of the last 30 days, counted up to ``runs_counted_to``; ``output_bytes`` is what they printed as
    far as it is kept, about: from the size of the tenant's latest outputs.
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
    """A tenant as its operator sees it; ``operators`` of its users are operators themselves."""

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
    """A user who can sign in; ``role`` is user or operator."""

    username: str
    tenant_id: str
    email: str
    role: str
    is_active: bool


@dataclass(frozen=True)
class TenantDetail:
    """One tenant; ``repository_bytes`` is None where the Git server does not tell."""

    tenant: OperatedTenant
    people: list[Person]
    repository: str
    head: str
    indexed_head: str
    indexed_at: datetime | None
    repository_bytes: int | None = None


@dataclass(frozen=True)
class Figures:
    """The installation in numbers; ages are seconds, None where nothing waits."""

    tenants: int
    suspended: int
    unprovisioned: int
    provisioning_failed: int
    endpoints: int
    changes_pending: int
    changes_oldest_s: float | None


@dataclass(frozen=True)
class TaskQueue:
    """A queue; ``oldest_s`` is how long its next task has waited."""

    name: str
    waiting: int
    oldest_s: float | None
    running: int
    scheduled: int
    failed: int


@dataclass(frozen=True)
class TaskWorker:
    """A worker process; ``task`` is what it does now, empty when it waits."""

    name: str
    state: str
    task: str
    heartbeat_s: float | None
    born_at: datetime | None
    done: int
    failed: int


@dataclass(frozen=True)
class FailedTask:
    """A task that ended with an error; arguments are shortened, secrets masked in all texts."""

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
    """Queues, workers and the latest failed tasks; ``problem`` says what is wrong where Redis does not tell."""

    queues: list[TaskQueue] = field(default_factory=list)
    workers: list[TaskWorker] = field(default_factory=list)
    failed: list[FailedTask] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True)
class OpenChange:
    """A change that is not a commit: still pending, or failed in the last week."""

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
    """A part of the installation, measured now.

    ``lag_ms`` is its round trip, or how far it is behind (worker: the oldest waiting task; index: the repository that
    was indexed longest ago of those that are behind; live: publishing to the own subscriber); None where nothing lags.
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
    """``ok`` is False where it is not what this release wants, or the part does not answer."""

    name: str
    version: str
    ok: bool = True


@dataclass(frozen=True)
class AgentVersion:
    version: str
    endpoints: int


@dataclass(frozen=True)
class Versions:
    """``schema`` is the database's revision, ``schema_head`` this release's."""

    parts: list[Version]
    agents: list[AgentVersion]
    schema: str
    schema_head: str


@dataclass(frozen=True)
class SettingInForce:
    """A setting; ``source`` is environment, the file that held it, or default. Secrets are masked."""

    name: str
    value: str
    source: str
