"""States of the operator's pages. Who is no operator is refused by each service, and reads why."""

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
from crontopus_app.operations import health, operators, task_admin, usage
from crontopus_app.operations import versions as installation
from crontopus_app.ui import problems, session, undo
from crontopus_app.ui.call import Way, call, change, outside
from crontopus_app.ui.kit import toast
from crontopus_app.ui.kit.filters import Pages, Pill, page_number
from crontopus_app.ui.live import watchers
from crontopus_app.ui.operator import rows

PAGE = 20
EVERY_S = 5.0
# Twenty minutes: who still looks then can ask for more.
ROUNDS = 240
NOBODY = rows.Chosen(rows.TenantRow(), False, [], [])
NO_WORK = rows.Work([], [], "")


async def _act(page: Any, said: str, service: Callable[..., Any], *args: Any, through: Way = change) -> EventSpec:
    """Does it as whoever looks, and shows the page anew. ``through`` is ``outside`` for what asks Redis."""
    try:
        actor = await session.actor_of(page)
        told = await through(service, actor, *args, clock.now())
        await session.fill(page, actor)
    except CrontopusError as error:
        return toast.say(problems.sentence(error), "failed")
    return toast.say(said.format(count=told.count) if isinstance(told, wire.Retried) else said)


async def _provision(page: Any, tenant: str) -> EventSpec:
    return await _act(page, f"The repository of {tenant} is being made.", operators.provision, tenant)


class HealthState(rx.State):
    """The parts of the installation, measured while somebody looks."""

    ready: bool = False
    problem: str = ""
    tiles: list[rows.Tile] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    parts: list[rows.PartRow] = []  # noqa: RUF012
    measured_at: str = ""
    paused: bool = False
    _follower: int = 0

    @rx.event
    async def load(self) -> Any:
        """Fills the page; ``follow`` measures."""
        return await session.opened(self)

    async def _fill(self, actor: Actor) -> None:
        self.tiles = rows.tiles(await call(operators.figures, actor, clock.now()))
        self.parts = self.parts or rows.asked()

    @rx.event(background=True)
    async def follow(self) -> None:
        """Measures every few seconds until the page is left, another one follows, or somebody has looked for long."""
        async with self:
            self._follower += 1
            mine, token = self._follower, self.router.session.client_token
            cookie, self.paused = self.router.headers.cookie, False
        for _ in range(ROUNDS):
            try:
                actor = await session.actor_of_cookie(cookie)
                found = await asyncio.to_thread(health.measure, actor)
                figures = await call(operators.figures, actor, clock.now())
            except CrontopusError as error:
                async with self:
                    self.problem, self.ready = problems.sentence(error), True
                return
            async with self:
                if self._follower != mine or not watchers.looks(token, HealthState):
                    return
                self.parts, self.tiles = [rows.part(one) for one in found.parts], rows.tiles(figures)
                self.measured_at, self.problem = rows.at(found.at), ""
            await asyncio.sleep(EVERY_S)
        async with self:
            self.paused = True


