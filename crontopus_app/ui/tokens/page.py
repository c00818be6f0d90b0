"""API tokens."""

from __future__ import annotations

import reflex as rx

from crontopus_app.services.actor import SCOPES
from crontopus_app.ui import shell
from crontopus_app.ui.kit import parts
from crontopus_app.ui.tokens.state import TokenRow
from crontopus_app.ui.tokens.state import TokensState as State

HEADS = ["Name", "Scopes", "Last used", "Expires", ""]


def tokens() -> rx.Component:
    """``/tokens``."""
    none = rx.el.p("None yet. The CLI and scripts use them: Authorization: Bearer ctp_…", class_name="muted pane")
    listed = parts.table(HEADS, rx.foreach(State.tokens, _token))
    return shell.frame(
        "Tokens",
        "Tokens",
        State,
        rx.cond(State.made, _made()),
        parts.card("API tokens", rx.cond(State.tokens, listed, none), flush=True),
        _make(),
    )


def _made() -> rx.Component:
    return parts.card(
        "Your new token", parts.copy_line(State.made), rx.el.p("It is shown only now.", class_name="muted")
    )


def _make() -> rx.Component:
    boxes = [
        rx.el.label(rx.el.input(type="checkbox", name=scope), rx.el.span(scope, class_name="mono"), class_name="check")
        for scope in sorted(SCOPES)
    ]
    form = rx.el.form(
        rx.el.div(
            parts.field("Name", rx.el.input(name="name", required=True, max_length=100)),
            parts.field("Valid for days", rx.el.input(name="days", type="number", default_value="90", min=1, max=3650)),
            class_name="two",
        ),
        rx.el.fieldset(rx.el.legend("Scopes", class_name="hint"), *boxes, class_name="flex plainset"),
        rx.cond(State.wrong, rx.el.div(State.wrong, class_name="wrong", role="alert")),
        rx.el.div(rx.el.button("Make a token", type="submit", class_name="primary")),
        on_submit=State.create,
        class_name="form",
    )
    return parts.card("New token", form, note="writing implies reading")


def _token(token: TokenRow) -> rx.Component:
    drop = rx.el.button(
        "Revoke", on_click=State.revoke(token.id), class_name="danger", aria_label=f"revoke {token.name}"
    )
    return rx.el.tr(
        rx.el.td(token.name),
        rx.el.td(token.scopes, class_name="mono muted wrap"),
        rx.el.td(rx.cond(token.used, parts.when(token.used), "never"), class_name="muted"),
        rx.el.td(rx.cond(token.expires, parts.when(token.expires), "never")),
        rx.el.td(rx.cond(token.revoked, rx.el.span("revoked", class_name="muted"), drop)),
    )
