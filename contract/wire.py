"""Shapes of the REST API that the server serves and the agent and the CLI read.

Times are aware datetimes (ISO 8601 with a zone on the wire), durations are seconds, ids are lower-case UUID strings.
FastAPI checks and documents these same classes: a request with an unknown field is refused (``__pydantic_config__``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

STRICT = {"extra": "forbid"}


@dataclass(frozen=True)
class Problem:
    """One error or lint of a manifest: where it is, what is wrong, what to do."""

    code: str
    message: str
    path: str = ""
    line: int = 0
    column: int = 0
    field: str = ""
    severity: str = "error"


@dataclass(frozen=True)
class Commit:
    sha: str
    author: str
    at: Optional[datetime]
    message: str


@dataclass(frozen=True)
class JobSummary:
    """A job as the index knows it; ``state`` is the worst monitor state over its endpoints."""

    id: str
    name: str
    namespace: str
    path: str
    schedule: List[str]
    timezone: Optional[str]
    enabled: bool
    paused: bool
    valid: bool
    errors: List[Problem]
    next_run: Optional[datetime]
    state: str
    endpoints: List[str]
    sha: str
    words: str = ""
    changed_by: str = ""
    changed_at: Optional[datetime] = None


@dataclass(frozen=True)
class JobList:
    jobs: List[JobSummary]
    count: int
    source: str
    repository: str


@dataclass(frozen=True)
class JobDetail:
    """One job with its file as it is in Git: ``yaml`` is the text, ``sha`` the blob's sha for ``If-Match``."""

    job: JobSummary
    manifest: Optional[Dict[str, Any]]
    yaml: str
    valid: bool
    errors: List[Problem]
    lints: List[Problem]
    sha: str
    commit: Optional[Commit]


@dataclass(frozen=True)
class InstanceStatus:
    """A job on one endpoint: what the agent reported for it last, and where its monitor stands."""

    job_id: str
    job_name: str
    namespace: str
    endpoint_id: str
    endpoint_name: str
    state: str
    outcome: str
    reason: str
    commit: str
    last_run_id: Optional[str] = None
    last_run_status: Optional[str] = None
    last_run_at: Optional[datetime] = None


@dataclass(frozen=True)
class ChangeStatus:
    """A change on its way: ``pending`` → ``done`` (with its commit) or ``failed`` (with its reason)."""

    id: str
    state: str
    operation: str
    path: str
    commit: Optional[str]
    error: Optional[str]
    author: str
    created_at: datetime
    applied: int = 0
    expected: int = 0


@dataclass(frozen=True)
class JobSaved:
    job: Optional[JobSummary]
    change: ChangeStatus


@dataclass(frozen=True)
class HistoryEntry:
    commit: Commit
    diff: str = ""


@dataclass(frozen=True)
class Namespace:
    name: str
    jobs: int
    system: bool


@dataclass(frozen=True)
class Output:
    """What a run printed: its first and last bytes (decoded, bad bytes replaced) and how many fell out between."""

    head: str = ""
    tail: str = ""
    lost_bytes: int = 0


@dataclass(frozen=True)
class Run:
    id: str
    job_id: str
    job_name: str
    namespace: str
    endpoint_id: Optional[str]
    endpoint_name: str
    status: str
    flags: List[str]
    slot: Optional[datetime]
    started_at: Optional[datetime]
    finished_at: Optional[datetime]
    received_at: datetime
    duration_s: Optional[float]
    exit_code: Optional[int]
    signal: Optional[int]
    attempt: int
    commit: str


@dataclass(frozen=True)
class RunDetail:
    run: Run
    output: Output
    error: str = ""


@dataclass(frozen=True)
class RunList:
    runs: List[Run]
    total: int
    page: int
    page_size: int
    next_cursor: Optional[str]


@dataclass(frozen=True)
class RunAggregate:
    """Runs of one job or endpoint over a window; ``health`` is healthy (≥ 0.95), degraded (≥ 0.70) or warning."""

    id: str
    name: str
    total: int
    succeeded: int
    failed: int
    success_rate: Optional[float]
    p50_s: Optional[float]
    p95_s: Optional[float]
    health: str


@dataclass(frozen=True)
class Endpoint:
    id: str
    name: str
    hostname: str
    platform: str
    agent_version: str
    timezone: str
    utc_offset: int
    labels: Dict[str, str]
    capabilities: Dict[str, Any]
    status: str
    state: str
    last_seen_at: Optional[datetime]
    head_applied: str
    jobs: int
    created_at: datetime
    message: str = ""


@dataclass(frozen=True)
class EndpointList:
    endpoints: List[Endpoint]
    total: int
    page: int
    page_size: int


@dataclass(frozen=True)
class AgentList:
    """The same rows under the first Crontopus' name."""

    agents: List[Endpoint]
    total: int
    page: int
    page_size: int


@dataclass(frozen=True)
class EnrollRequest:
    __pydantic_config__ = STRICT
    machine_id: str
    hostname: str
    name: str = ""
    platform: str = ""
    agent_version: str = ""
    timezone: str = ""
    utc_offset: int = 0
    labels: Dict[str, str] = field(default_factory=dict)
    capabilities: Dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GitAccess:
    """Where the tenant's repository is and a credential that can only read it; ``token`` is given once, at enrolment."""

    url: str
    branch: str
    username: str
    token: str = ""


