"""Events whose arguments no page of ours can have sent are refused before a handler sees them.

Each handler is an endpoint that any client may call with anything: a form is a dict, and nothing is missing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, get_origin, get_type_hints

import reflex as rx
from reflex.event import Event
from reflex.state import BaseState, StateUpdate
from reflex_base.registry import RegistrationContext

from crontopus_app.ui.kit import toast

REFUSAL = "The server did not understand the page: reload it and try again."


class Payloads(rx.Middleware):
    """Refuses such events with a toast; Reflex's own handlers check for themselves."""

    async def preprocess(self, app: rx.App, state: BaseState, event: Event) -> StateUpdate | None:  # noqa: ARG002
        registered = RegistrationContext.get().event_handlers.get(event.name)
        handler = registered.handler.fn if registered else None
        if handler is None or not handler.__module__.startswith("crontopus_app.") or fits(handler, event.payload):
            return None
        return StateUpdate(events=Event.from_event_type(toast.say(REFUSAL, "failed")))


def fits(handler: Callable[..., Any], payload: object) -> bool:
    """Whether ``handler(self, **payload)`` is given what it names, of the types that it says."""
    wanted = _wanted(handler)
    if not isinstance(payload, Mapping) or set(payload) != set(wanted):
        return False
    return all(_is(value, wanted[name]) for name, value in payload.items())


@lru_cache(maxsize=256)
def _wanted(handler: Callable[..., Any]) -> dict[str, Any]:
    hints = get_type_hints(handler)
    return {name: hints.get(name, Any) for name in list(inspect.signature(handler).parameters)[1:]}


def _is(value: object, hint: Any) -> bool:
    kind = get_origin(hint) or hint
    if kind is Any or not isinstance(kind, type):
        return True
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
