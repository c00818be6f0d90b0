"""Settings: profile, password, sessions, export, deleting the account."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.kit import dialog, parts, skeleton
from crontopus_app.ui.settings.rows import SessionRow
from crontopus_app.ui.settings.state import SettingsState as State

SESSIONS = ["Signed in with", "From", "Since", "Last used", ""]
THEMES = (("system", "as the system"), ("light", "light"), ("dark", "dark"))


def settings() -> rx.Component:
    """``/settings``."""
    account = rx.fragment(
        rx.el.div(
            rx.el.div(_profile(), _shown(), class_name="stack"),
            rx.el.div(_email(), _password(), class_name="stack"),
            class_name="cols even",
        ),
        _sessions(),
        _export(),
        _danger(),
        _confirmations(),
    )
    return shell.frame("Settings", "Settings", State, rx.cond(State.gone, _farewell(), account), shape=skeleton.forms())


def _profile() -> rx.Component:
    me = State.me
    facts = rx.el.dl(
        parts.fact("Name", me.username),
        parts.fact("Role", me.role),
        parts.fact("Tenant", me.tenant),
        parts.fact("E-mail", me.email),
        parts.fact("Repository", rx.el.span(me.repository, class_name="mono")),
        class_name="facts",
    )
    return parts.card("Profile", facts)


def _shown() -> rx.Component:
    """How things are shown: the theme is kept by the browser, the zone with the account."""
    themes = [
        rx.el.label(
            rx.el.input(type="radio", name="theme", value=name, data_theme_pick=name),
            rx.el.span(words),
            class_name="check",
        )
        for name, words in THEMES
    ]
    zone = rx.el.input(
        name="timezone",
        default_value=State.me.timezone,
        key=State.me.timezone,
        placeholder="the browser's",
        auto_complete="off",
        custom_attrs={"list": "zones"},
        data_zones="zones",
    )
    form = rx.el.form(
        parts.field(
            "Time zone", zone, State.wrong["zone.timezone"], "empty: the browser's; hover always tells UTC and here"
        ),
        rx.el.datalist(custom_attrs={"id": "zones"}),
        rx.el.div(rx.el.button("Save the zone", type="submit")),
        on_submit=State.save_zone,
        class_name="form",
    )
    picker = rx.el.fieldset(
        rx.el.legend("Theme, in this browser", class_name="hint"), *themes, class_name="flex plainset"
    )
    return parts.card("Display", rx.el.div(picker, form, class_name="form"))


def _email() -> rx.Component:
    form = rx.el.form(
        _input("New address", "email", "email.email", kind="email", complete="email"),
        _input("Password", "password", "email.password", kind="password", complete="current-password"),
        rx.el.div(rx.el.button("Change the address", type="submit")),
        on_submit=State.save_email,
        reset_on_submit=True,
        class_name="form",
    )
    return parts.card("E-mail", form, note="your commits carry it")


def _password() -> rx.Component:
    # A password manager asks whose password this is.
    whose = rx.el.input(name="name", auto_complete="username", value=State.me.username, read_only=True, hidden=True)
    form = rx.el.form(
        whose,
        _input("Old password", "current", "password.current", kind="password", complete="current-password"),
        rx.el.div(
            _input("New password", "new", "password.new", kind="password", complete="new-password"),
            _input("Again", "again", "password.again", kind="password", complete="new-password"),
            class_name="two",
        ),
        rx.el.div(rx.el.button("Change the password", type="submit")),
        on_submit=State.change_password,
        reset_on_submit=True,
        class_name="form",
    )
    return parts.card("Password", form, note="ends every other session; API tokens go on")


def _input(label: str, name: str, wrong: str, *, kind: Any, complete: Any, **props: Any) -> rx.Component:
    control = rx.el.input(name=name, type=kind, auto_complete=complete, required=True, max_length=1000, **props)
    return parts.field(label, control, State.wrong[wrong])


def _sessions() -> rx.Component:
    others = dialog.opens("End all others", "end-others", css="right")
    head = rx.fragment("Sessions", rx.el.small("where you are signed in"))
    listed = parts.table(SESSIONS, rx.foreach(State.sessions, _session))
    return rx.el.section(
        rx.el.h2(head, rx.cond(State.others, others), class_name="flex"),
        listed,
        class_name="card flush",
    )


def _session(one: SessionRow) -> rx.Component:
    label = rx.fragment("End", rx.el.span(" ", one.client, class_name="sr"))
    end = dialog.opens(label, "end-session", css="danger", id=one.id, client=one.client)
    return rx.el.tr(
        rx.el.td(one.client, title=one.agent),
        rx.el.td(one.address, class_name="mono muted"),
        rx.el.td(parts.when(one.created), class_name="muted"),
        rx.el.td(parts.when(one.seen), class_name="muted"),
        rx.el.td(rx.cond(one.current, parts.tag("this one", "accent"), end), class_name="act"),
        key=one.id,
    )


def _export() -> rx.Component:
    what = (
        "A ZIP with the repository and its whole history, every run with its output, endpoints and their crontabs, "
        "and the audit trail. Passwords and tokens are not in it."
    )
    get = _download("Download everything")
    return parts.card("Your data", rx.el.p(what, class_name="muted"), rx.el.div(get, class_name="pad"))


def _download(label: str) -> rx.Component:
    """The API's, no page: the router leaves it alone, and this page stays with its connection."""
    return parts.link(label, "/api/export", css="button", reload_document=True, download=True)


