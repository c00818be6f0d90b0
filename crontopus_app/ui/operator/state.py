"""States of the operator's pages. The services reject users who are not operators; the page shows the error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import reflex as rx
from reflex.event import EventSpec

from contract import wire_operator as wire
from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.forge.configured import forge
from crontopus_app.operations import operators, task_admin, usage, versions
from crontopus_app.operations.health import measure
from crontopus_app.ui import problems, session, undo
from crontopus_app.ui.call import Way, call, change, outside
from crontopus_app.ui.kit import toast
from crontopus_app.ui.kit.filters import Pages, Pill, page_number
from crontopus_app.ui.live import watchers
from crontopus_app.ui.operator import rows

PAGE = 20
EVERY_S = 5.0
# Twenty minutes; then the user can resume.
ROUNDS = 240
Measure = Callable[[Actor], wire.Measured]
NO_TENANT = rows.SelectedTenant(rows.TenantRow(), False, [], [])
NO_WORK = rows.Work([], [], "")


async def _act(page: Any, done: str, service: Callable[..., Any], *args: Any, through: Way = change) -> EventSpec:
    """Calls the service as the user, refills the page, returns a toast. ``through``: ``outside`` if it uses Redis."""
    try:
        actor = await session.actor_of(page)
        result = await through(service, actor, *args, clock.now())
        await session.fill(page, actor)
    except CrontopusError as error:
        return toast.say(problems.sentence(error), "failed")
    return toast.say(done.format(count=result.count) if isinstance(result, wire.Retried) else done)


async def _provision(page: Any, tenant: str) -> EventSpec:
    return await _act(page, f"Provisioning the repository of {tenant}.", operators.provision, tenant)


class HealthState(rx.State):
    """Health of the installation's components, checked while the page is open."""

    ready: bool = False
    problem: str = ""
    tiles: list[rows.Figure] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    parts: list[rows.PartRow] = []  # noqa: RUF012
    measured_at: str = ""
    paused: bool = False
    _follower: int = 0

    @rx.event
    async def load(self) -> Any:
        """Fills the page; ``follow`` runs the checks."""
        return await session.opened(self)

    async def _fill(self, actor: Actor) -> None:
        self.tiles = rows.tiles(await call(operators.figures, actor, clock.now()))
        self.parts = self.parts or rows.unchecked()

    @rx.event(background=True)
    async def follow(self) -> None:
        """Checks every few seconds until the page is left, a newer call runs, or ``ROUNDS`` are over."""
        await follow_health(self)


async def follow_health(page: Any, every_s: float = EVERY_S, rounds: int = ROUNDS, measure: Measure = measure) -> None:
    """Does what ``HealthState.follow`` promises, in at most ``rounds`` checks."""
    async with page:
        page._follower += 1
        mine, token = page._follower, page.router.session.client_token
        cookie, page.paused = page.router.headers.cookie, False
    for _ in range(rounds):
        try:
            actor = await session.actor_of_cookie(cookie)
            report = await asyncio.to_thread(measure, actor)
            figures = await call(operators.figures, actor, clock.now())
        except CrontopusError as error:
            async with page:
                page.problem, page.ready = problems.sentence(error), True
            return
        async with page:
            if page._follower != mine or not watchers.is_at(token, HealthState):
                return
            page.parts, page.tiles = [rows.part(one) for one in report.parts], rows.tiles(figures)
            page.measured_at, page.problem = rows.at(report.at), ""
        await asyncio.sleep(every_s)
    async with page:
        page.paused = True


