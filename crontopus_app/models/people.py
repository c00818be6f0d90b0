"""Tables of tenants, users, sessions, tokens, credentials, and the audit log."""

from datetime import datetime

from sqlalchemy import JSON, Column, LargeBinary
from sqlmodel import Field

from crontopus_app.models.base import Instant, TableModel, new_id


class Tenant(TableModel, table=True):
    """The owner of a repository. ``provisioning`` is pending, ready or failed, ``provisioning_step`` the last step.

    After ``deleted_at`` it is deleting, then deleted: only this row remains, and the name stays taken.

    ``head`` is the last branch head seen, ``indexed_head`` the one in the index, ``monitored_head`` the one that all
    monitors follow. ``namespaces`` are its top folders, with or without jobs. ``policy`` is the last valid
    ``crontopus.yaml``, ``policy_sha`` the last blob read.
    ``history`` is the progress of the search for each file's last commit.
    After ``failures`` consecutive errors of the Git server, the repository is tried again at ``retry_at``.
    """

    id: str = Field(primary_key=True, max_length=77)
    repository: str
    branch: str = "main"
    provisioning: str = "pending"
    provisioning_step: str = ""
    provisioning_error: str = ""
    webhook_secret: str
    head: str = ""
    indexed_head: str = ""
    monitored_head: str = Field(default="", sa_column_kwargs={"server_default": ""})
    indexed_at: datetime | None = Field(default=None, sa_type=Instant)
    index_error: str = ""
    policy_sha: str = ""
    policy: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False, server_default=""))
    history: str = Field(default="", sa_column_kwargs={"server_default": ""})
    namespaces: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False, server_default="[]"))
    suspended: bool = False
    failures: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    retry_at: datetime | None = Field(default=None, sa_type=Instant)
    created_at: datetime = Field(sa_type=Instant)
    deleted_at: datetime | None = Field(default=None, sa_type=Instant)


class User(TableModel, table=True):
    """A person who can sign in. ``role`` is user or operator. An empty ``timezone`` means the browser's.

    ``report`` says how often they get a report by mail: off, daily, weekly or monthly.

    ``email_key`` is the normalised address, unique among accounts. It is NULL for older accounts that share an address.
    """

    # `user` is a reserved word in SQL and would need quotes in every query.
    __tablename__ = "user_account"  # pyright: ignore[reportAssignmentType] -- SQLModel types it for mixins

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    username: str = Field(unique=True)
    email: str
    email_key: str | None = Field(default=None, unique=True)
    timezone: str = Field(default="", sa_column_kwargs={"server_default": ""})
    report: str = Field(default="off", sa_column_kwargs={"server_default": "off"})
    password_hash: str
    role: str = "user"
    is_active: bool = True
    created_at: datetime = Field(sa_type=Instant)


class LoginSession(TableModel, table=True):
    """A session of a browser or the CLI. Signing out deletes it."""

    id: str = Field(default_factory=new_id, primary_key=True)
    user_id: str = Field(foreign_key="user_account.id", index=True)
    token_hmac: str = Field(unique=True)
    user_agent: str = ""
    address: str = Field(default="", sa_column_kwargs={"server_default": ""})
    created_at: datetime = Field(sa_type=Instant)
    last_seen_at: datetime = Field(sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant)


class ApiToken(TableModel, table=True):
    """A user's ``ctp_…`` token, limited to its scopes."""

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    user_id: str = Field(foreign_key="user_account.id")
    name: str
    token_hmac: str = Field(unique=True)
    scopes: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_type=Instant)
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    last_used_at: datetime | None = Field(default=None, sa_type=Instant)
    revoked_at: datetime | None = Field(default=None, sa_type=Instant)


class PingKey(TableModel, table=True):
    """A ``pk_…`` key: ping URLs with it and a job's name report runs. ``sealed`` is the key, to be shown again."""

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    name: str
    token_hmac: str = Field(unique=True)
    sealed: str
    created_at: datetime = Field(sa_type=Instant)
    revoked_at: datetime | None = Field(default=None, sa_type=Instant)


class GitCredential(TableModel, table=True):
    """A user's credential to clone and push: a token that only the Git server stores. ``access`` is read or write.

    ``state`` is making (not shown to the user yet), active, ending (until the Git server has deleted it) or revoked.
    ``barred`` means that its account has no permission for the repository now, as while the tenant is suspended.
    """

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    user_id: str
    made_by: str
    name: str
    access: str
    state: str = Field(default="making", index=True)
    barred: bool = False
    created_at: datetime = Field(sa_type=Instant)
    revoked_at: datetime | None = Field(default=None, sa_type=Instant)


class Creation(TableModel, table=True):
    """A request with an Idempotency-Key. ``subject`` is the id of the created object. See ``base/idempotency.py``."""

    key_hmac: str = Field(primary_key=True)
    tenant_id: str = Field(index=True)
    owner: str = Field(index=True)
    request: str
    salt: str
    subject: str = ""
    created_at: datetime = Field(sa_type=Instant)


class Audit(TableModel, table=True):
    """One entry of the audit log: ``actor`` did ``action`` to ``subject``."""

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(index=True)
    actor: str
    action: str
    subject: str
    detail: str = ""
    at: datetime = Field(sa_type=Instant, index=True)
