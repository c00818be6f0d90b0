"""Personal Git credentials to clone and push, valid for the tenant's repository only.

A credential is a token on the Git server. It belongs to one of two accounts of the tenant, one with read and one with
write permission. The token is shown once and not stored here. The row is inserted before the token is created, so that
the sweep deletes tokens of interrupted requests, which nobody has seen.

While a tenant is suspended, both accounts have no permission for the repository.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, delete, or_, update
from sqlmodel import Session, col, select

from contract import wire
from crontopus_app.base import audit, bounds, clock, idempotency, rates
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import Conflict, CrontopusError, Forbidden, NotAuthenticated, NotFound, Unavailable
from crontopus_app.base.leases import lease
from crontopus_app.base.settings import settings
from crontopus_app.forge import addresses
from crontopus_app.forge.client import Access, Forgejo, ForgeMisconfigured, ForgeUnavailable
from crontopus_app.forge.names import RepositoryName, account_name
from crontopus_app.forge.removal import remove_bot, remove_permission
from crontopus_app.jobs.repository import tenant_of
from crontopus_app.models import GitCredential, Tenant
from crontopus_app.people.tokens import clean_name

log = logging.getLogger(__name__)

# The scope that an API token needs to create a credential with this access.
NEEDS = {"read": "read:jobs", "write": "write:jobs"}
# Each creation costs the Git server several requests.
MAKE = rates.Rate("git-credential", 20, 60)
# Longer than all timeouts of a creation together: older unfinished ones were interrupted.
INTERRUPTED_AFTER = timedelta(minutes=5)


def create(
    actor: Actor, form: wire.GitCredentialRequest, forge: Forgejo, now: datetime, *, key: str = ""
) -> wire.GitCredential:
    """Creates a credential. Only this response shows its token.

    Raises BadInput, Forbidden, NotFound (no repository yet), RateLimited, Conflict for a repeated ``key``, and
    Unavailable if the Git server does not respond; then no credential exists.
    """
    access = _access(actor, form.access)
    name = clean_name(form.name, "A credential")
    rates.spend(MAKE, actor.tenant_id)
    with writing() as session:
        tenant = tenant_of(session, actor)
        claim = idempotency.claim(session, actor, "git_credential", key, form, now)
        if claim.repeated:
            _refuse_repetition(session, claim.subject)
        row = GitCredential(
            tenant_id=tenant.id,
            user_id=actor.user_id,
            made_by=actor.username,
            name=name,
            access=access,
            created_at=now,
        )
        session.add(row)
        claim.complete(row.id)
    try:
        secret = _create_token(forge, tenant, row.id, access)
        _activate(actor, row, now)
    except BaseException:
        _delete_token(forge, row)
        with writing() as session:
            idempotency.release(session, actor, row.id)
        raise
    row.state = "active"
    return _shape(row, tenant, secret)


def _refuse_repetition(session: Session, credential_id: str) -> None:
    """Raises Conflict if the credential exists or is being created: its token cannot be shown again."""
    row = session.get(GitCredential, credential_id)
    if row is not None and row.state == "making":
        raise Conflict("An earlier request is creating this credential. Wait for its response.", code="being_created")
    if row is not None:
        raise Conflict(
            "This credential already exists, and its token was shown when it was created. If the token is lost, revoke "
            "the credential and create a new one.",
            code="already_created",
        )


def _access(actor: Actor, requested: str) -> Access:
    actor.require("write:tokens")
    if requested not in NEEDS:
        raise bounds.bad("access", "access must be read or write.")
    if not actor.may(NEEDS[requested]):
        raise Forbidden("A token cannot create a credential with more access than its own.", code="stronger_token")
    return cast("Access", requested)


def _create_token(forge: Forgejo, tenant: Tenant, row_id: str, access: Access) -> str:
    """Creates the token and returns its secret; creates the account and its permission if they are missing."""
    org, repository = RepositoryName.of(tenant.repository)
    account = _account(tenant.id, access)
    forge.ensure_bot(account)
    forge.ensure_collaborator(org, repository, account, access)
    return forge.create_token(account, _token_name(row_id), org, repository, access).secret


def _activate(actor: Actor, row: GitCredential, now: datetime) -> None:
    """Marks the credential as active. Raises NotAuthenticated if the account was deleted meanwhile."""
    with writing() as session:
        unfinished = col(GitCredential.id) == row.id, col(GitCredential.state) == "making"
        result = session.execute(update(GitCredential).where(*unfinished).values(state="active"))
        if result.rowcount != 1:  # pyright: ignore[reportAttributeAccessIssue] -- an UPDATE's result has it
            raise NotAuthenticated("This account has been deleted.")
        audit.record(session, actor, "git_credential.create", row.name, now, row.access)


def _delete_token(forge: Forgejo, row: GitCredential) -> None:
    """Deletes the token of a failed creation. The row stays, so that the sweep tries again."""
    try:
        forge.delete_token(_account(row.tenant_id, row.access), _token_name(row.id))
    except CrontopusError as error:
        log.warning(
            "Deleting the token of the failed Git credential %s failed, the sweep tries again: %s", row.id, error
        )


def list_all(session: Session, actor: Actor) -> list[wire.GitCredential]:
    """The tenant's credentials, newest first. Raises NotFound before the repository is created."""
    actor.require("read:tokens")
    tenant = tenant_of(session, actor)
    shown = GitCredential.tenant_id == tenant.id, GitCredential.state != "making"
    rows = session.exec(select(GitCredential).where(*shown).order_by(col(GitCredential.created_at).desc()))
    return [_shape(row, tenant) for row in rows]


