"""Tokens: for scripts, and for hosts that join."""

from __future__ import annotations

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.kit import dialog, form_key, host_tokens, parts, skeleton
from crontopus_app.ui.tokens.rows import SCOPES, ApiTokenRow
from crontopus_app.ui.tokens.state import TokensState as State

HEADS = ["Name", "Scopes", "Last used", "Expires", ""]


def tokens() -> rx.Component:
    """``/tokens``."""
    none = rx.el.p("None yet. Scripts and the command line use them.", class_name="muted pane")
    listed = parts.table(HEADS, rx.foreach(State.tokens, _token))
    return shell.frame(
        "Tokens",
        "Tokens",
        State,
        rx.cond(State.made, _made()),
        parts.card("API tokens", rx.cond(State.tokens, listed, none), flush=True),
        rx.el.div(_make(), _enrolment(), class_name="cols even"),
        _confirmations(),
        shape=skeleton.waiting(
            skeleton.rows(4, head=skeleton.TITLED), skeleton.beside(skeleton.block(330), skeleton.block(330))
        ),
    )


def _made() -> rx.Component:
    use = rx.el.p(
        "It is shown only now. Send it as ",
        rx.el.span("Authorization: Bearer ctp_…", class_name="mono"),
        ", or give it to ",
        rx.el.span("crontopus auth login --token -", class_name="mono"),
        class_name="muted",
    )
    title = rx.fragment("Your new token ", State.made_name)
    return rx.el.div(parts.card(title, parts.copy_line(State.made), use), role="status", custom_attrs={"id": "made"})


def _make() -> rx.Component:
    wrong = State.wrong
    form = rx.el.form(
        form_key.hidden(State.form_key),
        rx.el.div(
            parts.field("Name", rx.el.input(name="name", required=True, max_length=100), wrong["name"]),
            parts.field(
                "Valid for days",
                rx.el.input(name="days", type="number", default_value="90", min=1, max=3650),
                wrong["expires_in_days"],
                "empty: until it is revoked",
            ),
            class_name="two",
        ),
        rx.el.fieldset(
            rx.el.legend("It may", class_name="hint"), *[_scope(*pair) for pair in SCOPES], class_name="plainset scopes"
        ),
        rx.cond(wrong["scopes"], rx.el.div(wrong["scopes"], class_name="wrong", role="alert")),
        rx.cond(wrong[""], rx.el.div(wrong[""], class_name="wrong", role="alert")),
        rx.el.div(rx.el.button("Make a token", type="submit", class_name="primary")),
        on_submit=State.create,
        class_name="form",
    )
    return parts.card("New API token", form, note="writing implies reading")


def _scope(name: str, words: str) -> rx.Component:
    said = rx.el.span(rx.el.span(name, class_name="mono"), rx.el.small(words))
    return rx.el.label(rx.el.input(type="checkbox", name=name), said, class_name="check")


def _token(token: ApiTokenRow) -> rx.Component:
    return rx.el.tr(
        rx.el.td(token.name),
        rx.el.td(token.scopes, class_name="mono muted wrap"),
        rx.el.td(rx.cond(token.used, parts.when(token.used), "never"), class_name="muted"),
        rx.el.td(host_tokens.expiry(token.expires)),
        rx.el.td(host_tokens.revoke(token, "revoke"), class_name="act"),
        key=token.id,
    )


def _enrolment() -> rx.Component:
    none = rx.el.p("None yet. A host joins with one.", class_name="muted pane")
    listed = host_tokens.table(State.enrolment)
    aside = parts.aside(parts.link("Enrol a host", "/enrol"))
    return parts.card("Enrolment tokens", rx.cond(State.enrolment, listed, none), flush=True, aside=aside)


def _confirmations() -> rx.Component:
    return rx.fragment(
        dialog.confirm(
            "revoke",
            "Revoke this token",
            rx.el.p(
                "Scripts with ", dialog.given("name"), " get 401 at once. This cannot be undone: they need a new one."
            ),
            act="Revoke it",
            on_submit=State.revoke,
            takes=("id",),
        ),
        host_tokens.confirmation(State.revoke_enrolment),
    )
