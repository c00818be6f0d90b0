"""State of the Job page."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import reflex as rx

from contract import schedule, wire
from crontopus_app import clock
from crontopus_app.errors import CrontopusError
from crontopus_app.git.forge import forge
from crontopus_app.services import endpoints, jobs, runs
from crontopus_app.services.actor import Actor
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import call
from crontopus_app.ui.job import acts, rows
from crontopus_app.ui.kit import run_table, toast
from crontopus_app.ui.kit.future import NEXT, Future, future, slot, zone_of

TABS = ("runs", "definition", "history", "endpoints")


class JobState(rx.State):
    """One job; the open tab is in the address."""

    ready: bool = False
    problem: str = ""
    tab: str = "runs"
    head: rows.Head = rows.Head()
    strip: list[rows.Cell] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    durations: rows.Durations = rows.Durations()
    runs: list[run_table.RunRow] = []  # noqa: RUF012
    future: Future = Future()
    lines: list[rows.Line] = []  # noqa: RUF012
    commits: list[rows.CommitRow] = []  # noqa: RUF012
    instances: list[rows.Instance] = []  # noqa: RUF012

    @rx.event
    async def load(self) -> Any:
        """Fills the page and follows it."""
        return await session.opened(self, "job", "run", "change", "endpoint")

    def _place(self) -> tuple[str, str]:
        parts = session.path_of(self)
        return parts[1], parts[2]

    async def _fill(self, actor: Actor) -> None:
        place, now = self._place(), clock.now()
        detail = await call(jobs.get, actor, *place, now)
        past = (await call(runs.last_of_jobs, actor, [detail.job.id], rows.DURATIONS)).get(detail.job.id, [])
        asked = session.query_of(self, "tab")
        self.tab = asked if asked in TABS else "runs" if detail.valid else "definition"
        self.head, self.strip, self.durations = rows.head(detail), rows.strip(past), rows.durations(past)
        self.runs = run_table.rows(reversed(past[-rows.STRIP :]))
        self.future = await call(_future, actor, detail.job, now)
        self.instances = [rows.instance(one) for one in await call(jobs.instances, actor, *place)]
        self.lines = rows.lines(detail.yaml, [*detail.errors, *detail.lints])
        if self.tab == "history":
            await self._fill_history(actor, detail.job)

    async def _fill_history(self, actor: Actor, job: wire.JobSummary) -> None:
        place = (job.namespace, job.name)
        self.commits = [rows.commit(one, job) for one in await call(_history, actor, *place)]
        if sha := session.query_of(self, "commit"):
            entry = await call(_entry, actor, *place, sha)
            self.lines = rows.diff(entry.diff)

    @rx.event
    async def set_paused(self, paused: bool) -> Any:
        """Pauses or resumes by a commit."""
        return await self._act(acts.set_paused, bool(paused))

    @rx.event
    async def restore(self, form: dict[str, Any]) -> Any:
        """Gives the job the content it had in a commit, by a new commit."""
        return await self._act(acts.restore, str(form.get("sha", "")))

    @rx.event
    async def delete(self, _form: dict[str, Any]) -> Any:
        """Deletes the file by a commit."""
        return await self._act(acts.delete, then=rx.redirect("/jobs"))

    async def _act(self, act: Any, *args: Any, then: Any = None) -> Any:
        try:
            actor = await session.actor_of(self)
            said = await act(self, actor, self._place(), *args)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")
        if then is not None:
            return [then, said]
        await session.fill(self, actor)
        return said


def _history(db: Any, actor: Actor, namespace: str, name: str) -> list[wire.HistoryEntry]:
    return jobs.history(forge(), db, actor, namespace, name)


def _entry(db: Any, actor: Actor, namespace: str, name: str, sha: str) -> wire.HistoryEntry:
    return jobs.history_entry(forge(), db, actor, namespace, name, sha)


def _future(db: Any, actor: Actor, job: wire.JobSummary, now: datetime) -> Future:
    """What the job will do; one that is paused, disabled or invalid has no runs to come."""
    clocks = endpoints.clocks_of(db, actor, job.id)
    zone = zone_of(job.timezone, (clock.zone for clock in clocks))
    found = future(job.schedule, zone, [schedule.seed(job.id, "")], now, (clock.policy for clock in clocks))
    # Over all its hosts: where a schedule has an H, each host has its own slot.
    runs = jobs.next_runs(db, actor, job.namespace, job.name, NEXT, now) if zone else []
    if job.valid and job.enabled and not job.paused:
        return replace(found, coming=tuple(slot(at, zone) for at in runs))
    return replace(found, coming=(), zone="none, it is paused, disabled or not valid")