@dataclass(frozen=True)
class Enrolled:
    endpoint_id: str
    agent_id: str
    token: str
    tenant_id: str
    git: GitAccess


@dataclass(frozen=True)
class WatchAnswer:
    """Answer of ``GET /api/endpoints/me/watch?head=SHA&timeout=S``: the tenant's head as soon as it differs from ``head``, or after the timeout.

    ``wake`` is true when somebody asked this endpoint to make a pass now. ``prune_confirmed`` names the head for which somebody
    confirmed a pass that deletes much.
    """

    head: str
    git: GitAccess
    server_time: datetime
    wake: bool = False
    prune_confirmed: Optional[str] = None


@dataclass(frozen=True)
class EntryOutcome:
    """What one pass did to one entry: outcome is Applied, Kept, Waiting, Blocked or Failed."""

    __pydantic_config__ = STRICT
    job_id: str
    path: str
    outcome: str
    reason: str = ""
    commit: str = ""
    line_hash: str = ""


@dataclass(frozen=True)
class CrontabLine:
    """One line of the host's crontab with its standing; secrets in foreign lines are masked before they leave the host."""

    __pydantic_config__ = STRICT
    text: str
    standing: str
    job_id: str = ""
    note: str = ""


@dataclass(frozen=True)
class Drift:
    __pydantic_config__ = STRICT
    kind: str
    expected: str
    found: str
    owner: str = ""
    modified_at: Optional[datetime] = None
    logged_in: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class PassReport:
    """Body of ``POST /api/endpoints/me/report``: always sent at the end of a pass.

    ``status`` is Applied, Kept, Waiting, Blocked or Failed; ``head`` the commit that was looked at, ``applied`` the one in force.
    """

    __pydantic_config__ = STRICT
    status: str
    head: str
    applied: str
    started_at: datetime
    duration_s: float
    message: str = ""
    entries: List[EntryOutcome] = field(default_factory=list)
    drift: List[Drift] = field(default_factory=list)
    crontab: List[CrontabLine] = field(default_factory=list)
    agent_version: str = ""
    timezone: str = ""
    utc_offset: int = 0
    labels: Dict[str, str] = field(default_factory=dict)
    capabilities: Dict[str, Any] = field(default_factory=dict)
    spool: int = 0


@dataclass(frozen=True)
class CheckinOutput:
    __pydantic_config__ = STRICT
    head: str = ""
    tail: str = ""
    lost_bytes: int = 0


@dataclass(frozen=True)
class Checkin:
    """One message about a run; ``kind`` is start, success, fail, log, heartbeat or skipped; ``id`` makes it idempotent."""

    __pydantic_config__ = STRICT
    id: str
    job_id: str
    run_id: str
    kind: str
    at: datetime
    attempt: int = 1
    slot: Optional[datetime] = None
    started_at: Optional[datetime] = None
    duration_s: Optional[float] = None
    exit_code: Optional[int] = None
    signal: Optional[int] = None
    timed_out: bool = False
    flags: List[str] = field(default_factory=list)
    output: Optional[CheckinOutput] = None
    error: str = ""
    commit: str = ""
    line_hash: str = ""
    boot_id: str = ""
    seq: int = 0


@dataclass(frozen=True)
class CheckinAnswer:
    run_id: str
    state: str
    duplicate: bool


@dataclass(frozen=True)
class LegacyCheckin:
    """Body of the first Crontopus' ``POST /api/runs/check-in``."""

    __pydantic_config__ = STRICT
    endpoint_id: str
    job_name: str
    namespace: str
    status: str
    exit_code: Optional[int] = None
    duration: Optional[float] = None
    output: Optional[str] = None
    error_message: Optional[str] = None


@dataclass(frozen=True)
class RegisterRequest:
    __pydantic_config__ = STRICT
    username: str
    email: str
    password: str


@dataclass(frozen=True)
class LoginRequest:
    __pydantic_config__ = STRICT
    username: str
    password: str


@dataclass(frozen=True)
class AccessToken:
    access_token: str
    token_type: str = "bearer"  # noqa: S105 -- the scheme's name, not a secret


@dataclass(frozen=True)
class Me:
    id: str
    tenant_id: str
    username: str
    email: str
    role: str
    is_active: bool
    provisioning: str
    provisioning_error: str = ""
    repository: str = ""


@dataclass(frozen=True)
class EnrollmentTokenRequest:
    __pydantic_config__ = STRICT
    name: str
    expires_in_days: Optional[int] = None
    max_uses: Optional[int] = None


@dataclass(frozen=True)
class EnrollmentToken:
    """``token`` is only in the answer to its creation."""

    id: str
    name: str
    expires_at: Optional[datetime]
    max_uses: Optional[int]
    uses: int
    created_at: datetime
    token: Optional[str] = None
    revoked: bool = False


@dataclass(frozen=True)
class ApiTokenRequest:
    __pydantic_config__ = STRICT
    name: str
    scopes: List[str]
    expires_in_days: Optional[int] = None


@dataclass(frozen=True)
class ApiToken:
    id: str
    name: str
    scopes: List[str]
    created_at: datetime
    expires_at: Optional[datetime]
    last_used_at: Optional[datetime]
    token: Optional[str] = None
    revoked: bool = False


@dataclass(frozen=True)
class Part:
    """One part of the installation on the health page."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Health:
    ok: bool
    parts: List[Part]
