"""The Tokens page: API tokens for scripts, enrolment tokens for hosts, ping keys for jobs without an agent."""

from __future__ import annotations

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.kit import dialog, form_key, host_tokens, parts, skeleton
from crontopus_app.ui.tokens.rows import SCOPES, ApiTokenRow, PingKeyRow
from crontopus_app.ui.tokens.state import TokensState as State

HEADS = ["Name", "Scopes", "Last used", "Expires", ""]


def tokens() -> rx.Component:
    """``/tokens``."""
    none = rx.el.p("No API tokens yet. Scripts and the command line use them.", class_name="muted pane")
    listed = parts.table(HEADS, rx.foreach(State.tokens, _token))
    return shell.frame(
        "Tokens",
        "Tokens",
        State,
        rx.cond(State.new_token, _new_token()),
        parts.card("API tokens", rx.cond(State.tokens, listed, none), flush=True),
        rx.el.div(_form(), _enrolment(), class_name="cols even"),
        _ping_keys(),
        _confirmations(),
        shape=skeleton.waiting(
            skeleton.rows(4, head=skeleton.TITLED), skeleton.beside(skeleton.block(330), skeleton.block(330))
        ),
    )


def _new_token() -> rx.Component:
    use = rx.el.p(
        "It is shown only once. Send it as ",
        rx.el.span("Authorization: Bearer ctp_…", class_name="mono"),
        ", or pipe it to ",
        rx.el.span("crontopus auth login --token -", class_name="mono"),
        class_name="muted",
    )
    title = rx.fragment("New token ", State.new_token_name)
    card = parts.card(title, parts.copy_line(State.new_token), use)

    return rx.el.div(card, role="status", custom_attrs={"id": "made"})


def _form() -> rx.Component:
    wrong = State.wrong
    form = rx.el.form(
        form_key.hidden(State.form_key),
        rx.el.div(
            parts.field("Name", rx.el.input(name="name", required=True, max_length=100), wrong["name"]),
            parts.field(
                "Valid for (days)",
                rx.el.input(name="days", type="number", default_value="90", min=1, max=3650),
                wrong["expires_in_days"],
                "Leave empty for no expiry",
            ),
            class_name="two",
        ),
        rx.el.fieldset(
            rx.el.legend("Scopes", class_name="hint"), *[_scope(*pair) for pair in SCOPES], class_name="plainset scopes"
        ),
        rx.cond(wrong["scopes"], rx.el.div(wrong["scopes"], class_name="wrong", role="alert")),
        rx.cond(wrong[""], rx.el.div(wrong[""], class_name="wrong", role="alert")),
        rx.el.div(rx.el.button("Create token", type="submit", class_name="primary")),
        on_submit=State.create,
        class_name="form",
    )
    return parts.card("New API token", form, note="write includes read")


def _scope(name: str, words: str) -> rx.Component:
    text = rx.el.span(rx.el.span(name, class_name="mono"), rx.el.small(words))
    return rx.el.label(rx.el.input(type="checkbox", name=name), text, class_name="check")


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
    none = rx.el.p("No enrolment tokens yet. A host needs one to join.", class_name="muted pane")
    listed = host_tokens.table(State.enrolment)
    aside = parts.aside(parts.link("Enrol a host", "/enrol"))
    return parts.card("Enrolment tokens", rx.cond(State.enrolment, listed, none), flush=True, aside=aside)


def _ping_keys() -> rx.Component:
    """URLs by the name of a job without an agent."""
    form = rx.el.form(
        form_key.hidden(State.form_key),
        parts.field("Name of a ping key", rx.el.input(name="name", required=True, max_length=100), State.key_wrong),
        rx.el.div(rx.el.button("Create ping key", type="submit")),
        on_submit=State.create_ping_key,
        reset_on_submit=True,
        class_name="form",
    )
    listed = parts.table(["Name", "URL", "Created", ""], rx.foreach(State.ping_keys, _ping_key))
    note = "for jobs without an agent: request the URL with the job's name when it ends"
    return parts.card(
        "Ping keys", rx.cond(State.ping_keys, listed), rx.el.div(form, class_name="pane"), flush=True, note=note
    )


def _ping_key(key: PingKeyRow) -> rx.Component:
    return rx.el.tr(
        rx.el.td(key.name),
        rx.el.td(rx.cond(key.url, parts.copy_line(key.url), "–"), class_name="wrap"),
        rx.el.td(parts.when(key.created), class_name="muted"),
        rx.el.td(host_tokens.revoke(key, "revoke-ping-key"), class_name="act"),
        key=key.id,
    )


def _confirmations() -> rx.Component:
    return rx.fragment(
        dialog.confirm(
            "revoke",
            "Revoke API token",
            rx.el.p(
                dialog.given("name"), " stops working immediately. This cannot be undone: scripts need a new token."
            ),
            act="Revoke token",
            on_submit=State.revoke,
            takes=("id",),
        ),
        host_tokens.confirmation(State.revoke_enrolment),
        dialog.confirm(
            "revoke-ping-key",
            "Revoke ping key",
            rx.el.p("Pings with ", dialog.given("name"), " are refused from now on: jobs that use it are missed."),
            act="Revoke key",
            on_submit=State.revoke_ping_key,
            takes=("id",),
        ),
    )
