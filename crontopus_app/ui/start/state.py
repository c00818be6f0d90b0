"""State of the Start page: repository ready, host enrolled, first run reported."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.hosts import endpoints
from crontopus_app.monitoring import runs
from crontopus_app.operations import operators, provisioning
from crontopus_app.people import auth
from crontopus_app.queries import jobs
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import call, change


class StartState(rx.State):
    """Progress of the three steps. ``grant`` is the command that makes this user the first operator, or empty."""

    ready: bool = False
    problem: str = ""
    repository: str = ""
    provisioning: str = ""
    reason: str = ""
    hosts: int = 0
    jobs: int = 0
    run: str = ""
    grant: str = ""

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events."""
        return await session.opened(self, "tenant", "endpoint", "run", "job", "change")

    async def _fill(self, actor: Actor) -> None:
        me = await call(auth.me, actor)
        self.repository, self.provisioning, self.reason = me.repository, me.provisioning, me.provisioning_error
        self.grant = "" if await call(operators.exists) else f"crontopus-server admin grant {me.username}"
        self.hosts = (await call(endpoints.list_page, actor, page_size=1, now=clock.now())).total
        self.jobs = await call(jobs.count, actor)
        newest = (await call(runs.list_page, actor, runs.Filter(), page_size=1)).runs
        self.run = f"/runs/{newest[0].id}" if newest else ""

    @rx.event
    async def again(self) -> None:
        """Retries provisioning the repository, from the step that failed."""
        try:
            actor = await session.actor_of(self)
            await change(provisioning.retry, actor, clock.now())
            await session.fill(self, actor)
        except CrontopusError as error:
            self.reason = problems.sentence(error)
