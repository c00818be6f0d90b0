"""Ping keys: the first part of ping URLs with a slug. Sealed, so that they can be shown again."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from contract import wire
from crontopus_app.base import audit, idempotency, security
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import NotFound
from crontopus_app.base.sealing import seal, unseal
from crontopus_app.models import PingKey
from crontopus_app.people.tokens import clean_name


def create(session: Session, actor: Actor, form: wire.PingKeyRequest, now: datetime, *, key: str = "") -> wire.PingKey:
    """Creates a ping key; the same idempotency ``key`` gets the same one again."""
    actor.require("write:tokens")
    claim = idempotency.claim(session, actor, "ping_key", key, form, now)
    token = claim.token("pk")
    if claim.repeated:
        return _shown(session.get_one(PingKey, claim.subject), token)
    row = PingKey(
        tenant_id=actor.tenant_id,
        name=clean_name(form.name, "A ping key"),
        token_hmac=security.token_hmac(token),
        sealed=seal(token),
        created_at=now,
    )
    session.add(row)
    claim.complete(row.id)
    audit.record(session, actor, "ping_key.create", row.name, now)
    return _shown(row, token)


def list_all(session: Session, actor: Actor) -> list[wire.PingKey]:
    """The keys, newest first. Only people who may write tokens see the key itself."""
    actor.require("read:tokens")
    query = select(PingKey).where(PingKey.tenant_id == actor.tenant_id).order_by(col(PingKey.created_at).desc())
    visible = actor.may("write:tokens")
    return [_shown(row, unseal(row.sealed) if visible and not row.revoked_at else None) for row in session.exec(query)]


def revoke(session: Session, actor: Actor, key_id: str, now: datetime) -> None:
    """From the commit on, no ping with the key is written."""
    actor.require("write:tokens")
    row = session.get(PingKey, key_id)
    if row is None or row.tenant_id != actor.tenant_id:
        raise NotFound(f"No ping key {key_id}.")
    row.revoked_at = row.revoked_at or now
    session.add(row)
    audit.record(session, actor, "ping_key.revoke", row.name, now)


def _shown(row: PingKey, key: str | None) -> wire.PingKey:
    return wire.PingKey(row.id, row.name, row.created_at, key, revoked=row.revoked_at is not None)
