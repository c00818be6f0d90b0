"""Deletes an account: first revokes all access, then a worker removes the data.

1. ``delete_account``, in one transaction: deletes the user, sessions and tokens, revokes the endpoints' tokens, and
   marks the tenant. Agents then get 401, stop, and leave their crontab lines as they are.
2. ``finish``: deletes rows in small batches, then the repository and the accounts on the forge. It may be interrupted
   anywhere and repeated; it waits for an unavailable forge.
3. A request that was running during step 1 may still write, so ``finish`` runs once more a minute later.

What remains: the tenant's row, which reserves the name, and one entry of the audit log.
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
    Channel,
    CheckIn,
    Creation,
    Delivery,
    Endpoint,
    EnrollmentToken,
    GitCredential,
    Incident,
    IncidentEvent,
    JobIndex,
    LoginSession,
    Mail,
    Monitor,
    OutputsRemoved,
    PingKey,
    Report,
    Run,
    RunDay,
    RunOutput,
    Tenant,
    User,
)
from crontopus_app.people import accounts, git_credentials
from crontopus_app.people.roles import require_remaining_operator

log = logging.getLogger(__name__)

ACTION = "account.delete"
SETTLE = timedelta(minutes=1)
BATCH = 200


def preview(session: Session, actor: Actor) -> wire.Leaving:
    """What the deletion of the actor's account would remove."""
    actor.require_person()
    tenant_id = actor.tenant_id
    hosts = select(Endpoint.name).where(Endpoint.tenant_id == tenant_id, Endpoint.status == "active")
    return wire.Leaving(
        username=actor.username,
        repository=session.get_one(Tenant, tenant_id).repository,
        jobs=_count(session, JobIndex, JobIndex.tenant_id == tenant_id),
        runs=_count(session, Run, Run.tenant_id == tenant_id),
        endpoints=sorted(session.exec(hosts)),
        tokens=_count(session, ApiToken, ApiToken.tenant_id == tenant_id, col(ApiToken.revoked_at).is_(None)),
        sessions=_count(session, LoginSession, LoginSession.user_id == actor.user_id),
    )


def _count(session: Session, table: type[Any], *conditions: Any) -> int:
    return session.exec(select(func.count()).select_from(table).where(*conditions)).one()


def delete_account(actor: Actor, form: wire.AccountDeletion, now: datetime) -> wire.Leaving:
    """Deletes the actor's account and tenant; returns what is removed. Raises BadInput, Conflict, RateLimited."""
    user = accounts.confirm(actor, form.password)
    if form.username.strip() != user.username:
        raise bounds.bad("username", f"To confirm, type your user name: {user.username}")
    with writing() as session:
        require_remaining_operator(session, lambda operator: operator.tenant_id != actor.tenant_id)
        tenant = session.exec(select(Tenant).where(Tenant.id == actor.tenant_id).with_for_update()).one()
        removed = preview(session, actor)
        _revoke_access(session, tenant.id)
        tenant.provisioning, tenant.provisioning_error, tenant.deleted_at = "deleting", "", now
        session.add(tenant)
        audit.record(session, actor, ACTION, tenant.id, now)
        after_commit(session, publish, Event(tenant.id, "session", ""))
        after_commit(session, queue.ring, "delete_tenant", tenant.id)
    return removed


def _revoke_access(session: Session, tenant_id: str) -> None:
    users = select(User.id).where(User.tenant_id == tenant_id)
    session.execute(delete(LoginSession).where(col(LoginSession.user_id).in_(users)))
    for table in (ApiToken, EnrollmentToken, GitCredential, PingKey, User):
        session.execute(_of_tenant(table, tenant_id))
    session.execute(update(Endpoint).where(col(Endpoint.tenant_id) == tenant_id).values(status="revoked"))


def _of_tenant(table: type[Any], tenant_id: str) -> Delete:
    return delete(table).where(table.tenant_id == tenant_id)


def finish(tenant_id: str, forge: Forgejo, now: datetime) -> None:
    """Removes the data of a deleted tenant. The sweep repeats it until nothing remains."""
    # The lease of provisioning, which would create again what is removed here.
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
            log.warning("Deleting the data of %s failed, the next sweep tries again: %s", tenant_id, error)
            return
        if now >= tenant.deleted_at + SETTLE:
            _reduce_to_tombstone(tenant_id)


def _purge(tenant_id: str, held: HeldLease) -> None:
    """Deletes every row of the tenant except its own, in short transactions."""
    while _purge_runs(tenant_id):
        held.renew()
    with writing() as session:
        for table in (Report, Mail, Delivery, Channel, IncidentEvent, Incident):
            session.execute(_of_tenant(table, tenant_id))
        for table in (CheckIn, Monitor, JobIndex, Change, GitCredential, Creation, Endpoint, RunDay, OutputsRemoved):
            session.execute(_of_tenant(table, tenant_id))
        session.execute(_of_tenant(Audit, tenant_id).where(col(Audit.action) != ACTION))


def _purge_runs(tenant_id: str) -> bool:
    """Deletes a batch of runs with their outputs and check-ins; False if there were none."""
    with writing() as session:
        run_ids = session.exec(select(Run.id).where(Run.tenant_id == tenant_id).limit(BATCH)).all()
        session.execute(delete(CheckIn).where(col(CheckIn.run_id).in_(run_ids), col(CheckIn.tenant_id) == tenant_id))
        session.execute(delete(RunOutput).where(col(RunOutput.run_id).in_(run_ids)))
        session.execute(delete(Run).where(col(Run.id).in_(run_ids)))
    return bool(run_ids)


def _reduce_to_tombstone(tenant_id: str) -> None:
    """Keeps only the tenant's name and the time of its deletion."""
    cleared = {
        "head": "",
        "indexed_head": "",
        "monitored_head": "",
        "index_error": "",
        "policy": b"",
        "policy_sha": "",
        "namespaces": [],
        "webhook_secret": security.new_token("whs"),
    }
    with writing() as session:
        statement = update(Tenant).where(col(Tenant.id) == tenant_id)
        session.execute(statement.values(provisioning="deleted", provisioning_step="deleted", **cleared))
