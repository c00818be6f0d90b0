"""State of the New and Edit pages."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.jobs import changes
from crontopus_app.ui import session
from crontopus_app.ui.call import change, outside
from crontopus_app.ui.edit import conflict as conflicts
from crontopus_app.ui.edit import draft, messages, rows, transitions


class EditState(rx.State):
    """One manifest being edited. The browser holds its text; the state holds errors, forecast, plan, save status."""

    ready: bool = False
    problem: str = ""
    head: rows.EditHead = rows.EditHead()
    answer: str = ""
    check: rows.Check = rows.Check()
    plan: rows.PlanShown = rows.PlanShown()
    saved: rows.SaveStatus = rows.SaveStatus()
    conflict: conflicts.EditConflict = conflicts.EditConflict()
    _draft: draft.Draft = draft.Draft()
    _opening: bool = False

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events. Events never overwrite what is typed."""
        self._opening = True
        return await session.opened(self, "job", "change", "endpoint")

    async def _fill(self, actor: Actor) -> None:
        if self._opening:
            await transitions.begin(self, actor)
            self._opening = False  # after success only: a job that does not exist yet is opened once it does
        else:
            await transitions.follow(self, actor)

    @rx.event
    async def sent(self, form: dict[str, Any]) -> None:
        """Handles a message of the script: typing, a restored draft, or Merge."""
        try:
            message = messages.read(form, self._draft.place)
            actor = await session.actor_of(self)
            await (transitions.merge_theirs if message.side == "merge" else transitions.take)(self, actor, message)
        except CrontopusError as error:
            self.saved = transitions.refused(error)

    @rx.event
    async def choose(self, index: int, side: str) -> None:
        """Chooses a side of one conflict."""
        on = self._draft
        is_conflict = on.theirs is not None and 0 <= index < len(on.pieces) and on.pieces[index].text is None
        if on.theirs is not None and is_conflict and side in conflicts.SIDES:
            self._draft = on._replace(choices={**on.choices, index: side})
            self.conflict = conflicts.opened(on.theirs.commit, on.pieces, self._draft.choices)

    @rx.event
    async def settle(self, side: str) -> None:
        """Resolves the conflict: ``chosen`` sides, all ``mine``, all ``theirs``, or ``later``."""
        on = self._draft
        if on.theirs is None or side not in ("chosen", "later", *conflicts.SIDES):
            return
        if side == "later":
            self.conflict = conflicts.of("noticed", on.theirs.commit)
            return
        whole = conflicts.all_of(on.pieces, side) if side in conflicts.SIDES else ""
        text = whole or conflicts.settled(on.pieces, on.choices)
        try:
            if text is not None:
                await transitions.rebase(self, await session.actor_of(self), text)
        except CrontopusError as error:
            self.saved = transitions.refused(error)

    @rx.event(background=True)
    async def save(self, form: dict[str, Any]) -> Any:
        """Commits what was sent. Runs in the background: typing goes on meanwhile."""
        try:
            async with self:
                message = messages.read(form, self._draft.place)
                self.saved, on = rows.SaveStatus("saving", "Saving"), self._draft
                actor = await session.actor_of(self)
        except CrontopusError as error:
            async with self:
                self.saved = transitions.refused(error)
            return None
        try:
            on, made = await change(draft.submitted, actor, on, message)
            await outside(changes.wait, made.id)
        except CrontopusError as error:
            async with self:
                await transitions.refuse(self, actor, message, error)
            return None
        async with self:
            self._draft = on
            return await transitions.show_save(self, actor, message)
