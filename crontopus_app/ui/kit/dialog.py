"""Dialogs on the browser's own <dialog>; ``assets/js/dialogs.js`` opens them without a request to the server.

The browser traps the focus, closes on Esc and makes the rest inert; the script returns the focus to the opener.
"""

from __future__ import annotations

from typing import Any

import reflex as rx


def dialog(
    name: str, title: Any, *body: Any, acts: tuple[rx.Component, ...] = (), close: str = "Close"
) -> rx.Component:
    """A dialog with the id ``name``; ``acts`` are buttons after the one that closes it.

    A button with ``data_close=""`` closes the dialog too.
    """
    foot = rx.el.div(rx.el.button(close, type="button", data_close=""), *acts, class_name="acts")
    return _frame(name, title, *body, foot)


def confirm(
    name: str, title: Any, *body: Any, act: Any, on_submit: Any, takes: tuple[str, ...] = (), danger: bool = True
) -> rx.Component:
    """A confirmation: ``body`` says what the act will do and where. ``on_submit`` gets a dict of the fields ``takes``.

    One dialog serves a whole table: each row's opener passes its own values (``opens(…, id=row.id)``). The handler
    receives them as text and must validate them, as anything from a browser.
    """
    fields = [rx.el.input(type="hidden", name=_word(key), data_take=key) for key in takes]
    foot = rx.el.div(
        rx.el.button("Cancel", type="button", data_close=""),
        rx.el.button(act, type="submit", class_name="danger solid" if danger else "primary"),
        class_name="acts",
    )
    return _frame(name, title, rx.el.form(*fields, *body, foot, on_submit=on_submit, data_closes=""))


def opens(label: Any, name: str, /, *, css: Any = "", on_click: Any = None, **gives: Any) -> rx.Component:
    """A button that opens the dialog ``name`` and passes it ``gives``: texts for ``given``, values for ``takes``.

    ``on_click`` may load what the dialog shows meanwhile.
    """
    props: dict[str, Any] = {f"data_give_{_word(key)}": value for key, value in gives.items()}
    if on_click is not None:
        props["on_click"] = on_click
    return rx.el.button(label, type="button", class_name=css, data_open=name, aria_haspopup="dialog", **props)


def given(key: str) -> rx.Component:
    """The text that the opener passed under this name."""
    return rx.el.b(data_given=_word(key))


def _frame(name: str, title: Any, *body: Any) -> rx.Component:
    heading = rx.el.h2(title, custom_attrs={"id": f"{name}-title"})
    return rx.el.dialog(heading, *body, custom_attrs={"id": name, "aria-labelledby": f"{name}-title"})


def _word(key: str) -> str:
    """Checks that ``key`` reads the same in Python, as an attribute and in the script; raises ValueError."""
    if not key.isalpha() or not key.islower():
        raise ValueError(f"{key!r}: a dialog's field is named by one lower-case word")
    return key
