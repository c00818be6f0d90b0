"""The Overview: what is wrong, since when, who changed what."""

from __future__ import annotations

import reflex as rx

from crontopus_app.queries.timeline import LANES
from crontopus_app.ui import shell
from crontopus_app.ui.kit import day_chart, parts, run_table, skeleton
from crontopus_app.ui.overview.rows import RecentChange, TroubleRow
from crontopus_app.ui.overview.state import OverviewState as State


def overview() -> rx.Component:
    """``/``."""
    return shell.frame(
        "Overview",
        "Overview",
        State,
        _tiles(),
        rx.cond(State.lanes, _day(), _nothing()),
        rx.el.div(_attention(), _changes(), class_name="cols"),
        _runs(),
        shape=skeleton.overview(),
        right=(parts.link("New job", "/jobs/new", css="button primary"),),
    )


def _tiles() -> rx.Component:
    tiles = State.newest.tiles
    covered = parts.tile(
        tiles.covered, "of cron lines monitored", "accent", href="/endpoints", share=tiles.covered_share, wide=True
    )
    return rx.el.section(
        parts.tile(tiles.healthy, "healthy", "ok", href="/jobs?state=ok"),
        parts.tile(tiles.running, "running now", "running", href="/runs?status=running"),
        parts.tile(tiles.late, "late", "late", href="/jobs?state=late"),
        parts.tile(tiles.failing, "failing", "failed", href="/jobs?state=failing"),
        parts.tile(tiles.missed, "missed", "missed", href="/jobs?state=missed"),
        parts.tile(tiles.silent, "host silent", "unknown", href="/endpoints"),
        parts.tile(
            tiles.in_sync, "endpoints in sync", "accent", href="/endpoints", share=tiles.in_sync_share, wide=True
        ),
        rx.cond(tiles.covered, covered),
        class_name="tiles",
        aria_label="figures",
    )


def _day() -> rx.Component:
    legend = parts.legend(
        ("s-ok", "ok"), ("s-running", "running"), ("s-late", "late"), ("s-failed", "failed"), ("s-missed", "missed")
    )
    words = rx.fragment(
        "each bar is a run as long as it took · outlines are slots to come · in ", rx.el.span("here", data_own_zone="")
    )
    drawn = day_chart.chart(State.lanes, State.fresh, State.going, State.grid)
    rest = rx.el.p(parts.link(f"all {State.news.jobs} jobs", "/jobs"), class_name="rest")
    return parts.card("24 hours", drawn, rx.cond(State.news.jobs > LANES, rest), note=words, aside=legend)


def _nothing() -> rx.Component:
    """Teaches the first steps."""
    return parts.card(
        "24 hours",
        parts.empty(
            "No jobs yet",
            rx.el.p("Write the first one, then enrol the host that shall run it."),
            rx.el.div(
                parts.link("New job", "/jobs/new", css="button primary"),
                parts.link("Enrol a host", "/enrol", css="button"),
                class_name="flex",
                style={"justifyContent": "center", "marginTop": "12px"},
            ),
        ),
    )


def _attention() -> rx.Component:
    well = "Nothing. The last run of every job went well."
    calm = rx.el.p(rx.cond(State.newest.last, well, "Nothing yet: no job has run."), class_name="muted")
    more = rx.el.p(parts.link(f"{State.news.more} more", "/jobs?state=failing"))
    shown = rx.fragment(rx.foreach(State.news.troubles, _trouble), rx.cond(State.news.more, more))
    return parts.card("Needs attention", rx.cond(State.news.troubles, shown, calm))


def _trouble(one: TroubleRow) -> rx.Component:
    words = rx.el.div(
        parts.link(one.job, one.href),
        f" on {one.host} {one.summary}",
        rx.el.small(
            f"{one.exit}since ",
            parts.when(one.since, "short"),
            " · ",
            rx.cond(one.good, rx.fragment("last good ", parts.when(one.good, "short")), "no good run before"),
        ),
        rx.cond(one.line, rx.el.code(one.line, class_name="said")),
    )
    acts = rx.el.div(
        rx.cond(one.run, parts.link("Output", one.run, css="button")),
        parts.link("Edit", f"{one.href}/edit", css="button"),
        class_name="acts",
    )
    return rx.el.div(parts.dot("failed"), words, acts, class_name="inc")


def _changes() -> rx.Component:
    calm = rx.el.p("No changes yet. Each save becomes a commit with your name, and stands here.", class_name="muted")
    return parts.card("Changes", rx.cond(State.news.changes, rx.foreach(State.news.changes, _change), calm))


def _change(one: RecentChange) -> rx.Component:
    words = rx.el.div(
        parts.link(one.what, one.href),
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
    none = rx.el.p("No run yet. One is here as soon as a host's cron starts a job.", class_name="muted pane")
    return parts.card(
        "Last runs",
        rx.cond(State.newest.last, last, none),
        flush=True,
        aside=parts.aside(parts.link("all", "/runs")),
    )
