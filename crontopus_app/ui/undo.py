"""Undo in place of "are you sure?": what a handler just did is kept with how to take it back, for this browser only."""

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
    """Whose act it was; ``act`` takes it back with the rights its user has then, and gives the words about it."""

    user_id: str
    act: Act


class UndoState(rx.State):
    """What this browser can still take back: never sent to it, which knows the keys only."""

    _offers: dict[str, Offer] = {}  # noqa: RUF012 -- Reflex copies the defaults of a state

    @rx.event
    async def undo(self, form: dict[str, Any]) -> EventSpec:
        """Takes back the act of the toast that was clicked, once."""
        offer = self._offers.pop(str(form.get("key", "")), None)
        try:
            actor = await session.actor_of(self)
            if offer is None or offer.user_id != actor.user_id:
                return toast.say("This cannot be undone any more.", "late")
            return toast.say(await offer.act(actor))
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")


async def offer(page: Any, actor: Actor, text: str, act: Act, *, state: str = "ok", href: str = "") -> EventSpec:
    """The event that says ``text`` with an undo: return it from the handler that has done the thing."""
    held = await page.get_state(UndoState)
    key = secrets.token_urlsafe(12)
    kept = list(held._offers.items())[-(KEPT - 1) :]
    held._offers = {**dict(kept), key: Offer(actor.user_id, act)}
    return toast.say(text, state, href=href, undo=key)
