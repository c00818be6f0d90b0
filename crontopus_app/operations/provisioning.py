"""Creates a tenant's repository and accounts on the forge, in idempotent steps. The tenant's row shows the progress."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import update
from sqlmodel import Session, col, select

from crontopus_app.base import audit, clock, queue
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import after_commit, reading, writing
from crontopus_app.base.errors import Conflict, CrontopusError, NotFound
from crontopus_app.base.leases import lease
from crontopus_app.base.live import Event, publish
from crontopus_app.base.settings import settings
from crontopus_app.forge import addresses
from crontopus_app.forge.client import (
    Author,
    FileOperation,
    ForgeConflict,
    Forgejo,
    ForgeMisconfigured,
    ForgeUnavailable,
)
from crontopus_app.forge.names import RepositoryName, bot_name
from crontopus_app.jobs.first_files import first_files
from crontopus_app.jobs.index import index
from crontopus_app.models import Tenant, User

log = logging.getLogger(__name__)

CRONTOPUS = Author("Crontopus", "crontopus@bots.crontopus.invalid")
DONE = "done"


def retry(session: Session, actor: Actor, now: datetime) -> None:
    """Provisions the actor's own tenant again. Raises Forbidden, NotFound."""
    actor.require("write:jobs")
    tenant = session.get(Tenant, actor.tenant_id)
    if tenant is None:
        raise NotFound("This account has been deleted.")
    restart(session, tenant)
    audit.record(session, actor, "tenant.provision", tenant.id, now)


def restart(session: Session, tenant: Tenant) -> None:
    """Queues provisioning, and makes a failed one pending again.

    For a ready tenant, all steps run too: they create again what was removed from the forge.
    """
    tenant.provisioning_error = ""
    if tenant.provisioning == "failed":
        tenant.provisioning = "pending"
    session.add(tenant)
    after_commit(session, queue.ring, "provision_tenant", tenant.id)


def provision(tenant_id: str, forge: Forgejo, now: datetime) -> None:
    """Creates everything that the tenant needs on the forge; existing objects are kept.

    ``provisioning`` becomes ready, or failed with a reason, or stays pending while the forge does not respond.
    """
    with lease(f"provision:{tenant_id}", clock.now) as held:
        if held is None:
            return
        with reading() as session:
            tenant = session.get(Tenant, tenant_id)
            author = _author(session, tenant_id)
        if tenant is None:
            raise NotFound(f"No tenant {tenant_id!r}.")
        if tenant.deleted_at is not None or not _run_steps(tenant, author, forge):
            return
    _update(tenant_id, step=DONE, provisioning="ready", error="")
    _first_index(tenant_id, forge, now)


def _author(session: Session, tenant_id: str) -> Author:
    """The author of the first commit."""
    query = select(User).where(User.tenant_id == tenant_id).order_by(col(User.created_at))
    user = session.exec(query).first()
    return Author(user.username, user.email) if user else CRONTOPUS


def _run_steps(tenant: Tenant, author: Author, forge: Forgejo) -> bool:
    """Runs the steps; False after a failure, whose step and reason are stored in the tenant's row."""
    for name, step in _steps(tenant, author, forge):
        _update(tenant.id, step=name)
        try:
            step()
        except CrontopusError as error:
            transient = isinstance(error, ForgeUnavailable) and not isinstance(error, ForgeMisconfigured)
            log.warning("Provisioning of %s failed at the step %s: %s", tenant.id, name, error)
            if transient and tenant.provisioning != "ready":
                _update(tenant.id, error=f"waiting: {error.message}")
            elif not transient:
                _update(tenant.id, provisioning="failed", error=f"{name}: {error.message}")
            return False
    return True


def _steps(tenant: Tenant, author: Author, forge: Forgejo) -> list[tuple[str, Callable[[], object]]]:
    org, name = RepositoryName.of(tenant.repository)
    bot, url = bot_name(tenant.id), addresses.webhook(settings())
    description = f"Cron jobs of {tenant.id}, managed by Crontopus"
    return [
        ("organisation", lambda: forge.ensure_org(org)),
        ("repository", lambda: forge.ensure_repository(org, name, description)),
        ("first commit", lambda: _first_commit(forge, org, name, tenant, author)),
        ("reading account", lambda: forge.ensure_bot(bot)),
        ("read permission", lambda: forge.ensure_collaborator(org, name, bot)),
        ("webhook", lambda: forge.ensure_webhook(org, name, url, tenant.webhook_secret)),
    ]


def _first_commit(forge: Forgejo, org: str, name: str, tenant: Tenant, author: Author) -> None:
    """Commits the initial files, if there is no commit yet."""
    if forge.head(org, name, tenant.branch) is not None:
        return
    operations = [FileOperation("create", path, content) for path, content in first_files(tenant.id).items()]
    try:
        forge.commit_files(org, name, tenant.branch, operations, "Initial commit\n", author)
    except ForgeConflict as error:
        if forge.head(org, name, tenant.branch) is None:
            raise Conflict(f"The first commit was refused: {error.message}") from error


def _first_index(tenant_id: str, forge: Forgejo, now: datetime) -> None:
    """Indexes the repository. Does not raise for errors; the sweep indexes again."""
    try:
        index(tenant_id, forge, now)
    except CrontopusError as error:
        log.warning("Indexing %s failed, the next sweep tries again: %s", tenant_id, error)


def _update(
    tenant_id: str, *, step: str | None = None, provisioning: str | None = None, error: str | None = None
) -> None:
    columns = {"provisioning_step": step, "provisioning": provisioning, "provisioning_error": error}
    values = {name: value for name, value in columns.items() if value is not None}
    with writing() as session:
        # A tenant that was deleted meanwhile is not changed.
        existing = col(Tenant.id) == tenant_id, col(Tenant.deleted_at).is_(None)
        session.execute(update(Tenant).where(*existing).values(**values))
        if provisioning == "ready":
            after_commit(session, queue.ring, "commit_changes", tenant_id)
        after_commit(session, publish, Event(tenant_id, "tenant", tenant_id))