class TenantsState(rx.State):
    """Tenants with their usage, and the selected one. Filters and selection are in the address."""

    ready: bool = False
    problem: str = ""
    tenants: list[rows.TenantRow] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    pills: list[Pill] = []  # noqa: RUF012
    text: str = ""
    pages: Pages = Pages()
    chosen: rows.SelectedTenant = NO_TENANT

    @rx.event
    async def load(self) -> Any:
        """Fills the page."""
        return await session.opened(self, "tenant")

    async def _fill(self, actor: Actor) -> None:
        query = {name: session.query_of(self, name) for name in ("q", "standing", "page")}
        page = page_number(query["page"])
        listed = await call(
            operators.list_tenants,
            actor,
            clock.now(),
            text=query["q"],
            standing=query["standing"],
            page=page,
            page_size=PAGE,
        )
        self.tenants = [rows.tenant(one, query) for one in listed.tenants]
        self.pills, self.text = rows.pills(query), query["q"]
        self.pages = rows.pages(query, page, PAGE, listed.total)
        tenant_id = session.query_of(self, "tenant")
        self.chosen = await self._selected(actor, tenant_id) if tenant_id else NO_TENANT

    async def _selected(self, actor: Actor, tenant_id: str) -> rows.SelectedTenant:
        detail = await call(operators.get_tenant, actor, tenant_id, clock.now())
        detail = await asyncio.to_thread(usage.with_repository, forge(), detail)
        return rows.selected(detail, actor.tenant_id)

    @rx.event
    async def suspend(self, form: dict[str, Any]) -> EventSpec:
        """Suspends a tenant; the toast offers Undo."""
        tenant = str(form.get("tenant", ""))
        try:
            actor = await session.actor_of(self)
            await change(operators.suspend, actor, tenant, clock.now())
            await session.fill(self, actor)
            return await undo.offer(self, actor, f"{tenant} suspended.", _resuming(tenant))
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")

    @rx.event
    async def resume(self, tenant: str) -> EventSpec:
        """Ends a suspension."""
        return await _act(self, f"{tenant} resumed.", operators.resume, tenant)

    @rx.event
    async def provision(self, tenant: str) -> EventSpec:
        """Provisions the tenant's repository again, or what is missing of it."""
        return await _provision(self, tenant)

    @rx.event
    async def grant(self, form: dict[str, Any]) -> EventSpec:
        """Grants a user the operator role."""
        username = str(form.get("name", ""))
        return await _act(self, f"{username} is now an operator.", operators.grant, username)

    @rx.event
    async def revoke(self, form: dict[str, Any]) -> EventSpec:
        """Revokes a user's operator role."""
        username = str(form.get("name", ""))
        return await _act(self, f"{username} is no longer an operator.", operators.revoke, username)


def _resuming(tenant: str) -> undo.Act:
    async def resume(actor: Actor) -> str:
        await change(operators.resume, actor, tenant, clock.now())
        return f"{tenant} resumed."

    return resume


class TasksState(rx.State):
    """Queues, workers, failed tasks, uncommitted changes, failed repositories."""

    ready: bool = False
    problem: str = ""
    work: rows.Work = NO_WORK
    failed: list[rows.FailedRow] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    changes: list[rows.OpenChangeRow] = []  # noqa: RUF012
    stuck: list[rows.TenantRow] = []  # noqa: RUF012
    looked_at: str = ""

    @rx.event
    async def load(self) -> Any:
        """Fills the page."""
        return await session.opened(self, "tenant")

    async def _fill(self, actor: Actor) -> None:
        now = clock.now()
        tasks = await outside(task_admin.overview, actor, now)
        self.work, self.failed = rows.work(tasks), rows.failed(tasks.failed)
        self.changes = rows.changes(await call(task_admin.open_changes, actor, now))
        broken = await call(operators.list_tenants, actor, now, standing="failed")
        self.stuck, self.looked_at = [rows.tenant(one, {}) for one in broken.tenants], rows.at(now)

    @rx.event
    async def refresh(self) -> None:
        """Refills the page."""
        try:
            await session.fill(self, await session.actor_of(self))
        except CrontopusError as error:
            self.problem = problems.sentence(error)

    @rx.event
    async def retry(self, task_id: str) -> EventSpec:
        """Puts a failed task back into its queue."""
        return await _act(self, "The task is queued again.", task_admin.retry, task_id, through=outside)

    @rx.event
    async def retry_all(self) -> EventSpec:
        """Puts every failed task back into its queue."""
        return await _act(self, "Tasks queued again: {count}.", task_admin.retry_all, through=outside)

    @rx.event
    async def discard(self, form: dict[str, Any]) -> EventSpec:
        """Deletes a failed task."""
        return await _act(self, "Task deleted.", task_admin.discard, str(form.get("task", "")), through=outside)

    @rx.event
    async def ring(self, tenant: str) -> EventSpec:
        """Has a worker commit the tenant's pending changes now."""
        done = f"A worker is committing the changes of {tenant}."
        return await _act(self, done, task_admin.ring_changes, tenant, through=outside)

    @rx.event
    async def provision(self, tenant: str) -> EventSpec:
        """Provisions a failed repository again."""
        return await _provision(self, tenant)


class EffectiveSettingsState(rx.State):
    """Versions and effective settings."""

    ready: bool = False
    problem: str = ""
    versions: list[rows.Fact] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    agents: list[rows.Fact] = []  # noqa: RUF012
    revision: str = ""
    outdated: str = ""
    settings: list[wire.SettingInForce] = []  # noqa: RUF012

    @rx.event
    async def load(self) -> Any:
        """Fills the page."""
        return await session.opened(self)

    async def _fill(self, actor: Actor) -> None:
        report = await outside(versions.versions, actor)
        self.versions, self.agents = rows.version_facts(report), rows.agent_facts(report)
        self.revision, self.outdated = report.schema, rows.schema(report)
        self.settings = await asyncio.to_thread(versions.settings_in_force, actor)
