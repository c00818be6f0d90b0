"""The Enrol page: an enrolment token and the commands to run on the host."""

from __future__ import annotations

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.enrol.state import INSTALL
from crontopus_app.ui.enrol.state import EnrolState as State
from crontopus_app.ui.kit import form_key, host_tokens, parts, skeleton


def enrol() -> rx.Component:
    """``/enrol``."""
    return shell.frame(
        "Enrol a host",
        "Enrol a host",
        State,
        rx.el.div(_make(), _commands(), class_name="cols even"),
        parts.card(
            "Enrolment tokens",
            rx.cond(
                State.tokens,
                host_tokens.table(State.tokens),
                rx.el.p("No enrolment tokens yet. A host needs one to join.", class_name="muted pane"),
            ),
            flush=True,
        ),
        host_tokens.confirmation(State.revoke),
        shape=skeleton.forms(),
    )


def _make() -> rx.Component:
    days = rx.el.input(name="days", type="number", default_value="7", min=1, max=3650)
    form = rx.el.form(
        form_key.hidden(State.form_key),
        parts.field("Name", rx.el.input(name="name", default_value="hosts", required=True, max_length=100)),
        rx.el.div(
            parts.field("Valid for (days)", days),
            parts.field("Maximum hosts", rx.el.input(name="uses", type="number", placeholder="no limit", min=1)),
            class_name="two",
        ),
        rx.cond(State.wrong, rx.el.div(State.wrong, class_name="wrong", role="alert")),
        rx.el.div(rx.el.button("Create token", type="submit", class_name="primary")),
        on_submit=State.create,
        class_name="form",
    )
    return parts.card("1 · Create a token", form, note="lets hosts enrol, nothing else")


def _commands() -> rx.Component:
    waiting = parts.note("Waiting for the host…", state="running")
    joined = parts.note("A host has enrolled. ", parts.link("Show endpoints", "/endpoints"), state="ok")
    shown = rx.fragment(
        rx.foreach(State.commands, parts.copy_line),
        rx.el.p("The token is shown only once.", class_name="muted"),
        rx.cond(State.joined, joined, waiting),
    )
    hint = rx.el.p("Create a token to see the commands.", class_name="muted")
    missing = rx.el.details(
        rx.el.summary("Install crontopus-agent"),
        rx.el.p("It is part of Crontopus and needs Python 3.9 or newer. In a clone of Crontopus on the host:"),
        *[parts.copy_line(line) for line in INSTALL],
        class_name="fold",
    )
    title = "2 · On the host, as the user who owns the crontab"
    warning = rx.cond(State.unreachable, parts.note(State.unreachable))
    return parts.card(title, warning, rx.cond(State.commands, shown, hint), missing)
