"""The Settings page: profile, display, e-mail, password, sessions, export, deletion of the account."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.kit import dialog, parts, skeleton
from crontopus_app.ui.settings.rows import SessionRow
from crontopus_app.ui.settings.state import SettingsState as State

SESSIONS = ["Signed in with", "From", "Since", "Last used", ""]
THEMES = (("system", "system"), ("light", "light"), ("dark", "dark"))


REPORTS = ("off", "daily", "weekly", "monthly")
REPORT_HINT = "Sent from 09:00 to 11:00 in your time zone, or in UTC if none is set above."
ZONE_HINT = "Leave empty to use your browser's zone. Hover a time to see UTC."


def settings() -> rx.Component:
    """``/settings``."""
    account = rx.fragment(
        rx.el.div(
            rx.el.div(_profile(), _shown(), _report(), class_name="stack"),
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
        parts.fact("User name", me.username),
        parts.fact("Role", me.role),
        parts.fact("Tenant", me.tenant),
        parts.fact("E-mail", me.email),
        parts.fact("Repository", rx.el.span(me.repository, class_name="mono")),
        class_name="facts",
    )
    return parts.card("Profile", facts)


def _shown() -> rx.Component:
    """Display settings: the theme is stored in the browser, the time zone with the account."""
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
        placeholder="the browser's zone",
        auto_complete="off",
        custom_attrs={"list": "zones"},
        data_zones="zones",
    )
    form = rx.el.form(
        parts.field("Time zone", zone, State.wrong["zone.timezone"], ZONE_HINT),
        rx.el.datalist(custom_attrs={"id": "zones"}),
        rx.el.div(rx.el.button("Save", type="submit")),
        on_submit=State.save_zone,
        class_name="form",
    )
    picker = rx.el.fieldset(
        rx.el.legend("Theme (this browser)", class_name="hint"), *themes, class_name="flex plainset"
    )
    return parts.card("Display", rx.el.div(picker, form, class_name="form"))


def _report() -> rx.Component:
    options = [rx.el.option(name, value=name) for name in REPORTS]
    choice = rx.el.select(*options, name="report", default_value=State.me.report, key=State.me.report)
    form = rx.el.form(
        parts.field("Report by mail", choice, State.wrong["report.report"], REPORT_HINT),
        rx.el.div(rx.el.button("Set report", type="submit")),
        on_submit=State.save_report,
        class_name="form",
    )
    return parts.card("Report", form, note="also sent when nothing is wrong")


def _email() -> rx.Component:
    form = rx.el.form(
        _input("New address", "email", "email.email", kind="email", complete="email"),
        _input("Password", "password", "email.password", kind="password", complete="current-password"),
        rx.el.div(rx.el.button("Change e-mail address", type="submit")),
        on_submit=State.save_email,
        reset_on_submit=True,
        class_name="form",
    )
    return parts.card("E-mail", form, note="used as author of your commits")


def _password() -> rx.Component:
    # For password managers.
    whose = rx.el.input(name="name", auto_complete="username", value=State.me.username, read_only=True, hidden=True)
    form = rx.el.form(
        whose,
        _input("Old password", "current", "password.current", kind="password", complete="current-password"),
        rx.el.div(
            _input("New password", "new", "password.new", kind="password", complete="new-password"),
            _input("Repeat new password", "again", "password.again", kind="password", complete="new-password"),
            class_name="two",
        ),
        rx.el.div(rx.el.button("Change password", type="submit")),
        on_submit=State.change_password,
        reset_on_submit=True,
        class_name="form",
    )
    return parts.card("Password", form, note="signs you out elsewhere; API tokens keep working")


def _input(label: str, name: str, wrong: str, *, kind: Any, complete: Any, **props: Any) -> rx.Component:
    control = rx.el.input(name=name, type=kind, auto_complete=complete, required=True, max_length=1000, **props)
    return parts.field(label, control, State.wrong[wrong])


def _sessions() -> rx.Component:
    others = dialog.opens("Sign out everywhere else", "end-others", css="right")
    head = rx.fragment("Sessions", rx.el.small("where you are signed in"))
    listed = parts.table(SESSIONS, rx.foreach(State.sessions, _session))
    return rx.el.section(
        rx.el.h2(head, rx.cond(State.others, others), class_name="flex"),
        listed,
        class_name="card flush",
    )


def _session(one: SessionRow) -> rx.Component:
    label = rx.fragment("Sign out", rx.el.span(" ", one.client, class_name="sr"))
    end = dialog.opens(label, "end-session", css="danger", id=one.id, client=one.client)
    return rx.el.tr(
        rx.el.td(one.client, title=one.agent),
        rx.el.td(one.address, class_name="mono muted"),
        rx.el.td(parts.when(one.created), class_name="muted"),
        rx.el.td(parts.when(one.seen), class_name="muted"),
        rx.el.td(rx.cond(one.current, parts.tag("this session", "accent"), end), class_name="act"),
        key=one.id,
    )


def _export() -> rx.Component:
    what = (
        "A ZIP with the repository and its history, all runs with their output, endpoints with their crontabs, "
        "and the audit log. Passwords and tokens are not included."
    )
    get = _download("Download everything")
    return parts.card("Your data", rx.el.p(what, class_name="muted"), rx.el.div(get, class_name="pad"))


def _download(label: str) -> rx.Component:
    """A link to the API's export: the router ignores it, and the page stays open."""
    return parts.link(label, "/api/export", css="button", reload_document=True, download=True)


