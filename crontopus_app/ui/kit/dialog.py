"""Dialogs: the browser's own <dialog>, opened by ``assets/js/dialogs.js`` without asking the server.

The browser keeps the focus inside, closes on Esc and makes the rest inert; the script gives the focus back to what
opened it.
"""

from __future__ import annotations

from typing import Any

import reflex as rx


def dialog(
    name: str, title: Any, *body: Any, acts: tuple[rx.Component, ...] = (), close: str = "Close"
) -> rx.Component:
    """A dialog called ``name``, unique on its page; ``acts`` stand after the button that closes it.

    An act closes the dialog too where it has ``data_close=""``.
    """
    foot = rx.el.div(rx.el.button(close, type="button", data_close=""), *acts, class_name="acts")
    return _frame(name, title, *body, foot)


def confirm(
    name: str, title: Any, *body: Any, act: Any, on_submit: Any, takes: tuple[str, ...] = (), danger: bool = True
) -> rx.Component:
    """Asks before an act: ``body`` says what it will do where. ``on_submit`` is given a dict with what ``takes`` names.

    One such dialog serves a whole table: each row's opener gives its own values (``opens(…, id=row.id)``), which the
    handler receives as text, unchecked as all that comes from a browser.
    """
    fields = [rx.el.input(type="hidden", name=_word(key), data_take=key) for key in takes]
    foot = rx.el.div(
        rx.el.button("Cancel", type="button", data_close=""),
        rx.el.button(act, type="submit", class_name="danger solid" if danger else "primary"),
        class_name="acts",
    )
    return _frame(name, title, rx.el.form(*fields, *body, foot, on_submit=on_submit, data_closes=""))


def opens(label: Any, name: str, /, *, css: Any = "", on_click: Any = None, **gives: Any) -> rx.Component:
    """A button that opens the dialog ``name`` and gives it ``gives``: words for ``given``, values for ``takes``.

    ``on_click`` may ask the server meanwhile for what the dialog shows.
    """
    given: dict[str, Any] = {f"data_give_{_word(key)}": value for key, value in gives.items()}
    if on_click is not None:
        given["on_click"] = on_click
    return rx.el.button(label, type="button", class_name=css, data_open=name, aria_haspopup="dialog", **given)


def given(key: str) -> rx.Component:
    """What the opener gave under this name, as text within the dialog."""
    return rx.el.b(data_given=_word(key))


def _frame(name: str, title: Any, *body: Any) -> rx.Component:
    heading = rx.el.h2(title, custom_attrs={"id": f"{name}-title"})
    return rx.el.dialog(heading, *body, custom_attrs={"id": name, "aria-labelledby": f"{name}-title"})


def _word(key: str) -> str:
    """A name that is the same in Python, in an attribute and in the script."""
    if not key.isalpha() or not key.islower():
        raise ValueError(f"{key!r}: what a dialog is given is named by one lower-case word")
    return key
