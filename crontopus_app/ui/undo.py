"""Undo instead of confirmation: keeps, for one browser, the acts just done and how to reverse each."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import reflex as rx
from reflex.event import EventSpec

from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.ui import problems, session
from crontopus_app.ui.kit import toast

KEPT = 8
Act = Callable[[Actor], Awaitable[str]]


@dataclass(frozen=True)
class Offer:
    """``act`` reverses what ``user_id`` did, with the rights the user has then, and returns the toast's text."""

    user_id: str
    act: Act


class UndoState(rx.State):
    """The last acts that this browser can reverse. The browser itself gets only their keys."""

    _offers: dict[str, Offer] = {}  # noqa: RUF012 -- Reflex copies the defaults of a state

    @rx.event
    async def undo(self, form: dict[str, Any]) -> EventSpec:
        """Reverses the act of the clicked toast. Each key works once."""
        offer = self._offers.pop(str(form.get("key", "")), None)
        try:
            actor = await session.actor_of(self)
            if offer is None or offer.user_id != actor.user_id:
                return toast.say("This can no longer be undone.", "late")
            return toast.say(await offer.act(actor))
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")


async def offer(page: Any, actor: Actor, text: str, act: Act, *, state: str = "ok", href: str = "") -> EventSpec:
    """A toast event with an Undo button. The handler that did the act returns it."""
    undo_state = await page.get_state(UndoState)
    key = secrets.token_urlsafe(12)
    kept = list(undo_state._offers.items())[-(KEPT - 1) :]
    undo_state._offers = {**dict(kept), key: Offer(actor.user_id, act)}
    return toast.say(text, state, href=href, undo=key)