def _danger() -> rx.Component:
    return parts.card(
        "Delete account",
        rx.el.p("Deletes ", State.deletion.deletes, ". Ends ", State.deletion.ends, ". This cannot be undone."),
        rx.el.p(_hosts(), class_name="muted"),
        rx.el.div(dialog.opens("Delete account …", "leave", css="danger"), class_name="pad"),
    )


def _hosts() -> rx.Component:
    kept = rx.fragment(
        "Nothing is removed from your hosts (",
        State.deletion.hosts,
        "): their agents stop and leave every crontab line, so jobs keep running, unmonitored. Run ",
        rx.el.span("crontopus-agent leave", class_name="mono"),
        " on a host to remove its lines.",
    )
    return rx.cond(State.deletion.hosts, kept, "No host is enrolled.")


def _confirmations() -> rx.Component:
    return rx.fragment(
        dialog.confirm(
            "end-session",
            "Sign out this session",
            rx.el.p("Signs out ", dialog.given("client"), " immediately."),
            act="Sign out",
            on_submit=State.end_session,
            takes=("id",),
        ),
        dialog.confirm(
            "end-others",
            "Sign out everywhere else",
            rx.el.p("Signs you out everywhere but here. API tokens and agents keep working."),
            act="Sign out everywhere else",
            on_submit=State.end_others,
        ),
        _leave(),
    )


def _leave() -> rx.Component:
    """Stays open until user name and password are right."""
    name = _input("Type your user name", "username", "leave.username", kind="text", complete="off")
    password = _input("Password", "password", "leave.password", kind="password", complete="current-password")
    exported = rx.el.label(
        rx.el.input(type="checkbox", required=True, name="exported"),
        rx.el.span("I have downloaded what I want to keep"),
        class_name="check",
    )
    form = rx.el.form(
        rx.el.div(_download("Download everything first")),
        exported,
        rx.el.div(name, password, class_name="two"),
        on_submit=State.leave,
        reset_on_submit=True,
        class_name="form",
        custom_attrs={"id": "leave-form"},
    )
    return dialog.dialog(
        "leave",
        "Delete account",
        rx.el.p("Deletes ", State.deletion.deletes, ". Ends ", State.deletion.ends, "."),
        rx.el.p(_hosts()),
        rx.el.p("The user name ", rx.el.b(State.me.username), " stays reserved: nobody can register it again."),
        form,
        acts=(rx.el.button("Delete permanently", type="submit", form="leave-form", class_name="danger solid"),),
        close="Cancel",
    )


def _farewell() -> rx.Component:
    """Shown after the deletion: what is left to do on the hosts."""
    hosts = rx.fragment(
        rx.el.p("Crontab lines remain on ", State.deletion.hosts, ". To remove them, run on each host:"),
        parts.copy_line("crontopus-agent leave"),
    )
    return rx.el.section(
        rx.el.h2("Your account is deleted"),
        rx.el.p("All sessions and tokens have ended. The repository and the runs are being deleted."),
        rx.cond(State.deletion.hosts, hosts),
        rx.el.p("The user name ", rx.el.b(State.me.username), " stays reserved."),
        class_name="card",
        role="status",
        custom_attrs={"id": "farewell"},
    )
