"""What only operators do: look after the tenants of the installation, and say who is an operator.

A suspended tenant is refused at sign-in, in the API and on its open pages. Its hosts go on running their jobs; their
check-ins are refused, wait on the hosts, and are told when the suspension is over. Nothing is deleted.
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
    "Its users are refused at once: at sign-in, in the API and on open pages, with a sentence that says why; their Git "
    "credentials open nothing within seconds. "
    "Its hosts go on running their jobs; their check-ins are refused meanwhile, wait on the hosts, and are told "
    "after resuming. Nothing is deleted."
)


def at_the_server() -> Actor:
    """Whoever may run ``crontopus-server`` on this machine; in the audit trail by the number of their account."""
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
    """Tenants by name, each with its usage. ``text`` is looked for in names and e-mail addresses; ``standing`` is
    suspended, failed or pending (the latter two of its repository). Raises Forbidden, BadInput."""
    actor.require_operator()
    conditions = _conditions(text, standing)
    page, page_size = min(max(page, 1), LAST_PAGE), min(max(page_size, 1), PAGE_SIZE)
    total = session.exec(select(func.count()).select_from(Tenant).where(*conditions)).one()
    query = select(Tenant).where(*conditions).order_by(col(Tenant.id))
    rows = session.exec(query.offset((page - 1) * page_size).limit(page_size)).all()
    return wire.OperatedTenantList(_shapes(session, rows, now), total, page, page_size)


def _conditions(text: str, standing: str) -> list[Any]:
    if standing not in STANDINGS:
        raise BadInput(f"standing is one of {', '.join(filter(None, STANDINGS))}, not {standing!r}.")
    found: list[Any] = [Tenant.provisioning != "deleted"]
    if text.strip():
        wanted = text.strip().lower()
        mine = select(User.id).where(User.tenant_id == Tenant.id)
        person = mine.where(func.lower(User.email).contains(wanted, autoescape=True)).exists()
        found.append(or_(col(Tenant.id).contains(wanted, autoescape=True), person))
    if standing == "suspended":
        found.append(col(Tenant.suspended).is_(True))
    elif standing:
        found.append(Tenant.provisioning == standing)
    return found


def _shapes(session: Session, rows: Sequence[Tenant], now: datetime) -> list[wire.OperatedTenant]:
    ids = [row.id for row in rows]
    used = usage.of(session, ids, now)
    known = select(User.tenant_id, func.count()).where(col(User.tenant_id).in_(ids), User.role == "operator")
    operators = dict(session.exec(known.group_by(col(User.tenant_id))).all())
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
    """One tenant with its users; ``usage.with_repository`` adds the size of its repository. Raises NotFound."""
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
    """The installation in numbers."""
    actor.require_operator()
    standing = select(Tenant.provisioning, Tenant.suspended, func.count()).where(Tenant.provisioning != "deleted")
    counted = session.exec(standing.group_by(col(Tenant.provisioning), col(Tenant.suspended))).all()
    # Covered by the index of tenant and state: no row, whose content may be long, is read.
    waiting = select(Change.tenant_id, func.count()).where(Change.state == "pending")
    pending = dict(session.exec(waiting.group_by(col(Change.tenant_id))).all())
    mine = col(Change.tenant_id).in_(list(pending)), Change.state == "pending"
    oldest = session.exec(select(func.min(Change.created_at)).where(*mine)).one() if pending else None
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
        raise Conflict("You cannot suspend your own tenant: you would be locked out.", code="own_tenant")
    require_remaining_operator(session, lambda one: one.tenant_id != tenant.id)
    _set_suspended(session, actor, tenant, True, now)


def resume(session: Session, actor: Actor, tenant_id: str, now: datetime) -> None:
    """Ends a suspension. Raises NotFound."""
    actor.require_operator()
    _set_suspended(session, actor, _tenant(session, tenant_id), False, now)


def _set_suspended(session: Session, actor: Actor, tenant: Tenant, wanted: bool, now: datetime) -> None:
    if tenant.suspended == wanted:
        return
    tenant.suspended = wanted
    session.add(tenant)
    _note(session, actor, tenant.id, "tenant.suspend" if wanted else "tenant.resume", tenant.id, now)
    _renew_pages(session, tenant.id)
    after_commit(session, publish, Event(tenant.id, "tenant", tenant.id))
    if actor.tenant_id:  # the operator's own pages show it too
        after_commit(session, publish, Event(actor.tenant_id, "tenant", tenant.id))


def provision(session: Session, actor: Actor, tenant_id: str, now: datetime) -> None:
    """Has a tenant provisioned once more. Raises NotFound."""
    actor.require_operator()
    tenant = _tenant(session, tenant_id)
    provisioning.begin_again(session, tenant)
    _note(session, actor, tenant.id, "tenant.provision", tenant.id, now)


def there_is_one(session: Session) -> bool:
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
    require_remaining_operator(session, lambda one: one.id != user.id)
    user.role = "user"
    session.add(user)
    _note(session, actor, user.tenant_id, "operator.revoke", user.username, now)
    _renew_pages(session, user.tenant_id)


def _renew_pages(session: Session, tenant_id: str) -> None:
    """Who may look changed: every open page of the tenant asks anew, once it is committed."""
    after_commit(session, publish, Event(tenant_id, "session", tenant_id))


def _note(session: Session, actor: Actor, tenant_id: str, action: str, subject: str, now: datetime) -> None:
    """In the trail of the tenant whom it concerns."""
    audit.record(session, replace(actor, tenant_id=tenant_id), action, subject, now)


def _tenant(session: Session, tenant_id: str) -> Tenant:
    tenant = session.get(Tenant, tenant_id)
    if tenant is None:
        raise NotFound(f"There is no tenant {tenant_id!r}.")
    return tenant


def _user(session: Session, username: str) -> User:
    user = session.exec(select(User).where(User.username == username.strip().lower())).first()
    if user is None:
        raise NotFound(f"There is no user {username!r}: they must register first.")
    return user


def _person(user: User) -> wire.Person:
    return wire.Person(user.username, user.tenant_id, user.email, user.role, user.is_active)
