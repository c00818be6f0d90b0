"""Toasts: short words about what has just happened, said by an event (``say``) or a script (``crontopus.say``).

They lie in a live region of the app's root, so they outlive a change of page and are read aloud. They go by themselves,
stay under pointer or focus, and may carry a link or an undo.
"""

from __future__ import annotations

import json
from typing import Any

import reflex as rx
from reflex.event import EventSpec

STATES = ("ok", "running", "late", "failed", "accent")


def say(text: str, state: str = "ok", *, href: str = "", label: str = "Open", undo: str = "") -> EventSpec:
    """An event that says ``text``; ``state`` is one of ``STATES``. A failed one stays until it is closed.

    ``href`` is one of our pages, linked as ``label``. ``undo`` is a key of ``ui.undo``: see ``undo.offer`` there.
    """
    if state not in STATES:
        raise ValueError(f"{state!r} is no state of a toast")
    told = {"text": text, "state": state, "href": href, "label": label, "undo": undo}
    # JSON is JavaScript: whatever the text holds stays text. The script may be late, the first toast too.
    return rx.call_script(f"crontopus.say({json.dumps(told)})")


def region(on_undo: Any) -> rx.Component:
    """Where toasts lie, once for the whole app; ``on_undo`` is given the key as ``{"key": …}``."""
    asked = rx.el.form(rx.el.input(type="hidden", name="key", data_take="key"), on_submit=on_undo, data_undo="")
    listed = rx.el.div(
        role="region",
        aria_label="notices",
        custom_attrs={"id": "toasts", "aria-live": "polite", "aria-relevant": "additions"},
    )
    return rx.fragment(listed, asked)
