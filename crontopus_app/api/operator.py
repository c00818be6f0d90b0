"""REST: services for operators: tenants, roles, tasks, health, versions, settings in force."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from contract import wire_operator as wire
from crontopus_app.api.deps import CurrentActor, Now
from crontopus_app.base.db import reading, writing
from crontopus_app.forge.configured import forge
from crontopus_app.operations import health, operators, task_admin, usage, versions

router = APIRouter(prefix="/operator", tags=["operator"])

Page = Annotated[int, Query(ge=1, le=operators.LAST_PAGE)]
PageSize = Annotated[int, Query(ge=1, le=operators.PAGE_SIZE)]


@router.get("/figures")
def figures(actor: CurrentActor, now: Now) -> wire.Figures:
    with reading() as session:
        return operators.figures(session, actor, now)


@router.get("/tenants")
def list_tenants(
    actor: CurrentActor, now: Now, q: str = "", standing: str = "", page: Page = 1, page_size: PageSize = 50
) -> wire.OperatedTenantList:
    """Tenants by name. ``q`` searches names and e-mail addresses; ``standing`` is suspended, failed or pending."""
    with reading() as session:
        return operators.list_tenants(session, actor, now, text=q, standing=standing, page=page, page_size=page_size)


@router.get("/tenants/{tenant_id}")
def get_tenant(tenant_id: str, actor: CurrentActor, now: Now) -> wire.TenantDetail:
    with reading() as session:
        detail = operators.get_tenant(session, actor, tenant_id, now)
    return usage.with_repository(forge(), detail)


@router.post("/tenants/{tenant_id}/suspend")
def suspend(tenant_id: str, actor: CurrentActor, now: Now) -> wire.TenantDetail:
    """Refuses the tenant's users and agents until it is resumed. Its hosts keep running their jobs."""
    with writing() as session:
        operators.suspend(session, actor, tenant_id, now)
        return operators.get_tenant(session, actor, tenant_id, now)


@router.post("/tenants/{tenant_id}/resume")
def resume(tenant_id: str, actor: CurrentActor, now: Now) -> wire.TenantDetail:
    with writing() as session:
        operators.resume(session, actor, tenant_id, now)
        return operators.get_tenant(session, actor, tenant_id, now)


@router.post("/tenants/{tenant_id}/provision", status_code=202)
def provision(tenant_id: str, actor: CurrentActor, now: Now) -> wire.TenantDetail:
    """Provisions the tenant again: creates what is missing."""
    with writing() as session:
        operators.provision(session, actor, tenant_id, now)
        return operators.get_tenant(session, actor, tenant_id, now)


@router.post("/tenants/{tenant_id}/commit", status_code=202)
def commit(tenant_id: str, actor: CurrentActor, now: Now) -> None:
    """Queues the commit of the tenant's pending changes."""
    task_admin.ring_changes(actor, tenant_id, now)


@router.get("/operators")
def list_operators(actor: CurrentActor) -> list[wire.Person]:
    with reading() as session:
        return operators.list_operators(session, actor)


@router.put("/operators/{username}", status_code=204)
def grant(username: str, actor: CurrentActor, now: Now) -> None:
    with writing() as session:
        operators.grant(session, actor, username, now)


@router.delete("/operators/{username}", status_code=204)
def revoke(username: str, actor: CurrentActor, now: Now) -> None:
    """Makes an operator a user again; 409 for the last operator."""
    with writing() as session:
        operators.revoke(session, actor, username, now)


@router.get("/tasks")
def tasks(actor: CurrentActor, now: Now) -> wire.Tasks:
    """Queues, workers, and the newest failed tasks."""
    return task_admin.overview(actor, now)


@router.post("/tasks/retry")
def retry_all(actor: CurrentActor, now: Now) -> wire.Retried:
    """Puts all failed tasks back into their queues."""
    return task_admin.retry_all(actor, now)


@router.post("/tasks/{task_id}/retry", status_code=204)
def retry(task_id: str, actor: CurrentActor, now: Now) -> None:
    task_admin.retry(actor, task_id, now)


@router.delete("/tasks/{task_id}", status_code=204)
def discard(task_id: str, actor: CurrentActor, now: Now) -> None:
    task_admin.discard(actor, task_id, now)


@router.get("/changes")
def changes(actor: CurrentActor, now: Now) -> list[wire.OpenChange]:
    """Uncommitted changes of all tenants: pending ones, oldest first, then those that failed in the last week."""
    with reading() as session:
        return task_admin.open_changes(session, actor, now)


@router.get("/health")
def measured(actor: CurrentActor) -> wire.Measured:
    """Every component, measured now, with a timeout of three seconds."""
    return health.measure(actor)


@router.get("/versions")
def get_versions(actor: CurrentActor) -> wire.Versions:
    return versions.versions(actor)


@router.get("/settings")
def settings_in_force(actor: CurrentActor) -> list[wire.SettingInForce]:
    """Every setting with its origin. Secrets are masked."""
    return versions.settings_in_force(actor)
