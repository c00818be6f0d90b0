"""Services for operators: list, suspend and resume tenants, and manage operators.

Users of a suspended tenant are refused at sign-in, in the API and on open pages. Its hosts keep running their jobs;
their check-ins are refused, stay in the spool on the hosts, and are sent after the suspension. Nothing is deleted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, func, or_, select

from contract import wire_operator as wire
from crontopus_app.base import audit
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import after_commit
from crontopus_app.base.errors import BadInput, Conflict, NotFound
from crontopus_app.base.live import Event, publish
from crontopus_app.models import Change, Endpoint, Tenant, User
from crontopus_app.operations import provisioning, usage
from crontopus_app.people import auth
from crontopus_app.people.roles import require_remaining_operator

PAGE_SIZE = 100
LAST_PAGE = 1_000_000
STANDINGS = ("", "suspended", "failed", "pending")
SUSPENSION = (
    "Its users are refused at once at sign-in, in the API and on open pages, with the reason. Their Git credentials "
    "stop working within seconds. Its hosts keep running their jobs; their check-ins wait on the hosts and are sent "
    "after resuming. Nothing is deleted."
)


def shell_actor() -> Actor:
    """The actor for ``crontopus-server`` commands on this machine; the audit log shows the user id."""
    return Actor("", "", f"crontopus-server (uid {os.getuid()})", "", "operator", kind="shell")


def list_tenants(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    text: str = "",
    standing: str = "",
    page: int = 1,
    page_size: int = 50,
) -> wire.OperatedTenantList:
    """A page of tenants by name, with their usage. Raises Forbidden, BadInput.

    ``text`` is searched for in names and e-mail addresses. ``standing`` is suspended, or the repository's state failed
    or pending.
    """
    actor.require_operator()
    conditions = _conditions(text, standing)
    page, page_size = min(max(page, 1), LAST_PAGE), min(max(page_size, 1), PAGE_SIZE)
    total = session.exec(select(func.count()).select_from(Tenant).where(*conditions)).one()
    query = select(Tenant).where(*conditions).order_by(col(Tenant.id))
    rows = session.exec(query.offset((page - 1) * page_size).limit(page_size)).all()
    return wire.OperatedTenantList(_shapes(session, rows, now), total, page, page_size)


def _conditions(text: str, standing: str) -> list[Any]:
    if standing not in STANDINGS:
        raise BadInput(f"standing must be one of {', '.join(filter(None, STANDINGS))}, not {standing!r}.")
    conditions: list[Any] = [Tenant.provisioning != "deleted"]
    if text.strip():
        lower = text.strip().lower()
        of_tenant = select(User.id).where(User.tenant_id == Tenant.id)
        person = of_tenant.where(func.lower(User.email).contains(lower, autoescape=True)).exists()
        conditions.append(or_(col(Tenant.id).contains(lower, autoescape=True), person))
    if standing == "suspended":
        conditions.append(col(Tenant.suspended).is_(True))
    elif standing:
        conditions.append(Tenant.provisioning == standing)
    return conditions


def _shapes(session: Session, rows: Sequence[Tenant], now: datetime) -> list[wire.OperatedTenant]:
    ids = [row.id for row in rows]
    used = usage.of(session, ids, now)
    query = select(User.tenant_id, func.count()).where(col(User.tenant_id).in_(ids), User.role == "operator")
    operators = dict(session.exec(query.group_by(col(User.tenant_id))).all())
    return [
        wire.OperatedTenant(
            id=row.id,
            suspended=row.suspended,
            provisioning=row.provisioning,
            provisioning_step=row.provisioning_step,
            provisioning_error=row.provisioning_error,
            index_error=row.index_error,
            created_at=row.created_at,
            usage=used.get(row.id, wire.Usage()),
            operators=operators.get(row.id, 0),
        )
        for row in rows
    ]


def get_tenant(session: Session, actor: Actor, tenant_id: str, now: datetime) -> wire.TenantDetail:
    """A tenant with its users; ``usage.with_repository`` adds the repository's size. Raises NotFound."""
    actor.require_operator()
    tenant = _tenant(session, tenant_id)
    users = session.exec(select(User).where(User.tenant_id == tenant.id).order_by(col(User.username))).all()
    return wire.TenantDetail(
        tenant=_shapes(session, [tenant], now)[0],
        people=[_person(user) for user in users],
        repository=tenant.repository,
        head=tenant.head,
        indexed_head=tenant.indexed_head,
        indexed_at=tenant.indexed_at,
    )