def _danger() -> rx.Component:
    return parts.card(
        "Delete this account",
        rx.el.p("Removes ", State.going.removes, ". Ends ", State.going.ends, ". It cannot be undone."),
        rx.el.p(_hosts(), class_name="muted"),
        rx.el.div(dialog.opens("Delete this account …", "leave", css="danger"), class_name="pad"),
    )


def _hosts() -> rx.Component:
    keeps = rx.fragment(
        "Removes nothing from your hosts (",
        State.going.hosts,
        "): their agents stop and leave every line as it is, so jobs go on running and tell nobody. ",
        rx.el.span("crontopus-agent leave", class_name="mono"),
        " on a host takes its lines out.",
    )
    return rx.cond(State.going.hosts, keeps, "No host is enrolled.")


def _confirmations() -> rx.Component:
    return rx.fragment(
        dialog.confirm(
            "end-session",
            "End this session",
            rx.el.p("Signs out ", dialog.given("client"), ". Its open pages say so at once."),
            act="End it",
            on_submit=State.end_session,
            takes=("id",),
        ),
        dialog.confirm(
            "end-others",
            "End all other sessions",
            rx.el.p("Signs you out everywhere but here. API tokens and agents are not touched."),
            act="End them",
            on_submit=State.end_others,
        ),
        _leave(),
    )


def _leave() -> rx.Component:
    """Stays open until the name and the password are right."""
    name = _input("Type your name", "username", "leave.username", kind="text", complete="off")
    password = _input("Password", "password", "leave.password", kind="password", complete="current-password")
    have = rx.el.label(
        rx.el.input(type="checkbox", required=True, name="exported"),
        rx.el.span("I have what I want to keep"),
        class_name="check",
    )
    form = rx.el.form(
        rx.el.div(_download("Download everything first")),
        have,
        rx.el.div(name, password, class_name="two"),
        on_submit=State.leave,
        reset_on_submit=True,
        class_name="form",
        custom_attrs={"id": "leave-form"},
    )
    return dialog.dialog(
        "leave",
        "Delete this account",
        rx.el.p("Removes ", State.going.removes, ". Ends ", State.going.ends, "."),
        rx.el.p(_hosts()),
        rx.el.p("What remains: the name ", rx.el.b(State.me.username), ", which nobody can register again."),
        form,
        acts=(rx.el.button("Delete for good", type="submit", form="leave-form", class_name="danger solid"),),
        close="Keep it",
    )


def _farewell() -> rx.Component:
    """What is left to do; the page itself is signed out already."""
    hosts = rx.fragment(
        rx.el.p("Your hosts keep their lines: ", State.going.hosts, ". To take them out, on each host:"),
        parts.copy_line("crontopus-agent leave"),
    )
    return rx.el.section(
        rx.el.h2("Your account is deleted"),
        rx.el.p("Every session and token has ended; the repository and the runs are being removed."),
        rx.cond(State.going.hosts, hosts),
        rx.el.p("The name ", rx.el.b(State.me.username), " stays reserved."),
        class_name="card",
        role="status",
        custom_attrs={"id": "farewell"},
    )
