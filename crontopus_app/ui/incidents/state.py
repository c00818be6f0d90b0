"""States of the pages Incidents and Incident."""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex.event import EventSpec
from sqlmodel import Session

from contract import wire_alerts
from crontopus_app.alerts import board
from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import change, moment, shared
from crontopus_app.ui.incidents import rows
from crontopus_app.ui.kit import filters, toast
from crontopus_app.ui.kit.filters import Pages, Pill

PAGE = 50
NOBODY = "There is no channel"


class IncidentsState(rx.State):
    """A page of incidents. Its filters are in the address. ``untold``: no channel exists."""

    ready: bool = False
    problem: str = ""
    rows: list[rows.IncidentRow] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    pills: list[Pill] = []  # noqa: RUF012
    pages: Pages = Pages()
    filtered: bool = False
    untold: bool = False

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events."""
        return await session.opened(self, "incident")

    async def _fill(self, actor: Actor) -> None:
        query = {name: session.query_of(self, name) for name in rows.FILTERS}
        number = filters.page_number(session.query_of(self, "page"))
        state = query["state"] if query["state"] in rows.STATES else "open"
        listed = await shared(_page, actor, moment(), state, query["job"], query["endpoint"], number)
        session.put(self, "rows", [rows.incident(one) for one in listed.incidents])
        session.put(self, "pills", rows.pills(query))
        session.put(self, "filtered", state != "open" or bool(query["job"] or query["endpoint"]))
        session.put(self, "untold", any(one.handling_reason.startswith(NOBODY) for one in listed.incidents))
        more = number * PAGE < listed.total
        turn = {
            step: filters.address("/incidents", query | {"page": filters.page_word(number + step)}) for step in (-1, 1)
        }
        summary = f"{listed.total} in all" if listed.total > PAGE else ""
        session.put(self, "pages", Pages(turn[-1] if number > 1 else "", turn[1] if more else "", summary))


def _page(db: Session, actor: Actor, now: Any, state: str, job: str, endpoint: str, number: int) -> Any:
    return board.list_page(db, actor, now, state=state, job=job, endpoint=endpoint, page=number, page_size=PAGE)


def _show(db: Session, actor: Actor, incident_id: str, now: Any) -> wire_alerts.IncidentDetail:
    return board.show(db, actor, incident_id, now)


class IncidentState(rx.State):
    """One incident with its timeline."""

    ready: bool = False
    problem: str = ""
    incident: rows.IncidentRow = rows.IncidentRow()
    timeline: list[rows.TimelineRow] = []  # noqa: RUF012 -- Reflex copies the defaults of a state

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events."""
        return await session.opened(self, "incident")

    async def _fill(self, actor: Actor) -> None:
        detail = await shared(_show, actor, session.path_of(self)[1], moment())
        session.put(self, "incident", rows.incident(detail.incident))
        session.put(self, "timeline", rows.timeline(detail))

    @rx.event
    async def acknowledge(self) -> EventSpec:
        """Notes that the user takes care of it."""
        return await self._act("No more reminders. You have taken it.", board.acknowledge)

    @rx.event
    async def snooze(self, form: dict[str, Any]) -> EventSpec:
        """Sends nothing for the chosen time; 0 ends the snooze."""
        minutes = str(form.get("minutes") or "")
        if not minutes.isdecimal() or len(minutes) > 6:
            return toast.say("Choose how long nothing is sent.", "failed")
        words = "Snoozed." if int(minutes) else "Messages are sent again."
        return await self._act(words, board.snooze, int(minutes))

    @rx.event
    async def comment(self, form: dict[str, Any]) -> EventSpec:
        """Adds a comment to the timeline."""
        return await self._act("Comment added.", board.comment, str(form.get("text") or ""))

    async def _act(self, words: str, service: Any, *values: Any) -> EventSpec:
        try:
            actor = await session.actor_of(self)
            await change(service, actor, self.incident.id, *values, clock.now())
            await session.fill(self, actor)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")
        return toast.say(words)
