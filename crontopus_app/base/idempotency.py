"""Idempotency keys: a repeated create with the same key returns the object that the first request created.

A key is valid for one sender, one operation and one content, for 24 hours. It is claimed in the transaction that
creates the object: a concurrent request with the same key waits, and a failed create leaves the key free.

Secrets shown once are not stored. They are derived from the server's secret key, a random salt in the row and the
key itself, of which the row holds only a hash. So only a sender of the same key can be shown the secret again.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from crontopus_app.base import security
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import BadInput
from crontopus_app.models import Creation

LIFE = timedelta(hours=24)
LONGEST = 255


@dataclass
class Claim:
    """``repeated`` means that an earlier request with this key created ``subject``."""

    row: Creation | None
    secret: str
    repeated: bool

    @property
    def subject(self) -> str:
        return self.row.subject if self.row else ""

    def complete(self, subject: str) -> None:
        """Stores the id of the created object for repeated requests."""
        if self.row:
            self.row.subject = subject

    def token(self, prefix: str) -> str:
        """A new token; for a repeated request, the token of the first one."""
        return f"{prefix}_{self.secret}"


def claim(session: Session, actor: Actor, operation: str, key: str, content: object, now: datetime) -> Claim:
    """Claims a key; without a key each request is new. Raises BadInput for a key of a different request."""
    return claim_for(session, actor.tenant_id, actor.user_id, operation, key, content, now)


def claim_for(
    session: Session, tenant_id: str, owner: str, operation: str, key: str, content: object, now: datetime
) -> Claim:
    """As ``claim``, for a sender without an account."""
    if not key:
        return Claim(None, secrets.token_urlsafe(32), False)
    _check(key)
    expired = col(Creation.created_at) <= now - LIFE
    session.execute(delete(Creation).where(col(Creation.owner) == owner, expired))
    row = Creation(
        key_hmac=security.token_hmac(f"{owner}\n{key}"),
        tenant_id=tenant_id,
        owner=owner,
        request=security.token_hmac(f"{operation}\n{_text(content)}"),
        salt=secrets.token_hex(32),
        created_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return _repeated(session.get_one(Creation, row.key_hmac), row.request, key)
    return Claim(row, _secret(row, key), False)


def release(session: Session, actor: Actor, subject: str) -> None:
    """Frees the key of an object whose creation failed later."""
    session.execute(delete(Creation).where(col(Creation.owner) == actor.user_id, col(Creation.subject) == subject))


def _repeated(row: Creation, request: str, key: str) -> Claim:
    if row.request != request:
        raise BadInput(
            "This Idempotency-Key was already used for a different request. Send a new key.",
            code="idempotency_key_reused",
        )
    return Claim(row, _secret(row, key), True)


def _secret(row: Creation, key: str) -> str:
    return security.derived_secret(f"{row.salt}\n{row.owner}\n{key}")


def _check(key: str) -> None:
    if len(key) > LONGEST or not key.isascii() or not key.isprintable():
        raise BadInput(f"The Idempotency-Key must be at most {LONGEST} printable ASCII characters.")


def _text(content: object) -> str:
    """A canonical text of the content, to compare two requests."""
    if isinstance(content, bytes):
        return content.hex()
    plain: Any = asdict(content) if is_dataclass(content) and not isinstance(content, type) else content
    return json.dumps(plain, sort_keys=True, default=str)
