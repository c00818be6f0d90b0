"""Personal Git credentials: what a user clones and pushes with, for their tenant's repository and no other.

A credential is a token on the Git server, of one of two accounts of the tenant: one that may read the repository and
one that may write it. The token is shown once and kept nowhere here. The row comes before the token and says how far
it is, so that whatever is cut off on the way is ended by the sweep; nobody has seen such a token.

While a tenant is suspended both accounts have no right to the repository; it is given back afterwards.
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

# What a token of an API must be allowed itself to make a credential of this access.
NEEDS = {"read": "read:jobs", "write": "write:jobs"}
# Each costs the Git server some requests.
MAKE = rates.Rate("git-credential", 20, 60)
# Longer than the Git server is ever waited for while one is made.
GIVEN_UP = timedelta(minutes=5)


def create(
    actor: Actor, form: wire.GitCredentialRequest, forge: Forgejo, now: datetime, *, key: str = ""
) -> wire.GitCredential:
    """A credential; the answer is the only place that shows its token.

    Raises BadInput, Forbidden, NotFound (no repository yet), RateLimited, Conflict for a ``key`` that made one already,
    and Unavailable where the Git server does not answer: then there is none.
    """
    access = _access(actor, form.access)
    name = clean_name(form.name, "A credential")
    rates.spend(MAKE, actor.tenant_id)
    with writing() as session:
        tenant = tenant_of(session, actor)
        claim = idempotency.claim(session, actor, "git_credential", key, form, now)
        if claim.repeated:
            _check_unmade(session, claim.subject)
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
        secret = _make(forge, tenant, row.id, access)
        _confirm(actor, row, now)
    except BaseException:
        _take_back(forge, row)
        with writing() as session:
            idempotency.release(session, actor, row.id)
        raise
    row.state = "active"
    return _shape(row, tenant, secret)


def _check_unmade(session: Session, credential_id: str) -> None:
    """Raises Conflict where the credential was made, or is being made: nobody but the Git server has its token."""
    row = session.get(GitCredential, credential_id)
    if row is not None and row.state == "making":
        raise Conflict("This credential is being created by an earlier request.", code="being_created")
    if row is not None:
        raise Conflict(
            "This credential has been created already and its token was shown then. If the token is lost, revoke the "
            "credential and create another.",
            code="already_created",
        )


def _access(actor: Actor, wanted: str) -> Access:
    actor.require("write:tokens")
    if wanted not in NEEDS:
        raise bounds.bad("access", "access is read or write.")
    if not actor.may(NEEDS[wanted]):
        raise Forbidden("A token cannot create a stronger one.", code="stronger_token")
    return cast("Access", wanted)


def _make(forge: Forgejo, tenant: Tenant, row_id: str, access: Access) -> str:
    """The token's secret; account and right are made where they are missing."""
    org, repository = RepositoryName.of(tenant.repository)
    account = _account(tenant.id, access)
    forge.ensure_bot(account)
    forge.ensure_collaborator(org, repository, account, access)
    return forge.create_token(account, _token_name(row_id), org, repository, access).secret


def _confirm(actor: Actor, row: GitCredential, now: datetime) -> None:
    """From here on it is there. Raises NotAuthenticated where the account was deleted meanwhile."""
    with writing() as session:
        mine = col(GitCredential.id) == row.id, col(GitCredential.state) == "making"
        done = session.execute(update(GitCredential).where(*mine).values(state="active"))
        if done.rowcount != 1:  # pyright: ignore[reportAttributeAccessIssue] -- an UPDATE's result has it
            raise NotAuthenticated("This account was deleted meanwhile.")
        audit.record(session, actor, "git_credential.create", row.name, now, row.access)


def _take_back(forge: Forgejo, row: GitCredential) -> None:
    """Ends the token of what failed on the way; the row stays for the sweep, which looks once more."""
    try:
        forge.delete_token(_account(row.tenant_id, row.access), _token_name(row.id))
    except CrontopusError as error:
        log.warning("the Git credential %s was not made and is ended later: %s", row.id, error)


