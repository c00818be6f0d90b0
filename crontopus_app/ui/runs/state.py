"""States of the Runs and Run pages."""

from __future__ import annotations

from typing import Any

import reflex as rx
from sqlmodel import Session

from contract import wire
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import NotFound
from crontopus_app.monitoring import runs, stats
from crontopus_app.queries import jobs
from crontopus_app.queries.why import HOLES, why_of_run
from crontopus_app.ui import session
from crontopus_app.ui.call import moment, shared
from crontopus_app.ui.kit import run_table
from crontopus_app.ui.kit.filters import Pill
from crontopus_app.ui.runs import rows
from crontopus_app.ui.runs.rows import RunQuery

PAGE = 50
AROUND = 3
NONE = rows.RunOutputView([], "", [], True)
NO_WHY = rows.WhyView("", "", "", [], "")


class RunsState(rx.State):
    """A page of runs. Its filters are in the address."""

    ready: bool = False
    problem: str = ""
    total: int = 0
    older: str = ""
    newest: str = ""
    query: RunQuery = RunQuery()
    rows: list[run_table.RunRow] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    pills: list[Pill] = []  # noqa: RUF012

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events."""
        return await session.opened(self, "run")

    async def _fill(self, actor: Actor) -> None:
        query = {name: session.query_of(self, name) for name in rows.FILTERS}
        cursor = session.query_of(self, "cursor")
        listed = await shared(_page, actor, rows.filter_of(query, moment()), cursor)
        self.rows, self.total, self.pills = run_table.rows(listed.runs), listed.total, rows.pills(query)
        self.query = RunQuery(**query)
        here = rows.address(query)
        self.newest = here if cursor else ""
        sign = "&" if "?" in here else "?"
        self.older = f"{here}{sign}cursor={listed.next_cursor}" if listed.next_cursor else ""


def _page(db: Session, actor: Actor, chosen: runs.Filter, cursor: str) -> wire.RunList:
    return runs.list_page(db, actor, chosen, page_size=PAGE, cursor=cursor or None)


class RunState(rx.State):
    """One run with its output, and other runs on its host at that time."""

    ready: bool = False
    problem: str = ""
    run: run_table.RunRow = run_table.RunRow()
    facts: list[rows.Fact] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    error: str = ""
    why: rows.WhyView = NO_WHY
    output: rows.RunOutputView = NONE
    around: list[run_table.RunRow] = []  # noqa: RUF012
    around_title: str = ""
    beside: rows.Beside = rows.Beside()
    zone: str = ""

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events."""
        return await session.opened(self, "run")

    async def _fill(self, actor: Actor) -> None:
        detail = await shared(runs.get, actor, session.path_of(self)[1])
        last = await shared(stats.newest, actor, detail.run.job_id, PAGE)
        usual = sorted(run.duration_s for run in last if run.status == "success" and run.duration_s is not None)
        around = await shared(stats.around, actor, detail.run.id, AROUND)
        session.put(self, "zone", await shared(jobs.zone_of, actor, detail.run.job_id))
        found = await shared(stats.neighbours, actor, detail.run.id)
        session.put(self, "beside", rows.beside(detail.run, *found))
        session.put(self, "run", run_table.row(detail.run))
        session.put(self, "facts", rows.facts(detail, usual))
        answer = await _why(actor, detail.run)
        session.put(self, "why", rows.why_view(answer, detail.run.status) if answer else NO_WHY)
        session.put(self, "error", "" if answer else detail.error)
        session.put(self, "output", rows.shown(detail.output))
        session.put(self, "around", run_table.rows(around))
        session.put(self, "around_title", f"Other runs on {detail.run.endpoint_name or 'this host'} at that time")


async def _why(actor: Actor, run: wire.Run) -> wire.Why | None:
    """Why the run is missed or lost; None for others, and if its job is not monitored any more."""
    if run.status not in HOLES:
        return None
    try:
        return await shared(why_of_run, actor, run.id, moment())
    except NotFound:
        return None
