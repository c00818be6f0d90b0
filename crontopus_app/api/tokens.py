"""REST: enrolment tokens, ping keys and API tokens."""

from __future__ import annotations

from fastapi import APIRouter

from contract import wire
from crontopus_app.api.deps import CurrentActor, Now
from crontopus_app.api.idempotency import IdempotencyKey
from crontopus_app.base.db import reading, writing
from crontopus_app.people import ping_keys, tokens

router = APIRouter(tags=["tokens"])


@router.get("/enrollment-tokens")
def list_enrollment(actor: CurrentActor) -> list[wire.EnrollmentToken]:
    with reading() as session:
        return tokens.list_enrollment(session, actor)


@router.post("/enrollment-tokens", status_code=201)
def create_enrollment(
    form: wire.EnrollmentTokenRequest, actor: CurrentActor, now: Now, key: IdempotencyKey = ""
) -> wire.EnrollmentToken:
    with writing() as session:
        return tokens.create_enrollment(session, actor, form, now, key=key)


@router.delete("/enrollment-tokens/{token_id}", status_code=204)
def revoke_enrollment(token_id: str, actor: CurrentActor, now: Now) -> None:
    with writing() as session:
        tokens.revoke_enrollment(session, actor, token_id, now)


@router.get("/ping-keys")
def list_ping_keys(actor: CurrentActor) -> list[wire.PingKey]:
    """Only writers of tokens see the keys themselves."""
    with reading() as session:
        return ping_keys.list_all(session, actor)


@router.post("/ping-keys", status_code=201)
def create_ping_key(form: wire.PingKeyRequest, actor: CurrentActor, now: Now, key: IdempotencyKey = "") -> wire.PingKey:
    with writing() as session:
        return ping_keys.create(session, actor, form, now, key=key)


@router.delete("/ping-keys/{key_id}", status_code=204)
def revoke_ping_key(key_id: str, actor: CurrentActor, now: Now) -> None:
    with writing() as session:
        ping_keys.revoke(session, actor, key_id, now)


@router.get("/tokens")
def list_api(actor: CurrentActor) -> list[wire.ApiToken]:
    with reading() as session:
        return tokens.list_api(session, actor)


@router.post("/tokens", status_code=201)
def create_api(form: wire.ApiTokenRequest, actor: CurrentActor, now: Now, key: IdempotencyKey = "") -> wire.ApiToken:
    with writing() as session:
        return tokens.create_api(session, actor, form, now, key=key)


@router.delete("/tokens/{token_id}", status_code=204)
def revoke_api(token_id: str, actor: CurrentActor, now: Now) -> None:
    with writing() as session:
        tokens.revoke_api(session, actor, token_id, now)
