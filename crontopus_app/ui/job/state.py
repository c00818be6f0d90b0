"""State of the Job page."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import reflex as rx

from contract import wire
from crontopus_app.alerts import told
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.queries import job_on_hosts, jobs, ping_urls
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import call, moment, outside, shared
from crontopus_app.ui.job import actions, history_strip, queries, recipes, rows
from crontopus_app.ui.kit import code, durations, toast

TABS = ("runs", "definition", "history", "endpoints", "alerts")


class JobState(rx.State):
    """One job. The open tab is in the address."""

    ready: bool = False
    problem: str = ""
    head: rows.JobHead = rows.JobHead()
    month: history_strip.HistoryStrip = history_strip.EMPTY
    ahead: rows.Ahead = rows.Ahead()
    pings: recipes.Pings = recipes.Pings()
    runs: list[rows.RunLine] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    body: rows.Body = rows.Body()
    restoring: rows.Restoring = rows.Restoring()
    _ahead_of: tuple[object, ...] = ()

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events."""
        self._ahead_of = ()
        return await session.opened(self, "job", "run", "change", "endpoint", "incident")

    def _place(self) -> tuple[str, str]:
        parts = session.path_of(self)
        return parts[1], parts[2]

    async def _fill(self, actor: Actor) -> None:
        place, now = self._place(), moment()
        detail = await shared(jobs.get, actor, *place, now)
        await self._fill_ahead(actor, detail, now)
        zone = self.ahead.zone
        session.put(self, "head", rows.head(detail, *await shared(job_on_hosts.in_force, actor, *place)))
        url = await shared(ping_urls.url_or_none, actor, *place)
        session.put(self, "pings", recipes.pings(url, self.head.cron))
        month = await shared(queries.happened, actor, *place, detail.job.id, zone or "UTC", now)
        newest, outputs = await shared(queries.newest, actor, detail.job.id)
        taken = durations.durations(newest[::-1], rows.limit_s(detail))
        session.put(self, "month", replace(month, durations=taken))
        session.put(self, "runs", rows.run_lines(newest, outputs, zone))
        session.put(self, "body", await self._tab(actor, detail))

    async def _fill_ahead(self, actor: Actor, detail: wire.JobDetail, now: datetime) -> None:
        """Recomputed only if the file, its hosts or the next slot changed, not for each run."""
        job = detail.job
        inputs = (detail.sha, job.next_run, tuple(job.endpoints))
        if inputs != self._ahead_of:
            self.ahead, self._ahead_of = await call(queries.ahead, actor, job, now), inputs

    async def _tab(self, actor: Actor, detail: wire.JobDetail) -> rows.Body:
        named, job = session.query_of(self, "tab"), detail.job
        tab = named if named in TABS else "runs" if detail.valid else "definition"
        if tab == "definition":
            return rows.Body(tab, tuple(code.file(detail.yaml, [*detail.errors, *detail.lints])))
        if tab == "endpoints":
            installed = await shared(job_on_hosts.installed, actor, job.namespace, job.name)
            return rows.Body(tab, instances=tuple(rows.instance(one) for one in installed))
        if tab == "history":
            commit = session.query_of(self, "commit")
            return await shared(queries.history, actor, job.namespace, job.name, commit, through=outside)
        if tab == "alerts":
            found = await shared(told.of_job, actor, job.namespace, job.name, moment())
            return rows.Body(tab, alerts=rows.alerts(found, f"{job.namespace}/{job.name}"))
        return rows.Body(tab)

    @rx.event
    async def set_paused(self, paused: bool) -> Any:
        """Pauses or resumes by a commit."""
        return await self._act(actions.set_paused, bool(paused))

    @rx.event
    async def look(self, sha: str) -> Any:
        """Shows the effect of restoring a version, before it is done."""
        self.restoring = rows.Restoring(str(sha))
        yield
        try:
            self.restoring = await outside(queries.restoring, await session.actor_of(self), *self._place(), str(sha))
        except CrontopusError as error:
            self.restoring = rows.Restoring(str(sha), text=problems.sentence(error))

    @rx.event
    async def restore(self, form: dict[str, Any]) -> Any:
        """Restores the file's content from a commit, by a new commit."""
        return await self._act(actions.restore, str(form.get("sha", "")))

    @rx.event
    async def move(self, _form: dict[str, Any]) -> Any:
        """Moves the job to the quieter time that the page proposes."""
        if not self.ahead.schedule:
            return toast.say("There is no longer a quieter time.", "late")
        return await self._act(actions.move, self.ahead.schedule)

    @rx.event
    async def delete(self, _form: dict[str, Any]) -> Any:
        """Deletes the file by a commit."""
        return await self._act(actions.delete, then=rx.redirect("/jobs"))

    async def _act(self, action: Any, *args: Any, then: Any = None) -> Any:
        try:
            actor = await session.actor_of(self)
            notice = await action(self, actor, self._place(), *args)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")
        if then is not None:
            return [then, notice]
        await session.fill(self, actor)
        return notice
