"""Tenants, users and what they sign in with."""

from datetime import datetime

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from crontopus_app.models.base import Instant, new_id


class Tenant(SQLModel, table=True):
    """Owner of a repository. ``provisioning`` is pending, ready or failed; ``provisioning_step`` says how far it came.

    ``head`` is the branch head that is known, ``indexed_head`` the one that the index shows.
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
    suspended: bool = False
    created_at: datetime = Field(sa_type=Instant)


class User(SQLModel, table=True):
    """A person who can sign in. ``role`` is user or operator."""

    __tablename__ = "user_account"

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    username: str = Field(unique=True)
    email: str
    password_hash: str
    role: str = "user"
    is_active: bool = True
    created_at: datetime = Field(sa_type=Instant)


class LoginSession(SQLModel, table=True):
    """A browser's session or a login of the CLI; revoked by signing out."""

    __tablename__ = "login_session"

    id: str = Field(default_factory=new_id, primary_key=True)
    user_id: str = Field(foreign_key="user_account.id", index=True)
    token_hmac: str = Field(unique=True)
    user_agent: str = ""
    created_at: datetime = Field(sa_type=Instant)
    last_seen_at: datetime = Field(sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant)


class ApiToken(SQLModel, table=True):
    """A ``ctp_…`` token of a user, limited to its scopes."""

    __tablename__ = "api_token"

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


class Audit(SQLModel, table=True):
    """Who did what to what, when."""

    id: str = Field(default_factory=new_id, primary_key=True)
    tenant_id: str = Field(index=True)
    actor: str
    action: str
    subject: str
    detail: str = ""
    at: datetime = Field(sa_type=Instant, index=True)
