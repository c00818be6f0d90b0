"""State of the Overview."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import reflex as rx
from sqlmodel import Session

from crontopus_app.base.actor import Actor
from crontopus_app.queries import overview, timeline
from crontopus_app.ui import session
from crontopus_app.ui.call import moment, shared
from crontopus_app.ui.kit import day_chart, run_table
from crontopus_app.ui.overview import rows

# A field is sent whole: lanes that change within so many seconds are sent apart, in ``fresh``.
KEPT_S = 5.0
NO_TILES = rows.Tiles()


@dataclass(frozen=True)
class Newest:
    """What changes with every run."""

    tiles: rows.Tiles = NO_TILES
    last: tuple[run_table.RunRow, ...] = ()


@dataclass(frozen=True)
class News:
    """What changes with people, and when something begins or ceases to fail."""

    troubles: tuple[rows.TroubleRow, ...] = ()
    more: int = 0
    changes: tuple[rows.RecentChange, ...] = ()
    jobs: int = 0


@dataclass(frozen=True)
class _View:
    grid: day_chart.Grid
    lanes: tuple[day_chart.LaneRow, ...]
    going: tuple[day_chart.RunningBar, ...]
    newest: Newest
    news: News


class OverviewState(rx.State):
    """All that the first page shows; ``fresh`` are lanes that changed since ``lanes`` were sent."""

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
        """Fills the page and follows it."""
        self._base = ()
        return await session.opened(self, "run", "job", "endpoint", "change", "tenant")

    async def _fill(self, actor: Actor) -> None:
        now = moment()
        view = await shared(_view, actor, now)
        self._draw(view, now.timestamp())
        for name in ("grid", "newest", "news"):
            session.put(self, name, getattr(view, name))
        session.put(self, "going", list(view.going))

    def _draw(self, view: _View, at: float) -> None:
        """All lanes at most every few seconds; until then the changed ones apart."""
        same_lanes = [row.key for row in self._base] == [row.key for row in view.lanes]
        changed = day_chart.changed(self._base, view.lanes) if same_lanes else {}
        if same_lanes and (not changed or at < self._sent + KEPT_S):
            session.put(self, "fresh", changed)
            return
        self._base, self._sent = view.lanes, at
        self.lanes, self.fresh = list(view.lanes), {}


def _view(db: Session, actor: Actor, now: datetime) -> _View:
    """The page of everybody in the tenant, made once for all who look."""
    at = day_chart.drawn_at(now)
    day, seen = timeline.day(db, actor, now), overview.overview(db, actor, now)
    changes = tuple(rows.change_row(change) for change in seen.changes)
    return _View(
        day_chart.grid(at),
        tuple(day_chart.lane_row(lane, at) for lane in day.lanes),
        tuple(day_chart.going(day, at)),
        Newest(rows.tiles(seen), tuple(run_table.rows(seen.last))),
        News(tuple(rows.trouble(one) for one in seen.failing), seen.failing_more, changes, day.jobs),
    )
