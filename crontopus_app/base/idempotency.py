"""Creates that may be sent twice: the second request with the same key gets what the first one made.

A key belongs to its sender, for one operation with one content, for 24 hours. It is claimed in the transaction that
creates: of two at once the second waits for the first, and a create that fails leaves its key free.

A secret that is shown once is not stored. It is derived from the server's secret key, a random salt in the row, and the
key itself, of which the row has a hash only: whoever sends the key again is shown the secret again, nobody else can be.
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
    """``repeated``: an earlier request with this key made ``subject``."""

    row: Creation | None
    secret: str
    repeated: bool

    @property
    def subject(self) -> str:
        return self.row.subject if self.row else ""

    def made(self, subject: str) -> None:
        """Says what was made, for requests that come again."""
        if self.row:
            self.row.subject = subject

    def token(self, prefix: str) -> str:
        """A new token; for a repeated request the one that was given before."""
        return f"{prefix}_{self.secret}"


def claim(session: Session, actor: Actor, operation: str, key: str, content: object, now: datetime) -> Claim:
    """The claim on a key; without a key each request is new. Raises BadInput for a key that was used otherwise."""
    return claim_for(session, actor.tenant_id, actor.user_id, operation, key, content, now)


def claim_for(
    session: Session, tenant_id: str, owner: str, operation: str, key: str, content: object, now: datetime
) -> Claim:
    """As ``claim``, for somebody who has no account yet."""
    if not key:
        return Claim(None, secrets.token_urlsafe(32), False)
    _check(key)
    mine = col(Creation.owner) == owner
    session.execute(delete(Creation).where(mine, col(Creation.created_at) <= now - LIFE))
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
    """Frees the key of what could not be made after all."""
    session.execute(delete(Creation).where(col(Creation.owner) == actor.user_id, col(Creation.subject) == subject))


def _repeated(row: Creation, request: str, key: str) -> Claim:
    if row.request != request:
        raise BadInput(
            "This Idempotency-Key was used for another request: send a new key.", code="idempotency_key_reused"
        )
    return Claim(row, _secret(row, key), True)


def _secret(row: Creation, key: str) -> str:
    return security.derived_secret(f"{row.salt}\n{row.owner}\n{key}")


def _check(key: str) -> None:
    if len(key) > LONGEST or not key.isascii() or not key.isprintable():
        raise BadInput(f"An Idempotency-Key has at most {LONGEST} printable ASCII characters.")


def _text(content: object) -> str:
    """The same text for the same content."""
    if isinstance(content, bytes):
        return content.hex()
    plain: Any = asdict(content) if is_dataclass(content) and not isinstance(content, type) else content
    return json.dumps(plain, sort_keys=True, default=str)
