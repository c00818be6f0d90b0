"""State of the Overview."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import reflex as rx
from sqlmodel import Session

from contract import wire
from crontopus_app import clock
from crontopus_app.services import jobs, overview, runs
from crontopus_app.services.actor import Actor
from crontopus_app.ui import session
from crontopus_app.ui.call import call
from crontopus_app.ui.kit import run_table
from crontopus_app.ui.kit.charts import Lane, axis
from crontopus_app.ui.overview import rows

PAGES = 20


class OverviewState(rx.State):
    """All that the first page shows."""

    ready: bool = False
    problem: str = ""
    hours: list[str] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    tiles: rows.Tiles = rows.Tiles()
    lanes: list[Lane] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    running: list[run_table.RunRow] = []  # noqa: RUF012
    last: list[run_table.RunRow] = []  # noqa: RUF012
    troubles: list[rows.Trouble] = []  # noqa: RUF012
    changes: list[rows.ChangeRow] = []  # noqa: RUF012

    @rx.event
    async def load(self) -> Any:
        """Fills the page and follows it."""
        return await session.opened(self, "run", "job", "endpoint", "change", "tenant")

    async def _fill(self, actor: Actor) -> None:
        now = clock.now()
        seen = await call(overview.overview, actor, now)
        listed = await call(jobs.list_all, actor, now=now)
        past = await call(_of_half_a_day, actor)
        self.hours = axis(now)
        self.tiles = rows.tiles(seen)
        self.running = run_table.rows(seen.running)
        self.last = run_table.rows(seen.last)
        self.troubles = [rows.trouble(one) for one in seen.failing]
        self.changes = [rows.change_row(change) for change in seen.changes]
        self.lanes = rows.lanes(listed.jobs, past, now)


def _of_half_a_day(db: Session, actor: Actor) -> list[wire.Run]:
    """The runs of the last twelve hours, newest first, at most 2,000."""
    which, cursor = runs.Filter(since=clock.now() - timedelta(hours=12)), None
    found: list[wire.Run] = []
    for _ in range(PAGES):
        page = runs.list_page(db, actor, which, page_size=100, cursor=cursor)
        found.extend(page.runs)
        cursor = page.next_cursor
        if cursor is None:
            break
    return found
