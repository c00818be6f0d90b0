"""Validates the payload of each event before its handler runs: argument names and types must match the handler's.

Any client can call any handler with any payload. Handlers rely on it: a form is a dict, and no argument is missing.
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

REFUSAL = "The page is out of date. Reload it and try again."


class Payloads(rx.Middleware):
    """Rejects events with an invalid payload with a toast. Reflex's own handlers validate theirs."""

    async def preprocess(self, app: rx.App, state: BaseState, event: Event) -> StateUpdate | None:  # noqa: ARG002
        registered = RegistrationContext.get().event_handlers.get(event.name)
        handler = registered.handler.fn if registered else None
        if handler is None or not handler.__module__.startswith("crontopus_app.") or fits(handler, event.payload):
            return None
        return StateUpdate(events=Event.from_event_type(toast.say(REFUSAL, "failed")))


def fits(handler: Callable[..., Any], payload: object) -> bool:
    """Whether ``payload`` holds exactly the handler's arguments, each of its annotated type."""
    expected = _argument_types(handler)
    if not isinstance(payload, Mapping) or set(payload) != set(expected):
        return False
    return all(_is_instance(value, expected[name]) for name, value in payload.items())


@lru_cache(maxsize=256)
def _argument_types(handler: Callable[..., Any]) -> dict[str, Any]:
    hints = get_type_hints(handler)
    return {name: hints.get(name, Any) for name in list(inspect.signature(handler).parameters)[1:]}


def _is_instance(value: object, hint: Any) -> bool:
    kind = get_origin(hint) or hint
    if kind is Any or not isinstance(kind, type):
        return True
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
