"""A tenant's repository: made step by step, each of which may be repeated; where it stands is visible."""

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
    """Has one's own tenant provisioned once more. Raises Forbidden, NotFound."""
    actor.require("write:jobs")
    tenant = session.get(Tenant, actor.tenant_id)
    if tenant is None:
        raise NotFound("There is no such tenant.")
    begin_again(session, tenant)
    audit.record(session, actor, "tenant.provision", tenant.id, now)


def begin_again(session: Session, tenant: Tenant) -> None:
    """Makes a failed provisioning pending again, and asks a worker for it.

    A tenant that is ready is gone over as well: what somebody removed from the forge is made again.
    """
    tenant.provisioning_error = ""
    if tenant.provisioning == "failed":
        tenant.provisioning = "pending"
    session.add(tenant)
    after_commit(session, queue.ring, "provision_tenant", tenant.id)


def provision(tenant_id: str, forge: Forgejo, now: datetime) -> None:
    """Makes all that the tenant needs on the forge; what is there already is left alone.

    ``provisioning`` ends as ready, as failed with a reason, or stays pending while the forge does not answer.
    """
    with lease(f"provision:{tenant_id}", clock.now) as held:
        if held is None:
            return
        with reading() as session:
            tenant = session.get(Tenant, tenant_id)
            author = _author(session, tenant_id)
        if tenant is None:
            raise NotFound(f"There is no tenant {tenant_id!r}.")
        if tenant.deleted_at is not None or not _run_steps(tenant, author, forge):
            return
    _note(tenant_id, step=DONE, provisioning="ready", error="")
    _first_index(tenant_id, forge, now)


def _author(session: Session, tenant_id: str) -> Author:
    """Whose name the first commit carries."""
    query = select(User).where(User.tenant_id == tenant_id).order_by(col(User.created_at))
    user = session.exec(query).first()
    return Author(user.username, user.email) if user else CRONTOPUS


def _run_steps(tenant: Tenant, author: Author, forge: Forgejo) -> bool:
    """Whether all went well; else the tenant says at which step it stopped and why."""
    for name, step in _steps(tenant, author, forge):
        _note(tenant.id, step=name)
        try:
            step()
        except CrontopusError as error:
            transient = isinstance(error, ForgeUnavailable) and not isinstance(error, ForgeMisconfigured)
            log.warning("provisioning of %s stopped at %s: %s", tenant.id, name, error)
            if transient and tenant.provisioning != "ready":
                _note(tenant.id, error=f"waiting: {error.message}")
            elif not transient:
                _note(tenant.id, provisioning="failed", error=f"{name}: {error.message}")
            return False
    return True


def _steps(tenant: Tenant, author: Author, forge: Forgejo) -> list[tuple[str, Callable[[], object]]]:
    org, name = RepositoryName.of(tenant.repository)
    bot, url = bot_name(tenant.id), addresses.webhook(settings())
    description = f"Jobs of {tenant.id}, kept by Crontopus"
    return [
        ("organisation", lambda: forge.ensure_org(org)),
        ("repository", lambda: forge.ensure_repository(org, name, description)),
        ("first commit", lambda: _first_commit(forge, org, name, tenant, author)),
        ("reading account", lambda: forge.ensure_bot(bot)),
        ("right to read", lambda: forge.ensure_collaborator(org, name, bot)),
        ("webhook", lambda: forge.ensure_webhook(org, name, url, tenant.webhook_secret)),
    ]


def _first_commit(forge: Forgejo, org: str, name: str, tenant: Tenant, author: Author) -> None:
    """The first files, in one commit, where there is no commit yet."""
    if forge.head(org, name, tenant.branch) is not None:
        return
    operations = [FileOperation("create", path, content) for path, content in first_files(tenant.id).items()]
    try:
        forge.commit_files(org, name, tenant.branch, operations, "Begin the repository of job manifests\n", author)
    except ForgeConflict as error:
        if forge.head(org, name, tenant.branch) is None:
            raise Conflict(f"The first commit was refused: {error.message}") from error


def _first_index(tenant_id: str, forge: Forgejo, now: datetime) -> None:
    """The sweep repeats it where the forge is away just now."""
    try:
        index(tenant_id, forge, now)
    except CrontopusError as error:
        log.warning("%s is not indexed yet: %s", tenant_id, error)


def _note(
    tenant_id: str, *, step: str | None = None, provisioning: str | None = None, error: str | None = None
) -> None:
    told = {"provisioning_step": step, "provisioning": provisioning, "provisioning_error": error}
    values = {name: value for name, value in told.items() if value is not None}
    with writing() as session:
        # One that was deleted meanwhile stays so.
        mine = col(Tenant.id) == tenant_id, col(Tenant.deleted_at).is_(None)
        session.execute(update(Tenant).where(*mine).values(**values))
        if provisioning == "ready":
            after_commit(session, queue.ring, "commit_changes", tenant_id)
        after_commit(session, publish, Event(tenant_id, "tenant", tenant_id))
