"""State of the Search page. The search text is in the address."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.queries import search
from crontopus_app.ui import session
from crontopus_app.ui.call import call
from crontopus_app.ui.search import rows

SHOWN = 20


class SearchState(rx.State):
    """The results, by kind."""

    ready: bool = False
    problem: str = ""
    text: str = ""
    groups: list[rows.GroupRow] = []  # noqa: RUF012 -- Reflex copies the defaults of a state

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events."""
        return await session.opened(self, "job", "endpoint")

    async def _fill(self, actor: Actor) -> None:
        self.text = session.query_of(self, "q")[: search.LONGEST]
        self.groups = rows.groups(await call(search.find, actor, self.text, clock.now(), SHOWN))
