"""States of the Endpoints and Endpoint pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import reflex as rx
from reflex.event import EventSpec

from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.forge.configured import forge
from crontopus_app.hosts import endpoints
from crontopus_app.ui import problems, session, undo
from crontopus_app.ui.call import call, change, moment, shared
from crontopus_app.ui.endpoints import rows
from crontopus_app.ui.kit import toast
from crontopus_app.ui.kit.filters import Pages, Pill, page_number

PAGE = 50
Action = Callable[[Actor, str], Awaitable[None]]
NO_HOST = rows.HostRow("", "", "", "", "unknown", "", "", "", "", "", "", "", "", 0, False)


class EndpointsState(rx.State):
    """The list of endpoints. Its filters are in the address."""

    ready: bool = False
    problem: str = ""
    text: str = ""
    state: str = ""
    pills: list[Pill] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    pages: Pages = Pages()
    hosts: list[rows.HostRow] = []  # noqa: RUF012

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events."""
        return await session.opened(self, "endpoint", "change")

    async def _fill(self, actor: Actor) -> None:
        page, now = page_number(session.query_of(self, "page")), clock.now()
        self.text, self.state = session.query_of(self, "q")[:200], session.query_of(self, "state")[:20]
        listed = await call(
            endpoints.list_page, actor, page=page, page_size=PAGE, text=self.text, state=self.state, now=now
        )
        counts = await call(endpoints.counts_by_state, actor, now)
        self.hosts = [rows.host(one) for one in listed.endpoints]
        self.pills = rows.pills(counts, self.text, self.state)
        self.pages = rows.pages(page, listed.total > page * PAGE, self.text, self.state)


class EndpointState(rx.State):
    """One endpoint: its crontab, edits from outside Crontopus, its jobs."""

    ready: bool = False
    problem: str = ""
    host: rows.HostRow = NO_HOST
    coverage: rows.Coverage = rows.Coverage()
    lines: list[rows.CrontabRow] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    drift: list[rows.DriftRow] = []  # noqa: RUF012
    jobs: list[rows.InstanceRow] = []  # noqa: RUF012

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events."""
        return await session.opened(self, "endpoint", "run", "change")

    async def _fill(self, actor: Actor) -> None:
        endpoint_id = session.path_of(self)[1]
        host = rows.host(await shared(endpoints.get, actor, endpoint_id, moment()))
        crontab = await shared(endpoints.crontab, actor, endpoint_id)
        jobs = await shared(endpoints.instances, actor, endpoint_id)
        names = {one.job_id: f"{one.namespace}/{one.job_name} · {one.commit[:7]}" for one in jobs}
        drift = await shared(endpoints.drift, actor, endpoint_id)
        session.put(self, "host", host)
        session.put(self, "jobs", [rows.instance(one) for one in jobs])
        session.put(self, "lines", rows.lines(crontab, names))
        session.put(self, "coverage", rows.coverage(crontab))
        session.put(self, "drift", [rows.drift(one) for one in drift])

    @rx.event
    async def sync(self) -> EventSpec:
        """Requests a sync from the agent."""
        return await self._act(_wake, "Sync requested. The result appears here.")

    @rx.event
    async def rename(self, form: dict[str, Any]) -> EventSpec:
        """Renames the endpoint. Selectors use the new name."""
        before, name = self.host.name, str(form.get("name", "")).strip()
        if name == before:
            return toast.say(f"The name is already {name}.")
        back = partial(_renamed_back, self.host.id, before)
        return await self._act(partial(_rename, name=name), f"Renamed {before} to {name}.", back)

    @rx.event
    async def revoke(self, form: dict[str, Any]) -> EventSpec:  # noqa: ARG002 -- what a dialog sends
        """Revokes the endpoint's token. Its crontab lines stay until ``crontopus-agent leave`` runs on the host."""
        return await self._act(_revoke, "Revoked. Its token no longer works; its jobs are no longer monitored.")

    async def _act(self, action: Action, done: str, back: undo.Act | None = None) -> EventSpec:
        """Runs the action and returns a toast with ``done``, or with the error."""
        try:
            actor = await session.actor_of(self)
            await action(actor, self.host.id)
            await session.fill(self, actor)
            return await undo.offer(self, actor, done, back) if back else toast.say(done)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")


async def _wake(actor: Actor, endpoint_id: str) -> None:
    await change(endpoints.wake, actor, endpoint_id, clock.now())


async def _rename(actor: Actor, endpoint_id: str, *, name: str) -> None:
    await change(endpoints.rename, actor, endpoint_id, name, clock.now())


async def _renamed_back(endpoint_id: str, name: str, actor: Actor) -> str:
    await _rename(actor, endpoint_id, name=name)
    return f"Renamed back to {name}."


async def _revoke(actor: Actor, endpoint_id: str) -> None:
    await change(endpoints.revoke, actor, endpoint_id, forge(), clock.now())