def list_all(session: Session, actor: Actor) -> list[wire.GitCredential]:
    """The tenant's credentials, newest first. Raises NotFound where there is no repository yet."""
    actor.require("read:tokens")
    tenant = tenant_of(session, actor)
    mine = GitCredential.tenant_id == tenant.id, GitCredential.state != "making"
    rows = session.exec(select(GitCredential).where(*mine).order_by(col(GitCredential.created_at).desc()))
    return [_shape(row, tenant) for row in rows]


def revoke(actor: Actor, credential_id: str, forge: Forgejo, now: datetime) -> None:
    """Ends a credential on the Git server; one that ended already is no error.

    Raises NotFound; Unavailable where the Git server does not answer: the sweep then ends the credential as soon as
    it is back.
    """
    actor.require("write:tokens")
    with writing() as session:
        row = session.get(GitCredential, credential_id)
        if row is None or row.tenant_id != actor.tenant_id or row.state == "making":
            raise NotFound("There is no such credential.")
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
            "The Git server does not answer: the credential ends as soon as it does.", part=error.part
        ) from error


def _end(forge: Forgejo, row: GitCredential) -> None:
    """The Git server refuses it from here on; what was never shown to anybody leaves no row."""
    forge.delete_token(_account(row.tenant_id, row.access), _token_name(row.id))
    mine = col(GitCredential.id) == row.id
    with writing() as session:
        if row.state == "making":
            session.execute(delete(GitCredential).where(mine, col(GitCredential.state) == "making"))
        else:
            session.execute(update(GitCredential).where(mine).values(state="revoked"))


def unsettled(session: Session, now: datetime) -> list[str]:
    """Tenants of whose credentials the Git server has yet to be told something."""
    query = select(GitCredential.tenant_id).join(Tenant, col(Tenant.id) == col(GitCredential.tenant_id))
    return list(session.exec(query.where(_due(now)).distinct()))


def _due(now: datetime) -> ColumnElement[bool]:
    state = col(GitCredential.state)
    return and_(
        col(Tenant.provisioning) == "ready",
        or_(
            state == "ending",
            and_(state == "making", col(GitCredential.created_at) < now - GIVEN_UP),
            and_(state == "active", col(GitCredential.barred) != col(Tenant.suspended)),
        ),
    )


def settle(tenant_id: str, forge: Forgejo, now: datetime) -> None:
    """Tells the Git server what it was not told yet; may be repeated. Raises what the client raises."""
    with lease(f"git-access:{tenant_id}", clock.now) as held:
        if held is None:
            return
        with reading() as session:
            tenant = session.get_one(Tenant, tenant_id)
            query = select(GitCredential).join(Tenant, col(Tenant.id) == col(GitCredential.tenant_id))
            due = session.exec(query.where(col(Tenant.id) == tenant_id, _due(now))).all()
        for access in ("read", "write"):
            _set_right(forge, tenant, access, [row for row in due if row.access == access])
        for row in due:
            if row.state != "active":
                _end(forge, row)


def _set_right(forge: Forgejo, tenant: Tenant, access: Access, due: Sequence[GitCredential]) -> None:
    """Takes the account its right, or gives it back. Only rows that were read before it are marked: one that came
    meanwhile may have given the right anew, and is looked at next time."""
    org, repository = RepositoryName.of(tenant.repository)
    active = [row.id for row in due if row.state == "active"]
    if due and tenant.suspended:
        remove_permission(forge, org, repository, _account(tenant.id, access))
    elif active:
        forge.ensure_collaborator(org, repository, _account(tenant.id, access), access)
    with writing() as session:
        mine: Any = col(GitCredential.id).in_(active)
        session.execute(update(GitCredential).where(mine).values(barred=tenant.suspended))


def remove_accounts(forge: Forgejo, tenant_id: str) -> None:
    """Deletes the tenant's accounts on the Git server with all their tokens; may be repeated."""
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
