"""Enrols machines as endpoints, with an enrolment token."""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace
from datetime import datetime

from sqlalchemy import update
from sqlmodel import Session, col, select

from contract import wire
from crontopus_app.base import bounds, security
from crontopus_app.base.db import after_commit, reading, writing
from crontopus_app.base.errors import Conflict, CrontopusError, NotAuthenticated
from crontopus_app.base.live import Event, publish
from crontopus_app.forge.client import Forgejo
from crontopus_app.forge.names import RepositoryName, bot_name
from crontopus_app.hosts.agent_api import ONE_DAY_S, describe, git_access
from crontopus_app.jobs.index import lock_tenant, sync_monitors
from crontopus_app.models import Endpoint, EnrollmentToken, Tenant

log = logging.getLogger(__name__)

NAME_LENGTH = 63


def enroll(token: str, form: wire.EnrollRequest, forge: Forgejo, now: datetime) -> wire.Enrolled:
    """Creates an endpoint for the machine in the token's tenant. A machine that is enrolled already gets new tokens.

    The Git token is created first, so that an unavailable forge does not use up the enrolment token. Raises
    NotAuthenticated, Conflict, Unavailable.
    """
    _check_form(form)
    with reading() as session:
        tenant = _tenant_of(session, token, now)
    org, repository = RepositoryName.of(tenant.repository)
    git_token_name = f"endpoint-{secrets.token_hex(8)}"
    access = forge.create_token(bot_name(tenant.id), git_token_name, org, repository)
    try:
        with writing() as session:
            # One enrolment per tenant at a time, so that neither a name nor a machine gets two rows.
            lock_tenant(session, tenant.id)
            _use(session, token)
            endpoint, secret, replaced = _write_endpoint(session, tenant.id, form, git_token_name, now)
            sync_monitors(session, tenant.id, now, hosts=[endpoint.id])
            events = Event(tenant.id, "endpoint", endpoint.id), Event(tenant.id, "tenant", tenant.id)
            after_commit(session, publish, *events)
            if replaced:
                after_commit(session, drop_git_token, forge, tenant.id, replaced)
    except BaseException:
        drop_git_token(forge, tenant.id, git_token_name)
        raise
    return wire.Enrolled(
        endpoint_id=endpoint.id,
        agent_id=endpoint.id,
        token=secret,
        tenant_id=tenant.id,
        git=replace(git_access(tenant), token=access.secret),
    )


def _check_form(form: wire.EnrollRequest) -> None:
    for name, value in (("machine_id", form.machine_id), ("hostname", form.hostname)):
        if not value.strip() or len(value) > 255 or not value.isprintable():
            message = f"{name} must be 1 to 255 printable characters."
            raise bounds.bad(name, message)
    if len(form.name) > NAME_LENGTH or not form.name.isprintable():
        raise bounds.bad("name", f"name must be at most {NAME_LENGTH} printable characters.")
    bounds.whole("utc_offset", form.utc_offset, most=ONE_DAY_S, least=-ONE_DAY_S)
    bounds.mapping("labels", form.labels)
    bounds.mapping("capabilities", form.capabilities)


def _tenant_of(session: Session, token: str, now: datetime) -> Tenant:
    row = session.exec(select(EnrollmentToken).where(EnrollmentToken.token_hmac == security.token_hmac(token))).first()
    if row is None or row.revoked_at or (row.expires_at and row.expires_at <= now) or _used_up(row):
        raise NotAuthenticated(
            "This enrolment token is unknown, expired, revoked or used up. Create a new one in the console.",
            code="bad_token",
        )
    tenant = session.get(Tenant, row.tenant_id)
    if tenant is None or tenant.suspended:
        raise NotAuthenticated("This account is suspended. Contact the operator of this server.", code="suspended")
    if tenant.provisioning != "ready":
        raise Conflict("The repository is still being created. Try again in a minute.", code="not_provisioned")
    return tenant


def _used_up(row: EnrollmentToken) -> bool:
    return row.max_uses is not None and row.uses >= row.max_uses


def _use(session: Session, token: str) -> None:
    """Counts one use atomically, so that concurrent hosts cannot exceed the limit."""
    free = col(EnrollmentToken.max_uses).is_(None) | (col(EnrollmentToken.uses) < col(EnrollmentToken.max_uses))
    by_token = col(EnrollmentToken.token_hmac) == security.token_hmac(token)
    not_revoked = col(EnrollmentToken.revoked_at).is_(None)
    counted = update(EnrollmentToken).where(by_token, free, not_revoked).values(uses=EnrollmentToken.uses + 1)
    if session.execute(counted).rowcount != 1:  # pyright: ignore[reportAttributeAccessIssue] -- an UPDATE's result has it
        raise NotAuthenticated(
            "This enrolment token has just been used up. Create a new one in the console.", code="bad_token"
        )


def _write_endpoint(
    session: Session, tenant_id: str, form: wire.EnrollRequest, git_token_name: str, now: datetime
) -> tuple[Endpoint, str, str]:
    """The endpoint, its new token, and the name of the replaced Git token."""
    existing = session.exec(
        select(Endpoint).where(Endpoint.tenant_id == tenant_id, Endpoint.machine_id == form.machine_id)
    ).first()
    secret = security.new_token("ep")
    endpoint = existing or Endpoint(
        tenant_id=tenant_id,
        machine_id=form.machine_id,
        name=_free_name(session, tenant_id, form.name.strip() or form.hostname.strip()),
        hostname=form.hostname,
        token_hmac="",
        created_at=now,
    )
    replaced, endpoint.git_token_name = endpoint.git_token_name, git_token_name
    endpoint.hostname = form.hostname
    describe(endpoint, form)
    endpoint.labels, endpoint.capabilities = dict(form.labels), dict(form.capabilities)
    endpoint.token_hmac, endpoint.status, endpoint.last_seen_at = security.token_hmac(secret), "active", now
    session.add(endpoint)
    session.flush()
    return endpoint, secret, replaced


def _free_name(session: Session, tenant_id: str, requested: str) -> str:
    """The name, with the first free number if it is taken: manifests address endpoints by name."""
    taken = set(session.exec(select(Endpoint.name).where(Endpoint.tenant_id == tenant_id)))
    base = requested.split(".")[0][:NAME_LENGTH] or "endpoint"
    return next(name for name in (base, *(f"{base}-{n}" for n in range(2, len(taken) + 3))) if name not in taken)


def drop_git_token(forge: Forgejo, tenant_id: str, name: str) -> None:
    """Deletes a Git token. Only logs a failure: the token can only read this tenant's repository."""
    try:
        forge.delete_token(bot_name(tenant_id), name)
    except CrontopusError as error:
        log.warning("Deleting the Git token %s of tenant %s failed: %s", name, tenant_id, error)