def revoke(actor: Actor, credential_id: str, forge: Forgejo, now: datetime) -> None:
    """Revokes a credential on the Git server; no error if it is already revoked.

    Raises NotFound, and Unavailable if the Git server does not respond; then the sweep revokes it later.
    """
    actor.require("write:tokens")
    with writing() as session:
        row = session.get(GitCredential, credential_id)
        if row is None or row.tenant_id != actor.tenant_id or row.state == "making":
            raise NotFound(f"No credential {credential_id}.")
        if row.state == "active":
            row.state, row.revoked_at = "ending", now
            session.add(row)
            audit.record(session, actor, "git_credential.revoke", row.name, now)
    if row.state == "revoked":
        return
    try:
        _end(forge, row)
    except ForgeMisconfigured:
        raise
    except ForgeUnavailable as error:
        raise Unavailable(
            "The Git server does not respond. The credential will be revoked as soon as it does.", part=error.part
        ) from error


def _end(forge: Forgejo, row: GitCredential) -> None:
    """Deletes the token on the Git server. Deletes the row of a credential that was never shown."""
    forge.delete_token(_account(row.tenant_id, row.access), _token_name(row.id))
    by_id = col(GitCredential.id) == row.id
    with writing() as session:
        if row.state == "making":
            session.execute(delete(GitCredential).where(by_id, col(GitCredential.state) == "making"))
        else:
            session.execute(update(GitCredential).where(by_id).values(state="revoked"))


def unsettled(session: Session, now: datetime) -> list[str]:
    """Tenants with credentials whose state on the Git server is outdated."""
    query = select(GitCredential.tenant_id).join(Tenant, col(Tenant.id) == col(GitCredential.tenant_id))
    return list(session.exec(query.where(_due(now)).distinct()))


def _due(now: datetime) -> ColumnElement[bool]:
    state = col(GitCredential.state)
    return and_(
        col(Tenant.provisioning) == "ready",
        or_(
            state == "ending",
            and_(state == "making", col(GitCredential.created_at) < now - INTERRUPTED_AFTER),
            and_(state == "active", col(GitCredential.barred) != col(Tenant.suspended)),
        ),
    )


def settle(tenant_id: str, forge: Forgejo, now: datetime) -> None:
    """Brings the tenant's credentials on the Git server up to date. Idempotent. Raises the client's errors."""
    with lease(f"git-access:{tenant_id}", clock.now) as held:
        if held is None:
            return
        with reading() as session:
            tenant = session.get_one(Tenant, tenant_id)
            query = select(GitCredential).join(Tenant, col(Tenant.id) == col(GitCredential.tenant_id))
            due = session.exec(query.where(col(Tenant.id) == tenant_id, _due(now))).all()
        for access in ("read", "write"):
            _set_permission(forge, tenant, access, [row for row in due if row.access == access])
        for row in due:
            if row.state != "active":
                _end(forge, row)


def _set_permission(forge: Forgejo, tenant: Tenant, access: Access, due: Sequence[GitCredential]) -> None:
    """Grants or withdraws the account's repository permission.

    Only marks the rows read before: a credential created meanwhile may have granted the permission again.
    """
    org, repository = RepositoryName.of(tenant.repository)
    active = [row.id for row in due if row.state == "active"]
    if due and tenant.suspended:
        remove_permission(forge, org, repository, _account(tenant.id, access))
    elif active:
        forge.ensure_collaborator(org, repository, _account(tenant.id, access), access)
    with writing() as session:
        by_id: Any = col(GitCredential.id).in_(active)
        session.execute(update(GitCredential).where(by_id).values(barred=tenant.suspended))


def remove_accounts(forge: Forgejo, tenant_id: str) -> None:
    """Deletes the tenant's accounts on the Git server, with their tokens. Idempotent."""
    for access in NEEDS:
        remove_bot(forge, _account(tenant_id, access))


def _account(tenant_id: str, access: str) -> str:
    return account_name("push" if access == "write" else "read", tenant_id)


def _token_name(row_id: str) -> str:
    return f"git-{row_id}"


def _shape(row: GitCredential, tenant: Tenant, token: str | None = None) -> wire.GitCredential:
    return wire.GitCredential(
        id=row.id,
        name=row.name,
        access=row.access,
        state=row.state,
        made_by=row.made_by,
        created_at=row.created_at,
        url=addresses.clone(settings(), tenant.repository),
        username=row.made_by,
        token=token,
    )