def figures(session: Session, actor: Actor, now: datetime) -> wire.Figures:
    """Key figures of the installation."""
    actor.require_operator()
    standing = select(Tenant.provisioning, Tenant.suspended, func.count()).where(Tenant.provisioning != "deleted")
    counted = session.exec(standing.group_by(col(Tenant.provisioning), col(Tenant.suspended))).all()
    # An index covers this query, so the rows, whose content may be long, are not read.
    waiting = select(Change.tenant_id, func.count()).where(Change.state == "pending")
    pending = dict(session.exec(waiting.group_by(col(Change.tenant_id))).all())
    pending_changes = col(Change.tenant_id).in_(list(pending)), Change.state == "pending"
    oldest = session.exec(select(func.min(Change.created_at)).where(*pending_changes)).one() if pending else None
    return wire.Figures(
        tenants=sum(count for _, _, count in counted),
        suspended=sum(count for _, suspended, count in counted if suspended),
        unprovisioned=sum(count for state, _, count in counted if state == "pending"),
        provisioning_failed=sum(count for state, _, count in counted if state == "failed"),
        endpoints=session.exec(select(func.count()).select_from(Endpoint).where(Endpoint.status == "active")).one(),
        changes_pending=sum(pending.values()),
        changes_oldest_s=(now - oldest).total_seconds() if oldest else None,
    )


def suspend(session: Session, actor: Actor, tenant_id: str, now: datetime) -> None:
    """Suspends a tenant. Raises NotFound, Conflict for one's own tenant."""
    actor.require_operator()
    tenant = _tenant(session, tenant_id)
    if tenant.id == actor.tenant_id:
        raise Conflict("You cannot suspend your own account: you would lock yourself out.", code="own_tenant")
    require_remaining_operator(session, lambda operator: operator.tenant_id != tenant.id)
    _set_suspended(session, actor, tenant, True, now)


def resume(session: Session, actor: Actor, tenant_id: str, now: datetime) -> None:
    """Ends a suspension. Raises NotFound."""
    actor.require_operator()
    _set_suspended(session, actor, _tenant(session, tenant_id), False, now)


def _set_suspended(session: Session, actor: Actor, tenant: Tenant, suspended: bool, now: datetime) -> None:
    if tenant.suspended == suspended:
        return
    tenant.suspended = suspended
    session.add(tenant)
    _note(session, actor, tenant.id, "tenant.suspend" if suspended else "tenant.resume", tenant.id, now)
    _renew_pages(session, tenant.id)
    after_commit(session, publish, Event(tenant.id, "tenant", tenant.id))
    if actor.tenant_id:  # to refresh the operator's own pages
        after_commit(session, publish, Event(actor.tenant_id, "tenant", tenant.id))


def provision(session: Session, actor: Actor, tenant_id: str, now: datetime) -> None:
    """Provisions a tenant again. Raises NotFound."""
    actor.require_operator()
    tenant = _tenant(session, tenant_id)
    provisioning.restart(session, tenant)
    _note(session, actor, tenant.id, "tenant.provision", tenant.id, now)


def exists(session: Session) -> bool:
    """Whether the installation has an operator."""
    return session.exec(select(User.id).where(User.role == "operator").limit(1)).first() is not None


def list_operators(session: Session, actor: Actor) -> list[wire.Person]:
    actor.require_operator()
    rows = session.exec(select(User).where(User.role == "operator").order_by(col(User.username))).all()
    return [_person(row) for row in rows]


def grant(session: Session, actor: Actor, username: str, now: datetime) -> None:
    """Makes a user an operator. Raises NotFound."""
    actor.require_operator()
    user = _user(session, username)
    if user.role == "operator":
        return
    auth.grant_operator(session, user.username)
    _note(session, actor, user.tenant_id, "operator.grant", user.username, now)
    _renew_pages(session, user.tenant_id)


def revoke(session: Session, actor: Actor, username: str, now: datetime) -> None:
    """Makes an operator a user again. Raises NotFound, Conflict for the last."""
    actor.require_operator()
    user = _user(session, username)
    if user.role != "operator":
        return
    require_remaining_operator(session, lambda operator: operator.id != user.id)
    user.role = "user"
    session.add(user)
    _note(session, actor, user.tenant_id, "operator.revoke", user.username, now)
    _renew_pages(session, user.tenant_id)


def _renew_pages(session: Session, tenant_id: str) -> None:
    """Makes the tenant's open pages check their permissions again, after the commit."""
    after_commit(session, publish, Event(tenant_id, "session", tenant_id))


def _note(session: Session, actor: Actor, tenant_id: str, action: str, subject: str, now: datetime) -> None:
    """Records the action in the audit log of the affected tenant."""
    audit.record(session, replace(actor, tenant_id=tenant_id), action, subject, now)


def _tenant(session: Session, tenant_id: str) -> Tenant:
    tenant = session.get(Tenant, tenant_id)
    if tenant is None:
        raise NotFound(f"No tenant {tenant_id!r}.")
    return tenant


def _user(session: Session, username: str) -> User:
    user = session.exec(select(User).where(User.username == username.strip().lower())).first()
    if user is None:
        raise NotFound(f"No user {username!r}. The person must register first.")
    return user


def _person(user: User) -> wire.Person:
    return wire.Person(user.username, user.tenant_id, user.email, user.role, user.is_active)