class TenantsState(rx.State):
    """Tenants with what they use, and one of them; which ones is the address."""

    ready: bool = False
    problem: str = ""
    tenants: list[rows.TenantRow] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    pills: list[Pill] = []  # noqa: RUF012
    text: str = ""
    pages: Pages = Pages()
    chosen: rows.Chosen = NOBODY

    @rx.event
    async def load(self) -> Any:
        """Fills the page."""
        return await session.opened(self, "tenant")

    async def _fill(self, actor: Actor) -> None:
        query = {name: session.query_of(self, name) for name in ("q", "standing", "page")}
        page = page_number(query["page"])
        found = await call(
            operators.list_tenants,
            actor,
            clock.now(),
            text=query["q"],
            standing=query["standing"],
            page=page,
            page_size=PAGE,
        )
        self.tenants = [rows.tenant(one, query) for one in found.tenants]
        self.pills, self.text = rows.pills(query), query["q"]
        self.pages = rows.pages(query, page, PAGE, found.total)
        wanted = session.query_of(self, "tenant")
        self.chosen = await self._look(actor, wanted) if wanted else NOBODY

    async def _look(self, actor: Actor, tenant_id: str) -> rows.Chosen:
        detail = await call(operators.get_tenant, actor, tenant_id, clock.now())
        whole = await asyncio.to_thread(usage.with_repository, forge(), detail)
        return rows.chosen(whole, actor.tenant_id)

    @rx.event
    async def suspend(self, form: dict[str, Any]) -> EventSpec:
        """Suspends the tenant that the dialog names; the toast takes it back."""
        tenant = str(form.get("tenant", ""))
        try:
            actor = await session.actor_of(self)
            await change(operators.suspend, actor, tenant, clock.now())
            await session.fill(self, actor)
            return await undo.offer(self, actor, f"{tenant} is suspended.", _resuming(tenant))
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")

    @rx.event
    async def resume(self, tenant: str) -> EventSpec:
        """Ends a suspension."""
        return await _act(self, f"{tenant} is not suspended any more.", operators.resume, tenant)

    @rx.event
    async def provision(self, tenant: str) -> EventSpec:
        """Makes the tenant's repository, or what is missing of it, once more."""
        return await _provision(self, tenant)

    @rx.event
    async def grant(self, form: dict[str, Any]) -> EventSpec:
        """Makes a user an operator."""
        username = str(form.get("name", ""))
        return await _act(self, f"{username} is an operator now.", operators.grant, username)

    @rx.event
    async def revoke(self, form: dict[str, Any]) -> EventSpec:
        """Makes an operator a user like others."""
        username = str(form.get("name", ""))
        return await _act(self, f"{username} is no operator any more.", operators.revoke, username)


def _resuming(tenant: str) -> undo.Act:
    async def resume(actor: Actor) -> str:
        await change(operators.resume, actor, tenant, clock.now())
        return f"{tenant} is not suspended any more."

    return resume


class TasksState(rx.State):
    """Queues, workers, failed tasks, and changes that are no commits."""

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
        found = await outside(task_admin.overview, actor, now)
        self.work, self.failed = rows.work(found), rows.failed(found.failed)
        self.changes = rows.changes(await call(task_admin.open_changes, actor, now))
        broken = await call(operators.list_tenants, actor, now, standing="failed")
        self.stuck, self.looked_at = [rows.tenant(one, {}) for one in broken.tenants], rows.at(now)

    @rx.event
    async def refresh(self) -> None:
        """Looks again."""
        try:
            await session.fill(self, await session.actor_of(self))
        except CrontopusError as error:
            self.problem = problems.sentence(error)

    @rx.event
    async def retry(self, task_id: str) -> EventSpec:
        """Puts a failed task back into its queue."""
        return await _act(self, "It is back in its queue.", task_admin.retry, task_id, through=outside)

    @rx.event
    async def retry_all(self) -> EventSpec:
        """Puts every failed task back into its queue."""
        return await _act(self, "Back in their queues: {count}.", task_admin.retry_all, through=outside)

    @rx.event
    async def discard(self, form: dict[str, Any]) -> EventSpec:
        """Deletes the failed task that the dialog names."""
        return await _act(self, "It is deleted.", task_admin.discard, str(form.get("task", "")), through=outside)

    @rx.event
    async def ring(self, tenant: str) -> EventSpec:
        """Asks a worker to commit the tenant's pending changes now."""
        said = f"A worker is asked to commit the changes of {tenant}."
        return await _act(self, said, task_admin.ring_changes, tenant, through=outside)

    @rx.event
    async def provision(self, tenant: str) -> EventSpec:
        """Makes a repository that failed once more."""
        return await _provision(self, tenant)


class InForceState(rx.State):
    """Versions, and the settings in force."""

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
        found = await outside(installation.versions, actor)
        self.versions, self.agents = rows.version_facts(found), rows.agent_facts(found)
        self.revision, self.outdated = found.schema, rows.schema(found)
        self.settings = await asyncio.to_thread(installation.settings_in_force, actor)
