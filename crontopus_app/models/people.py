"""Tenants, users and what they sign in with."""

from datetime import datetime

from sqlalchemy import JSON, Column, LargeBinary
from sqlmodel import Field

from crontopus_app.models.base import Instant, Row, new_id


class Tenant(Row, table=True):
    """Owner of a repository. ``provisioning`` is pending, ready or failed; ``provisioning_step`` says how far it came.

    From ``deleted_at`` on it is deleting, in the end deleted: then only this row is left, and the name stays taken.

    ``head`` is the branch head that is known, ``indexed_head`` the one that the index shows; ``namespaces`` are its
    top folders, with or without jobs. ``policy`` is the last good ``crontopus.yaml``,
    ``policy_sha`` the blob that was looked at last. ``history`` is how far the search for each file's commit has come.
    After ``failures`` in a row on the Git server the repository is tried again at ``retry_at``.
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


class User(Row, table=True):
    """A person who can sign in. ``role`` is user or operator; ``timezone`` shows times, empty: the browser's.

    ``email_key`` is the address in one spelling, which no two accounts share; those that did before keep it empty.
    """

    # `user` is a word of SQL: it would need quotes wherever somebody types a query.
    __tablename__ = "user_account"  # pyright: ignore[reportAssignmentType] -- SQLModel types it for mixins

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    username: str = Field(unique=True)
    email: str
    email_key: str | None = Field(default=None, unique=True)
    timezone: str = Field(default="", sa_column_kwargs={"server_default": ""})
    password_hash: str
    role: str = "user"
    is_active: bool = True
    created_at: datetime = Field(sa_type=Instant)


class LoginSession(Row, table=True):
    """A browser's session or a login of the CLI; revoked by signing out."""

    id: str = Field(default_factory=new_id, primary_key=True)
    user_id: str = Field(foreign_key="user_account.id", index=True)
    token_hmac: str = Field(unique=True)
    user_agent: str = ""
    address: str = Field(default="", sa_column_kwargs={"server_default": ""})
    created_at: datetime = Field(sa_type=Instant)
    last_seen_at: datetime = Field(sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant)


class ApiToken(Row, table=True):
    """A ``ctp_…`` token of a user, limited to its scopes."""

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


class GitCredential(Row, table=True):
    """What a user clones and pushes with: a token on the Git server, kept there only. ``access`` is read or write.

    ``state`` is making (nobody was shown it yet), active, ending (until the Git server did it) or revoked. ``barred``:
    its account has been taken its right to the repository, as while the tenant is suspended.
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


class Creation(Row, table=True):
    """What a request with an Idempotency-Key created: ``subject`` is its id. See ``base/idempotency.py``."""

    key_hmac: str = Field(primary_key=True)
    tenant_id: str = Field(index=True)
    owner: str = Field(index=True)
    request: str
    salt: str
    subject: str = ""
    created_at: datetime = Field(sa_type=Instant)


class Audit(Row, table=True):
    """Who did what to what, when."""

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(index=True)
    actor: str
    action: str
    subject: str
    detail: str = ""
    at: datetime = Field(sa_type=Instant, index=True)
