"""The frame of every page: navigation rail, heading, search, live mark, keyboard shortcuts."""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex_components_core.core.banner import has_connection_errors

from crontopus_app.ui.kit import dialog, parts, skeleton
from crontopus_app.ui.session import SessionState

NAV = (
    ("Overview", "/"),
    ("Incidents", "/incidents"),
    ("Jobs", "/jobs"),
    ("Runs", "/runs"),
    ("Endpoints", "/endpoints"),
    ("Repository", "/repository"),
)
LOW = (
    ("Enrol a host", "/enrol"),
    ("Channels", "/channels"),
    ("Silences", "/silences"),
    ("Tokens", "/tokens"),
    ("Settings", "/settings"),
)
ICONS = {
    "Overview": "M4 4h7v9H4zM13 4h7v5h-7zM13 11h7v9h-7zM4 15h7v5H4z",
    "Incidents": "M12 4 21 20H3zM12 10v5M12 17.5v.5",
    "Jobs": "M5 6h14M5 12h14M5 18h9",
    "Runs": "M7 5l11 7-11 7z",
    "Endpoints": "M4 5h16v5H4zM4 14h16v5H4zM7.5 7.5h.5M7.5 16.5h.5",
    "Repository": "M7 4v16M7 12c0-4 10-2 10-6M17 4v2M7 4h.1M7 20h.1",
    "Enrol a host": "M12 5v14M5 12h14",
    "Channels": "M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10.5 21h3",
    "Silences": "M6 16V11a6 6 0 0 1 10-4.5M18 12v4l1.5 2h-13M4 4l16 16",
    "Reports": "M6 4h12v16H6zM9 9h6M9 13h6",
    "Tokens": "M8 12a4 4 0 1 0 0 .1M12 12h9M18 12v4",
    "Settings": "M4 7h9M17 7h3M4 17h3M11 17h9M13 4.5v5M7 14.5v5",
    "Operator": "M12 3l8 3v6c0 5-4 8-8 9-4-1-8-4-8-9V6z",
}
TOTALS = {"Incidents": SessionState.incidents, "Jobs": SessionState.jobs, "Endpoints": SessionState.endpoints}
KEYS = (
    ("/", "search jobs, runs, hosts, commits"),
    ("g o", "Overview"),
    ("g i", "Incidents"),
    ("g j", "Jobs"),
    ("g r", "Runs"),
    ("g e", "Endpoints"),
    ("g p", "Repository"),
    ("n", "new job"),
    ("Ctrl S", "save the job you are editing"),
    ("?", "show these shortcuts"),
    ("Esc", "close a dialog or the search"),
)
_HEAD = "M16 8v4.8l3.2 2"
_ARMS = (
    "M9.6 18.6c-.6 3.6-2.4 5.6-5.4 5.9M12.8 20.4c-.2 4-1.4 6.7-4 8.4M16 21v8.6"
    "M19.2 20.4c.2 4 1.4 6.7 4 8.4M22.4 18.6c.6 3.6 2.4 5.6 5.4 5.9"
)


def logo() -> rx.Component:
    """The mark: an octopus with a clock as its head."""
    lines = rx.el.svg.g(rx.el.svg.circle(cx="16", cy="12.5", r="8.3"), rx.el.path(d=_HEAD), rx.el.path(d=_ARMS))
    return rx.el.svg(lines, view_box="0 0 32 32", class_name="logo", custom_attrs={"aria-hidden": "true"})


def brand() -> rx.Component:
    return rx.el.div(logo(), rx.el.span("crontopus"), class_name="brand")


def live_mark() -> rx.Component:
    """Whether the page is current: live, reconnecting, or stale since a time."""
    status = rx.cond(
        has_connection_errors,
        rx.el.span(rx.el.i(), "reconnecting", class_name="live s-late"),
        rx.cond(
            SessionState.stale_since,
            rx.el.span(
                rx.el.i(), "stale since ", parts.when(SessionState.stale_since, "short"), class_name="live s-late"
            ),
            rx.el.span(rx.el.i(), rx.el.span("live", class_name="t-state s-ok"), class_name="live s-ok"),
        ),
    )
    # assets/js/connection.js shows this one instead when no message has arrived from the server for four seconds.
    lost = rx.el.span(rx.el.i(), "stale since ", rx.el.span("…", data_heard=""), class_name="live s-late lost")
    return rx.el.div(rx.el.div(status, class_name="told"), lost, role="status", id="live")


def _entries(entries: tuple[tuple[str, str], ...], active: str) -> list[rx.Component]:
    return [_entry(name, path, on=name == active) for name, path in entries]


def _entry(name: str, path: str, *, on: bool) -> rx.Component:
    total = TOTALS.get(name)
    count = rx.cond(total, rx.el.small(total)) if total is not None else ""
    body = rx.fragment(_icon(name), rx.el.span(name, class_name="name"), count)
    return parts.link(body, path, css="on" if on else "", title=name, aria_current="page" if on else "false")


def _icon(name: str) -> rx.Component:
    """Shown in place of the name where the rail is narrow."""
    path = rx.el.path(d=ICONS.get(name, "M12 5v14M5 12h14"))
    return rx.el.svg(path, view_box="0 0 24 24", class_name="icon", custom_attrs={"aria-hidden": "true"})


