"""Enrolment tokens and API tokens. They are shown once and stored as HMACs."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from contract import wire
from crontopus_app.base import audit, idempotency, security
from crontopus_app.base.actor import SCOPES, Actor
from crontopus_app.base.errors import BadInput, Forbidden, NotFound
from crontopus_app.models import ApiToken, EnrollmentToken

MAX_DAYS = 3650
MOST_USES = 1_000_000


def create_enrollment(
    session: Session, actor: Actor, form: wire.EnrollmentTokenRequest, now: datetime, *, key: str = ""
) -> wire.EnrollmentToken:
    """Creates a token for ``crontopus-agent enroll``. Only this response shows it; the same ``key`` gets it again."""
    actor.require("write:tokens")
    if form.max_uses is not None and not 1 <= form.max_uses <= MOST_USES:
        raise _bad("max_uses", f"max_uses must be from 1 to {MOST_USES}. Omit it for no limit.")
    claim = idempotency.claim(session, actor, "enrollment_token", key, form, now)
    token = claim.token("cet")
    if claim.repeated:
        return _enrollment(session.get_one(EnrollmentToken, claim.subject), token)
    row = EnrollmentToken(
        tenant_id=actor.tenant_id,
        name=clean_name(form.name),
        token_hmac=security.token_hmac(token),
        max_uses=form.max_uses,
        created_at=now,
        expires_at=_expiry(form.expires_in_days, now),
    )
    session.add(row)
    claim.complete(row.id)
    audit.record(session, actor, "enrollment_token.create", row.name, now)
    return _enrollment(row, token)


def list_enrollment(session: Session, actor: Actor) -> list[wire.EnrollmentToken]:
    actor.require("read:tokens")
    of_tenant = EnrollmentToken.tenant_id == actor.tenant_id
    rows = session.exec(select(EnrollmentToken).where(of_tenant).order_by(col(EnrollmentToken.created_at).desc()))
    return [_enrollment(row) for row in rows]


def revoke_enrollment(session: Session, actor: Actor, token_id: str, now: datetime) -> None:
    actor.require("write:tokens")
    row = session.get(EnrollmentToken, token_id)
    if row is None or row.tenant_id != actor.tenant_id:
        raise NotFound(f"No enrolment token {token_id}.")
    row.revoked_at = row.revoked_at or now
    session.add(row)
    audit.record(session, actor, "enrollment_token.revoke", row.name, now)


def create_api(
    session: Session, actor: Actor, form: wire.ApiTokenRequest, now: datetime, *, key: str = ""
) -> wire.ApiToken:
    """Creates an API token with the requested scopes; the same ``key`` gets the same token again.

    Raises Forbidden if the scopes exceed those of the actor.
    """
    actor.require("write:tokens")
    unknown = [scope for scope in form.scopes if scope not in SCOPES]
    if unknown or not form.scopes:
        raise _bad("scopes", f"Choose one or more of {', '.join(sorted(SCOPES))}.")
    if not all(actor.may(scope) for scope in form.scopes):
        raise Forbidden("A token cannot create a token with more scopes than its own.", code="stronger_token")
    claim = idempotency.claim(session, actor, "api_token", key, form, now)
    token = claim.token("ctp")
    if claim.repeated:
        return _api(session.get_one(ApiToken, claim.subject), token)
    row = ApiToken(
        tenant_id=actor.tenant_id,
        user_id=actor.user_id,
        name=clean_name(form.name),
        token_hmac=security.token_hmac(token),
        scopes=sorted(set(form.scopes)),
        created_at=now,
        expires_at=_expiry(form.expires_in_days, now),
    )
    session.add(row)
    claim.complete(row.id)
    audit.record(session, actor, "api_token.create", row.name, now, " ".join(row.scopes))
    return _api(row, token)


def list_api(session: Session, actor: Actor) -> list[wire.ApiToken]:
    actor.require("read:tokens")
    of_tenant = ApiToken.tenant_id == actor.tenant_id
    rows = session.exec(select(ApiToken).where(of_tenant).order_by(col(ApiToken.created_at).desc()))
    return [_api(row) for row in rows]


def revoke_api(session: Session, actor: Actor, token_id: str, now: datetime) -> None:
    actor.require("write:tokens")
    row = session.get(ApiToken, token_id)
    if row is None or row.tenant_id != actor.tenant_id:
        raise NotFound(f"No token {token_id}.")
    row.revoked_at = row.revoked_at or now
    session.add(row)
    audit.record(session, actor, "api_token.revoke", row.name, now)


def clean_name(name: str, kind: str = "A token") -> str:
    """The name without surrounding blanks; raises BadInput for the field."""
    name = name.strip()
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise _bad("name", f"{kind} needs a name of 1 to 100 printable characters.")
    return name


def _expiry(days: int | None, now: datetime) -> datetime | None:
    if days is None:
        return None
    if not 1 <= days <= MAX_DAYS:
        raise _bad("expires_in_days", f"expires_in_days must be from 1 to {MAX_DAYS}. Omit it for no expiry.")
    return now + timedelta(days=days)


def _bad(field: str, message: str) -> BadInput:
    return BadInput(message, problems=[wire.Problem(code="bad_value", message=message, field=field)])


def _enrollment(row: EnrollmentToken, token: str | None = None) -> wire.EnrollmentToken:
    return wire.EnrollmentToken(
        id=row.id,
        name=row.name,
        expires_at=row.expires_at,
        max_uses=row.max_uses,
        uses=row.uses,
        created_at=row.created_at,
        token=token,
        revoked=row.revoked_at is not None,
    )


def _api(row: ApiToken, token: str | None = None) -> wire.ApiToken:
    return wire.ApiToken(
        id=row.id,
        name=row.name,
        scopes=list(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        token=token,
        revoked=row.revoked_at is not None,
    )
