"""Request and response bodies of the REST API, shared by server, agent and CLI.

Times are aware datetimes (ISO 8601 with a zone in JSON), durations are seconds, ids are lower-case UUID strings.
FastAPI validates and documents with these classes; ``__pydantic_config__`` rejects requests with unknown fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

STRICT = {"extra": "forbid"}


@dataclass(frozen=True)
class Problem:
    """An error or lint of a manifest. In ``message``, backticks mark code, as in Markdown."""

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
    at: datetime | None
    message: str


@dataclass(frozen=True)
class JobSummary:
    """A job from the index. ``state`` is the worst monitor state of its endpoints."""

    id: str
    name: str
    namespace: str
    path: str
    schedule: list[str]
    timezone: str | None
    enabled: bool
    paused: bool
    valid: bool
    errors: list[Problem]
    next_run: datetime | None
    state: str
    endpoints: list[str]
    sha: str
    words: str = ""
    changed_by: str = ""
    changed_at: datetime | None = None


@dataclass(frozen=True)
class JobList:
    jobs: list[JobSummary]
    count: int
    source: str
    repository: str


@dataclass(frozen=True)
class JobDetail:
    """A job with its file in Git: ``yaml`` is the file's text, ``sha`` the blob's sha for ``If-Match``."""

    job: JobSummary
    manifest: dict[str, Any] | None
    yaml: str
    valid: bool
    errors: list[Problem]
    lints: list[Problem]
    sha: str
    commit: Commit | None


@dataclass(frozen=True)
class InstanceStatus:
    """A job on one endpoint: the outcome of the agent's latest pass, and the state of its monitor."""

    job_id: str
    job_name: str
    namespace: str
    endpoint_id: str
    endpoint_name: str
    state: str
    outcome: str
    reason: str
    commit: str
    last_run_id: str | None = None
    last_run_status: str | None = None
    last_run_at: datetime | None = None


@dataclass(frozen=True)
class ChangeStatus:
    """A change of the repository: ``pending``, then ``done`` (with its commit) or ``failed`` (with its error).

    ``said`` describes the edit, such as ``schedule 30 1 * * * → 0 2 * * *``. It is empty before the commit, for new
    and deleted jobs, and if a file could not be parsed. ``pushed``: it came with a Git push, not through Crontopus.
    """

    id: str
    state: str
    operation: str
    path: str
    commit: str | None
    error: str | None
    author: str
    created_at: datetime
    applied: int = 0
    expected: int = 0
    said: str = ""
    pushed: bool = False


@dataclass(frozen=True)
class JobSaved:
    job: JobSummary | None
    change: ChangeStatus


@dataclass(frozen=True)
class JobsSaved:
    """Edits of many jobs in one commit; ``commit`` is empty while it is pending, or if nothing had to be changed."""

    commit: str
    changes: list[ChangeStatus]


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
    """The output of a run: its first and last bytes, decoded as UTF-8, and the number of bytes left out between."""

    head: str = ""
    tail: str = ""
    lost_bytes: int = 0


@dataclass(frozen=True)
class Run:
    id: str
    job_id: str
    job_name: str
    namespace: str
    endpoint_id: str | None
    endpoint_name: str
    status: str
    flags: list[str]
    slot: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    received_at: datetime
    duration_s: float | None
    exit_code: int | None
    signal: int | None
    attempt: int
    commit: str


@dataclass(frozen=True)
class RunDetail:
    run: Run
    output: Output
    error: str = ""


@dataclass(frozen=True)
class Evidence:
    """A fact that a verdict rests on. ``at``: when it was so, None if unknown; ``source``: what reported it."""

    at: datetime | None
    fact: str
    source: str


@dataclass(frozen=True)
class Why:
    """Why a job did not run on an endpoint in the slot ``at``.

    ``verdict`` is a stable code, listed in docs/monitoring.md; ``sentence`` says the same in words, ``next`` what to
    do. ``run_id``: the run of the slot, also one that records it as missed; None if there is none.
    """

    verdict: str
    sentence: str
    evidence: list[Evidence]
    next: str
    at: datetime
    endpoint_id: str | None
    endpoint_name: str
    run_id: str | None = None


@dataclass(frozen=True)
class RunList:
    runs: list[Run]
    total: int
    page: int
    page_size: int
    next_cursor: str | None


@dataclass(frozen=True)
class RunAggregate:
    """The runs of one job or endpoint in a period. ``health``: healthy (success rate ≥ 0.95), degraded (≥ 0.70),
    else warning."""

    id: str
    name: str
    total: int
    succeeded: int
    failed: int
    success_rate: float | None
    p50_s: float | None
    p95_s: float | None
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
    labels: dict[str, str]
    capabilities: dict[str, Any]
    status: str
    state: str
    last_seen_at: datetime | None
    head_applied: str
    jobs: int
    created_at: datetime
    message: str = ""


@dataclass(frozen=True)
class EndpointList:
    endpoints: list[Endpoint]
    total: int
    page: int
    page_size: int


@dataclass(frozen=True)
class AgentList:
    """``EndpointList`` under the first Crontopus' name."""

    agents: list[Endpoint]
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
    labels: dict[str, str] = field(default_factory=dict)
    capabilities: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GitAccess:
    """The address of the tenant's repository and a read-only credential. Only the answer to enrolment has ``token``."""

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
    """Answer of ``GET /api/endpoints/me/watch?head=SHA&timeout=S&spool=N&boot_id=ID``.

    The server answers when the tenant's head differs from ``head``, when a user requests a pass (``wake``), or after
    ``timeout`` seconds. ``prune_confirmed``: the head for which a user has confirmed a pass that removes many jobs.
    """

    head: str
    git: GitAccess
    server_time: datetime
    wake: bool = False
    prune_confirmed: str | None = None