def rail(active: str) -> rx.Component:
    """Navigation at the left, only icons below 1024 px; a bar at the bottom below 720 px."""
    operator = rx.cond(SessionState.operator, _entries((("Operator", "/operator"),), active)[0])
    return rx.el.aside(
        brand(),
        rx.el.nav(*_entries(NAV, active), aria_label="pages"),
        rx.el.nav(*_entries(LOW, active), operator, class_name="low", aria_label="more pages"),
        rx.el.div(live_mark(), _account_menu(), class_name="who"),
        class_name="rail",
    )


def _account_menu() -> rx.Component:
    """Under the user's name: settings, theme, shortcuts, sign out."""
    theme = rx.el.button(
        type="button", data_act="theme", data_theme_word="", title="Switch between the system's, light and dark"
    )
    return rx.el.details(
        rx.el.summary(SessionState.username, aria_label=f"Account of {SessionState.username}"),
        rx.el.div(
            theme,
            rx.el.button("Shortcuts", type="button", data_act="keys"),
            rx.el.button("Sign out", type="button", data_act="out"),
            class_name="pair",
        ),
        class_name="account",
    )


def _search() -> rx.Component:
    """A combobox; ``assets/js/search-list.js`` lists the results below it."""
    box = rx.el.input(
        id="search",
        name="q",
        type="search",
        placeholder="Search jobs, runs, hosts",
        aria_label="Search jobs, runs, hosts, commits",
        role="combobox",
        aria_expanded="false",
        aria_controls="found",
        aria_autocomplete="list",
        auto_complete="off",
        spell_check=False,
        max_length=200,
    )
    return rx.el.form(box, rx.el.kbd("/"), action="/search", method="get", class_name="search", role="search")


def _keys() -> rx.Component:
    pairs = [part for key, action in KEYS for part in (rx.el.dt(rx.el.kbd(key)), rx.el.dd(action))]
    return dialog.dialog("keys", "Keyboard shortcuts", rx.el.dl(*pairs))


def _notes() -> rx.Component:
    """Status of the tenant's repository until it is ready, and whether missed runs are noticed."""
    waiting = parts.note("Your repository is being created. ", parts.link("Show progress", "/start"), state="running")
    broken = parts.note(
        rx.el.b("Your repository could not be created. "),
        SessionState.provisioning_error,
        " ",
        parts.link("Try again", "/start"),
        state="failed",
    )
    notes = rx.match(SessionState.provisioning, ("pending", waiting), ("failed", broken), rx.fragment())
    unwatched = rx.cond(SessionState.unwatched, parts.note(SessionState.unwatched, state="failed"))
    return rx.el.div(notes, unwatched, class_name="notes")


def frame(
    active: str,
    title: Any,
    state: Any,
    *body: Any,
    right: tuple[rx.Component, ...] = (),
    shape: rx.Component | None = None,
    zone: Any = "",
) -> rx.Component:
    """A page: the skeleton ``shape`` until the first data arrives, then ``body``, or the error in ``state.problem``.

    ``right`` holds the page's actions, hidden while there is an error. ``zone`` is that of all times of the page, by
    default the account's, else the browser's; it is named below the title.
    """
    shown = rx.cond(
        SessionState.ended, _ended(), rx.cond(state.problem, _wrong(active, state.problem), rx.fragment(*body))
    )
    named = rx.el.small("times in ", rx.el.span("local time", data_own_zone=""), class_name="zone")
    # Not on the page as it is built: assets/js/times.js would write into it before React takes it over.
    zone_name = rx.cond(state.ready, named, rx.el.small("\u00a0", class_name="zone"))
    head = rx.el.div(rx.el.h1(rx.cond(state.problem, active, rx.fragment(title))), zone_name, class_name="title")
    actions = rx.cond(state.problem, rx.fragment(), rx.fragment(*right))
    return rx.el.div(
        rx.el.a("Skip to the content", href="#main", class_name="skip"),
        rail(active),
        rx.el.main(
            rx.el.header(head, _search(), actions, class_name="bar"),
            _notes(),
            rx.cond(state.ready, shown, shape or skeleton.table()),
            id="main",
            tab_index=-1,
        ),
        _keys(),
        class_name="app",
        data_zone=SessionState.timezone,
        data_view_zone=zone,
        data_incidents=SessionState.incidents,
    )


def _ended() -> rx.Component:
    return rx.el.section(
        rx.el.h2("Your session has ended"),
        rx.el.p("You have been signed out. Saved work is safe."),
        rx.el.button("Sign in", type="button", data_act="in", class_name="primary"),
        class_name="card",
        role="alert",
        id="problem",
    )


def _wrong(active: str, problem: Any) -> rx.Component:
    """The error in place of the page, with a link to a page that works."""
    pages = {**dict(NAV), **dict(LOW)}
    home = parts.link("Open the Overview", "/", css="button")
    onward = parts.link(f"Open {active}", pages[active], css="button") if active in pages else home
    if active == "Operator":
        onward = rx.cond(SessionState.operator, parts.link("Open Operator", "/operator", css="button"), home)
    return rx.el.section(
        rx.el.h2("This page cannot be shown"),
        rx.el.p(problem),
        rx.el.p(onward, class_name="pad"),
        class_name="card",
        role="alert",
        id="problem",
    )
