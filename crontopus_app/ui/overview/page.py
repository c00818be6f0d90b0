"""The Overview page: state figures, the 24-hour chart, what needs attention, recent changes and runs."""

from __future__ import annotations

import reflex as rx

from crontopus_app.queries.timeline import LANES
from crontopus_app.ui import shell
from crontopus_app.ui.kit import day_chart, parts, run_table, skeleton
from crontopus_app.ui.overview.rows import Notice, RecentChange, Tile, TroubleRow
from crontopus_app.ui.overview.state import OverviewState as State
from crontopus_app.ui.session import SessionState


def overview() -> rx.Component:
    """``/``."""
    return shell.frame(
        "Overview",
        "Overview",
        State,
        _attention(),
        _tiles(),
        rx.cond(State.lanes, _day(), _nothing()),
        _runs(),
        _changes(),
        shape=skeleton.overview(),
        right=(parts.link("New job", "/jobs/new", css="button primary"),),
    )


def _tiles() -> rx.Component:
    return rx.el.section(rx.foreach(State.newest.tiles, _tile), class_name="tiles", aria_label="figures")


def _tile(one: Tile) -> rx.Component:
    css = rx.cond(one.share, f"tile wide s-{one.state}", f"tile s-{one.state}")
    body = (
        rx.el.b(one.value),
        rx.el.span(one.label),
        rx.cond(one.share, rx.el.u(style={"width": one.share}), rx.fragment()),
    )
    return rx.cond(one.href, parts.link(rx.fragment(*body), one.href, css=css), rx.el.div(*body, class_name=css))


def _day() -> rx.Component:
    legend = parts.legend(
        ("s-ok", "ok"), ("s-running", "running"), ("s-late", "late"), ("s-failed", "failed"), ("s-missed", "missed")
    )
    words = rx.fragment(
        "bar = run (length = duration) · outline = planned · times in ", rx.el.span("local time", data_own_zone="")
    )
    chart = day_chart.chart(State.lanes, State.fresh, State.going, State.grid)
    rest = rx.el.p(parts.link(f"All {State.news.jobs} jobs", "/jobs"), class_name="rest")
    return parts.card("24 hours", chart, rx.cond(State.news.jobs > LANES, rest), note=words, aside=legend)


def _nothing() -> rx.Component:
    """Empty state: the first steps."""
    return parts.card(
        "24 hours",
        parts.empty(
            "No jobs yet",
            rx.el.p("Create the first job, then enrol the host that should run it."),
            rx.el.div(
                parts.link("New job", "/jobs/new", css="button primary"),
                parts.link("Enrol a host", "/enrol", css="button"),
                class_name="flex",
                style={"justifyContent": "center", "marginTop": "12px"},
            ),
        ),
    )


def _attention() -> rx.Component:
    news = State.news
    more = rx.el.p(parts.link(f"{news.more} more failing", "/jobs?state=failing"), class_name="rest")
    shown = rx.fragment(
        rx.foreach(news.notices, _notice), rx.foreach(news.troubles, _trouble), rx.cond(news.more, more)
    )
    # While nobody looks for missed runs, a clean list proves nothing; the note above says so.
    clear = rx.cond(SessionState.unwatched, "No problem is known, but missed runs are not noticed.", news.all_clear)
    return parts.card("Needs attention", rx.cond(news.all_clear, rx.el.p(clear, class_name="muted"), shown))


def _notice(one: Notice) -> rx.Component:
    detail = rx.el.small(one.detail, rx.cond(one.since, rx.fragment(" ", parts.when(one.since, "ago"))))
    return rx.el.div(
        parts.dot(one.state), rx.el.div(parts.link(one.text, one.href), rx.cond(one.detail, detail)), class_name="inc"
    )


def _trouble(one: TroubleRow) -> rx.Component:
    good = rx.cond(one.good, rx.fragment("last good ", parts.when(one.good, "short")), "no good run before")
    what = rx.fragment(rx.cond(one.host, rx.fragment(" on ", one.host)), " ", one.summary)
    words = rx.el.div(
        parts.link(one.job, one.href),
        what,
        rx.el.small(
            f"{one.exit}since ",
            parts.when(one.since, "short"),
            rx.cond(one.is_job, rx.fragment(" · ", good)),
            rx.cond(one.by, rx.fragment(" · taken by ", one.by)),
            rx.cond(one.snoozed, rx.fragment(" · snoozed, back ", parts.when(one.snoozed, "short"))),
        ),
        rx.cond(one.line, rx.el.code(one.line, class_name="said")),
    )
    take = rx.el.button("Acknowledge", on_click=State.acknowledge(one.incident))
    actions = rx.el.div(
        rx.cond(one.run, parts.link(rx.cond(one.state == "missed", "Why", "Output"), one.run, css="button")),
        rx.cond(one.edit, parts.link("Edit", one.edit, css="button")),
        rx.cond(one.incident, rx.cond(one.by, rx.fragment(), take)),
        class_name="acts",
    )
    return rx.el.div(parts.dot(one.state), words, actions, class_name="inc")


def _changes() -> rx.Component:
    none = rx.el.p("No changes yet. Saves and pushes appear here.", class_name="muted")
    return parts.card("Changes", rx.cond(State.news.changes, rx.foreach(State.news.changes, _change), none))


def _change(one: RecentChange) -> rx.Component:
    words = rx.el.div(
        parts.link(one.job, one.href),
        f" {one.summary}",
        rx.el.small(
            one.author,
            " · ",
            rx.cond(one.commit, one.commit + " · ", ""),
            parts.when(one.at),
            rx.cond(one.pushed, " · pushed", ""),
        ),
        rx.cond(one.error, rx.el.small(one.error, class_name="wrong")),
    )
    return rx.el.div(
        rx.el.span(one.initials, class_name="av", aria_hidden="true"),
        words,
        rx.el.span(one.arrived, class_name=f"t-state s-{one.state}"),
        class_name="chg",
    )


def _runs() -> rx.Component:
    last = run_table.table(State.newest.last)
    none = rx.el.p("No runs yet. They appear here when a host runs a job.", class_name="muted pane")
    return parts.card(
        "Last runs",
        rx.cond(State.newest.last, last, none),
        flush=True,
        aside=parts.aside(parts.link("All runs", "/runs")),
    )