@dataclass(frozen=True)
class EntryOutcome:
    """The result of a pass for one job. ``outcome``: Applied, Kept, Waiting, Blocked or Failed.

    ``schedule``: the expressions without ``H``, in ``zone``, that are installed on the host after the pass. Empty: the
    job is not installed, is paused, or sends no check-ins. None: an older agent, which does not report it.
    """

    __pydantic_config__ = STRICT
    job_id: str
    path: str
    outcome: str
    reason: str = ""
    commit: str = ""
    line_hash: str = ""
    schedule: list[str] | None = None
    zone: str = ""


@dataclass(frozen=True)
class CrontabLine:
    """A line of the host's crontab and what it is (``standing``). The agent masks secrets before it sends the line."""

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
    modified_at: datetime | None = None
    logged_in: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PassReport:
    """Body of ``POST /api/endpoints/me/report``, which the agent sends at the end of every pass.

    ``status``: Applied, Kept, Waiting, Blocked or Failed. ``head``: the commit of this pass. ``applied``: the commit
    that the crontab now matches. ``spool``: check-ins that have waited on the host for more than 10 seconds.
    """

    __pydantic_config__ = STRICT
    status: str
    head: str
    applied: str
    started_at: datetime
    duration_s: float
    message: str = ""
    entries: list[EntryOutcome] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)
    crontab: list[CrontabLine] = field(default_factory=list)
    agent_version: str = ""
    timezone: str = ""
    utc_offset: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    capabilities: dict[str, Any] = field(default_factory=dict)
    spool: int = 0
    boot_id: str = ""


@dataclass(frozen=True)
class CheckinOutput:
    __pydantic_config__ = STRICT
    head: str = ""
    tail: str = ""
    lost_bytes: int = 0


@dataclass(frozen=True)
class Checkin:
    """One message about a run. ``kind``: start, success, fail, log, heartbeat or skipped.

    A check-in with an ``id`` that the server has received before changes nothing.
    """

    __pydantic_config__ = STRICT
    id: str
    job_id: str
    run_id: str
    kind: str
    at: datetime
    attempt: int = 1
    slot: datetime | None = None
    started_at: datetime | None = None
    duration_s: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    timed_out: bool = False
    flags: list[str] = field(default_factory=list)
    output: CheckinOutput | None = None
    error: str = ""
    commit: str = ""
    line_hash: str = ""
    boot_id: str = ""
    seq: int = 0


@dataclass(frozen=True)
class PingUrl:
    """The address that reports runs of a job without an agent. Whoever knows it can report runs."""

    url: str


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
    exit_code: int | None = None
    duration: float | None = None
    output: str | None = None
    error_message: str | None = None


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
    timezone: str = ""
    report: str = "off"


@dataclass(frozen=True)
class AccountUpdate:
    """Body of ``PATCH /api/auth/me``. A field left out stays as it is; a new e-mail address needs the password.

    ``report`` is off, daily, weekly or monthly.
    """

    __pydantic_config__ = STRICT
    email: str | None = None
    timezone: str | None = None
    report: str | None = None
    password: str = ""


@dataclass(frozen=True)
class PasswordChange:
    __pydantic_config__ = STRICT
    current: str
    new: str


@dataclass(frozen=True)
class EndedSessions:
    """How many other sessions the request has ended."""

    ended: int


@dataclass(frozen=True)
class SessionInfo:
    """A session of the requesting user. ``client``: the user agent in words. ``current``: the request's own session."""

    id: str
    client: str
    user_agent: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    current: bool


@dataclass(frozen=True)
class AccountDeletion:
    """Body of ``POST /api/auth/delete``: the user name and the password, as a confirmation."""

    __pydantic_config__ = STRICT
    username: str
    password: str


@dataclass(frozen=True)
class Leaving:
    """What the deletion of an account removes. ``endpoints``: hosts whose agents lose access; their crontabs stay."""

    username: str
    repository: str
    jobs: int
    runs: int
    endpoints: list[str]
    tokens: int
    sessions: int


@dataclass(frozen=True)
class EnrollmentTokenRequest:
    __pydantic_config__ = STRICT
    name: str
    expires_in_days: int | None = None
    max_uses: int | None = None


@dataclass(frozen=True)
class EnrollmentToken:
    """An enrolment token. Only the answer to its creation has ``token``."""

    id: str
    name: str
    expires_at: datetime | None
    max_uses: int | None
    uses: int
    created_at: datetime
    token: str | None = None
    revoked: bool = False


@dataclass(frozen=True)
class PingKeyRequest:
    __pydantic_config__ = STRICT
    name: str


@dataclass(frozen=True)
class PingKey:
    """The key of ping URLs with a slug. Only writers of tokens see ``key``."""

    id: str
    name: str
    created_at: datetime
    key: str | None = None
    revoked: bool = False


@dataclass(frozen=True)
class ApiTokenRequest:
    __pydantic_config__ = STRICT
    name: str
    scopes: list[str]
    expires_in_days: int | None = None


@dataclass(frozen=True)
class ApiToken:
    id: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    token: str | None = None
    revoked: bool = False


@dataclass(frozen=True)
class GitCredentialRequest:
    """``access`` is read or write."""

    __pydantic_config__ = STRICT
    name: str
    access: str = "write"


@dataclass(frozen=True)
class GitCredential:
    """A credential for Git: user name ``username``, password ``token`` (only in the answer to its creation).

    ``state``: active, ending (revoked here, not yet confirmed by the Git server) or revoked.
    """

    id: str
    name: str
    access: str
    state: str
    made_by: str
    created_at: datetime
    url: str
    username: str
    token: str | None = None


@dataclass(frozen=True)
class Part:
    """One component of the installation on the health page."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Health:
    ok: bool
    parts: list[Part]
