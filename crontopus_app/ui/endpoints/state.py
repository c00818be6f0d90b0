"""States of Endpoints and Endpoint."""

from __future__ import annotations

import asyncio
from typing import Any

import reflex as rx

from crontopus_app import clock
from crontopus_app.errors import CrontopusError
from crontopus_app.git.forge import forge
from crontopus_app.live import Event, publish
from crontopus_app.services import endpoints, enrolment
from crontopus_app.services.actor import Actor
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import call, change
from crontopus_app.ui.endpoints import rows

PAGE = 50
NOBODY = rows.HostRow("", "", "", "", "unknown", "", "", "", "", "", "", "", "", 0, False)


class EndpointsState(rx.State):
    """The machines with an agent; the filters are the address."""

    ready: bool = False
    problem: str = ""
    text: str = ""
    state: str = ""
    pills: list[rows.Pill] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    pages: rows.Pages = rows.Pages()
    hosts: list[rows.HostRow] = []  # noqa: RUF012

    @rx.event
    async def load(self) -> Any:
        """Fills the page and follows it."""
        return await session.opened(self, "endpoint", "change")

    async def _fill(self, actor: Actor) -> None:
        asked, now = session.query_of(self, "page"), clock.now()
        page = int(asked) if asked.isdecimal() and len(asked) < 6 else 1
        self.text, self.state = session.query_of(self, "q")[:200], session.query_of(self, "state")[:20]
        found = await call(
            endpoints.list_page, actor, page=page, page_size=PAGE, text=self.text, state=self.state, now=now
        )
        counts = await call(endpoints.counts_by_state, actor, now)
        self.hosts = [rows.host(one) for one in found.endpoints]
        self.pills = rows.pills(counts, self.text, self.state)
        self.pages = rows.pages(page, found.total > page * PAGE, self.text, self.state)


class EndpointState(rx.State):
    """One machine: its crontab as it is, its jobs."""

    ready: bool = False
    problem: str = ""
    said: str = ""
    host: rows.HostRow = NOBODY
    monitored: str = ""
    lines: list[rows.Line] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    jobs: list[rows.InstanceRow] = []  # noqa: RUF012

    @rx.event
    async def load(self) -> Any:
        """Fills the page and follows it."""
        self.said = ""
        return await session.opened(self, "endpoint", "run", "change")

    async def _fill(self, actor: Actor) -> None:
        wanted = session.path_of(self)[1]
        self.host = rows.host(await call(endpoints.get, actor, wanted, clock.now()))
        crontab = await call(endpoints.crontab, actor, wanted)
        jobs = await call(endpoints.instances, actor, wanted)
        names = {one.job_id: f"{one.namespace}/{one.job_name} · {one.commit[:7]}" for one in jobs}
        self.jobs = [rows.instance(one) for one in jobs]
        self.lines, self.monitored = rows.lines(crontab, names), rows.monitored(crontab)

    @rx.event
    async def sync(self) -> None:
        """Asks the agent for a pass now."""
        try:
            actor = await session.actor_of(self)
            await change(endpoints.wake, actor, self.host.id, clock.now())
            await asyncio.to_thread(publish, Event(actor.tenant_id, "endpoint", self.host.id))
            self.said = "Asked for a pass; its result is here as soon as the agent reports."
        except CrontopusError as error:
            self.said = problems.sentence(error)

    @rx.event
    async def revoke(self) -> None:
        """Ends the endpoint's token; its lines stay on the host until `crontopus-agent leave`."""
        try:
            actor = await session.actor_of(self)
            git_token = await change(endpoints.revoke, actor, self.host.id, clock.now())
            await asyncio.to_thread(publish, Event(actor.tenant_id, "endpoint", self.host.id))
            if git_token:
                await asyncio.to_thread(enrolment.drop_git_token, forge(), actor.tenant_id, git_token)
            await session.fill(self, actor)
            self.said = "Revoked: its token is dead and its jobs are retired."
        except CrontopusError as error:
            self.said = problems.sentence(error)
