"""Deleting an account: first nobody can act for it any more, then a worker removes what it had.

1. ``leave``: in one transaction the user, their sessions and tokens are gone, the endpoints' tokens are dead and the
   tenant is marked. Agents are refused with 401 from then on: they stop asking and leave every line where it is.
2. ``finish``: rows in small batches, then the repository and the accounts on the forge. It may be cut off
   anywhere and begun again; a forge that is away is waited for.
3. A request that was under way at the first step may still write: a minute later ``finish`` looks once more.

What remains: the tenant's row with its name, so that nobody else gets it, and one line of the audit trail.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Delete, delete, update
from sqlmodel import Session, col, func, select

from contract import wire
from crontopus_app.base import audit, bounds, clock, queue, security
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import after_commit, reading, writing
from crontopus_app.base.errors import CrontopusError
from crontopus_app.base.leases import HeldLease, LeaseLost, lease
from crontopus_app.base.live import Event, publish
from crontopus_app.forge.client import Forgejo
from crontopus_app.forge.names import RepositoryName, bot_name
from crontopus_app.forge.removal import remove_bot, remove_repository
from crontopus_app.models import (
    ApiToken,
    Audit,
    Change,
    CheckIn,
    Creation,
    Endpoint,
    EnrollmentToken,
    GitCredential,
    JobIndex,
    LoginSession,
    Monitor,
    Run,
    RunOutput,
    Tenant,
    User,
)
from crontopus_app.people import accounts, git_credentials
from crontopus_app.people.roles import require_remaining_operator

log = logging.getLogger(__name__)

ACT = "account.delete"
SETTLE = timedelta(minutes=1)
BATCH = 200


def preview(session: Session, actor: Actor) -> wire.Leaving:
    """What would go with the actor's account."""
    actor.require_person()
    mine = actor.tenant_id
    hosts = select(Endpoint.name).where(Endpoint.tenant_id == mine, Endpoint.status == "active")
    return wire.Leaving(
        username=actor.username,
        repository=session.get_one(Tenant, mine).repository,
        jobs=_count(session, JobIndex, JobIndex.tenant_id == mine),
        runs=_count(session, Run, Run.tenant_id == mine),
        endpoints=sorted(session.exec(hosts)),
        tokens=_count(session, ApiToken, ApiToken.tenant_id == mine, col(ApiToken.revoked_at).is_(None)),
        sessions=_count(session, LoginSession, LoginSession.user_id == actor.user_id),
    )


def _count(session: Session, table: type[Any], *conditions: Any) -> int:
    return session.exec(select(func.count()).select_from(table).where(*conditions)).one()


def leave(actor: Actor, form: wire.AccountDeletion, now: datetime) -> wire.Leaving:
    """Deletes the actor's account and tenant; gives what goes. Raises BadInput at the field, Conflict, RateLimited."""
    user = accounts.confirm(actor, form.password)
    if form.username.strip() != user.username:
        raise bounds.bad("username", f"Type your name, {user.username}, to say that you mean it.")
    with writing() as session:
        require_remaining_operator(session, lambda one: one.tenant_id != actor.tenant_id)
        tenant = session.exec(select(Tenant).where(Tenant.id == actor.tenant_id).with_for_update()).one()
        told = preview(session, actor)
        _lock_out(session, tenant.id)
        tenant.provisioning, tenant.provisioning_error, tenant.deleted_at = "deleting", "", now
        session.add(tenant)
        audit.record(session, actor, ACT, tenant.id, now)
        after_commit(session, publish, Event(tenant.id, "session", ""))
        after_commit(session, queue.ring, "delete_tenant", tenant.id)
    return told


def _lock_out(session: Session, tenant_id: str) -> None:
    users = select(User.id).where(User.tenant_id == tenant_id)
    session.execute(delete(LoginSession).where(col(LoginSession.user_id).in_(users)))
    for table in (ApiToken, EnrollmentToken, GitCredential, User):
        session.execute(_of_tenant(table, tenant_id))
    session.execute(update(Endpoint).where(col(Endpoint.tenant_id) == tenant_id).values(status="revoked"))


def _of_tenant(table: type[Any], tenant_id: str) -> Delete:
    return delete(table).where(table.tenant_id == tenant_id)


def finish(tenant_id: str, forge: Forgejo, now: datetime) -> None:
    """Removes what is left of a deleted tenant; the sweep comes back until nothing is."""
    # Provisioning would make anew what is removed here.
    with lease(f"provision:{tenant_id}", clock.now) as held:
        with reading() as session:
            tenant = session.get(Tenant, tenant_id)
        if held is None or tenant is None or tenant.deleted_at is None or tenant.provisioning == "deleted":
            return
        try:
            _purge(tenant_id, held)
            remove_repository(forge, *RepositoryName.of(tenant.repository))
            remove_bot(forge, bot_name(tenant_id))
            git_credentials.remove_accounts(forge, tenant_id)
        except LeaseLost:
            return
        except CrontopusError as error:
            log.warning("deleting %s goes on later: %s", tenant_id, error)
            return
        if now >= tenant.deleted_at + SETTLE:
            _entomb(tenant_id)


def _purge(tenant_id: str, held: HeldLease) -> None:
    """Every row of the tenant but its own, in steps that keep no writer waiting."""
    while _purge_runs(tenant_id):
        held.renew()
    with writing() as session:
        for table in (CheckIn, Monitor, JobIndex, Change, GitCredential, Creation, Endpoint):
            session.execute(_of_tenant(table, tenant_id))
        session.execute(_of_tenant(Audit, tenant_id).where(col(Audit.action) != ACT))


def _purge_runs(tenant_id: str) -> bool:
    """Some runs with their outputs and check-ins; False where there were none."""
    with writing() as session:
        some = session.exec(select(Run.id).where(Run.tenant_id == tenant_id).limit(BATCH)).all()
        session.execute(delete(CheckIn).where(col(CheckIn.run_id).in_(some), col(CheckIn.tenant_id) == tenant_id))
        session.execute(delete(RunOutput).where(col(RunOutput.run_id).in_(some)))
        session.execute(delete(Run).where(col(Run.id).in_(some)))
    return bool(some)


def _entomb(tenant_id: str) -> None:
    """Leaves of the tenant its name and the time."""
    nothing = {
        "head": "",
        "indexed_head": "",
        "index_error": "",
        "policy": b"",
        "policy_sha": "",
        "namespaces": [],
        "webhook_secret": security.new_token("whs"),
    }
    with writing() as session:
        mine = update(Tenant).where(col(Tenant.id) == tenant_id)
        session.execute(mine.values(provisioning="deleted", provisioning_step="deleted", **nothing))
