"""State of the Overview page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import reflex as rx
from reflex.event import EventSpec
from sqlmodel import Session

from crontopus_app.alerts import board
from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.queries import overview, timeline
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import change, moment, shared
from crontopus_app.ui.kit import day_chart, run_table, toast
from crontopus_app.ui.overview import rows

# A field is sent as a whole: within this many seconds only changed lanes are sent, in ``fresh``.
KEPT_S = 5.0


@dataclass(frozen=True)
class Newest:
    """What changes with every run."""

    tiles: tuple[rows.Tile, ...] = ()
    last: tuple[run_table.RunRow, ...] = ()


@dataclass(frozen=True)
class News:
    """What changes with edits, and when a job starts or stops failing. ``all_clear`` is empty if something is wrong."""

    notices: tuple[rows.Notice, ...] = ()
    troubles: tuple[rows.TroubleRow, ...] = ()
    more: int = 0
    changes: tuple[rows.RecentChange, ...] = ()
    jobs: int = 0
    all_clear: str = ""


@dataclass(frozen=True)
class _View:
    grid: day_chart.Grid
    lanes: tuple[day_chart.LaneRow, ...]
    going: tuple[day_chart.RunningBar, ...]
    newest: Newest
    news: News


class OverviewState(rx.State):
    """The page's data. ``fresh`` holds the lanes that changed since ``lanes`` was sent."""

    ready: bool = False
    problem: str = ""
    grid: day_chart.Grid = day_chart.Grid()
    lanes: list[day_chart.LaneRow] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    fresh: dict[str, day_chart.LaneRow] = {}  # noqa: RUF012
    going: list[day_chart.RunningBar] = []  # noqa: RUF012
    newest: Newest = Newest()
    news: News = News()
    _base: tuple[day_chart.LaneRow, ...] = ()
    _sent: float = 0.0

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events."""
        self._base = ()
        return await session.opened(self, "run", "job", "endpoint", "change", "incident", "tenant")

    async def _fill(self, actor: Actor) -> None:
        now = moment()
        view = await shared(_view, actor, now)
        self._draw(view, now.timestamp())
        for name in ("grid", "newest", "news"):
            session.put(self, name, getattr(view, name))
        session.put(self, "going", list(view.going))

    @rx.event
    async def acknowledge(self, incident: str) -> EventSpec:
        """Notes that the user takes care of the incident."""
        try:
            actor = await session.actor_of(self)
            await change(board.acknowledge, actor, incident, clock.now())
            await session.fill(self, actor)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")
        return toast.say("No more reminders. You have taken it.")

    def _draw(self, view: _View, at: float) -> None:
        """Sends all lanes at most every ``KEPT_S`` seconds, until then only the changed ones."""
        same_lanes = [row.key for row in self._base] == [row.key for row in view.lanes]
        changed = day_chart.changed(self._base, view.lanes) if same_lanes else {}
        if same_lanes and (not changed or at < self._sent + KEPT_S):
            session.put(self, "fresh", changed)
            return
        self._base, self._sent = view.lanes, at
        self.lanes, self.fresh = list(view.lanes), {}


def _view(db: Session, actor: Actor, now: datetime) -> _View:
    """The page's data, the same for everybody in the tenant."""
    at = day_chart.drawn_at(now)
    day, data = timeline.day(db, actor, now), overview.overview(db, actor, now)
    troubles = (*(rows.trouble(one) for one in data.failing), *rows.others(data))
    changes = tuple(rows.change_row(change) for change in data.changes)
    return _View(
        day_chart.grid(at),
        tuple(day_chart.lane_row(lane, at) for lane in day.lanes),
        tuple(day_chart.going(day, at)),
        Newest(rows.tiles(data), tuple(run_table.rows(data.last))),
        News(rows.notices(data), troubles, data.failing_more, changes, day.jobs, rows.all_clear(data)),
    )
