"""Toasts: short messages, shown by an event (``say``) or a script (``crontopus.say``).

They are in a live region of the app's root: they survive a page change and are read aloud. They disappear by
themselves, but not under pointer or focus, and may have a link or an Undo button.
"""

from __future__ import annotations

import json
from typing import Any

import reflex as rx
from reflex.event import EventSpec

STATES = ("ok", "running", "late", "failed", "accent")


def say(text: str, state: str = "ok", *, href: str = "", label: str = "Open", undo: str = "") -> EventSpec:
    """An event that shows ``text``; ``state`` is one of ``STATES``. A failed one stays until it is closed.

    ``href`` is a page of the console, linked as ``label``. ``undo`` is a key made by ``ui.undo.offer``.
    """
    if state not in STATES:
        raise ValueError(f"{state!r} is not a state of a toast: {', '.join(STATES)}")
    options = {"text": text, "state": state, "href": href, "label": label, "undo": undo}
    # JSON is valid JavaScript: any text stays text.
    return rx.call_script(f"crontopus.say({json.dumps(options)})")


def region(on_undo: Any) -> rx.Component:
    """The region of all toasts, once per app; ``on_undo`` gets ``{"key": …}``."""
    undo_form = rx.el.form(rx.el.input(type="hidden", name="key", data_take="key"), on_submit=on_undo, data_undo="")
    listed = rx.el.div(
        role="region",
        aria_label="notices",
        custom_attrs={"id": "toasts", "aria-live": "polite", "aria-relevant": "additions"},
    )
    return rx.fragment(listed, undo_form)
