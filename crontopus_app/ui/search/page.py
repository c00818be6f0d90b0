"""The Search page: all results of a search, at an address that can be shared."""

from __future__ import annotations

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.kit import parts, skeleton
from crontopus_app.ui.search.rows import GroupRow, HitRow
from crontopus_app.ui.search.state import SearchState as State


def search() -> rx.Component:
    """``/search``."""
    heading = rx.fragment(rx.el.span("Search / ", class_name="muted"), State.text)
    title = rx.cond(State.text, heading, "Search")
    return shell.frame(
        "Search",
        title,
        State,
        rx.cond(State.groups, rx.foreach(State.groups, _group), _none()),
        shape=skeleton.waiting(skeleton.rows(8, head=44)),
    )


def _group(group: GroupRow) -> rx.Component:
    every = rx.cond(group.all, rx.el.small(parts.link("Show all", group.all)))
    rows = rx.el.table(rx.el.tbody(rx.foreach(group.hits, _hit)))
    return rx.el.section(
        rx.el.h2(group.head, every), rx.el.div(rows, class_name="scroll"), class_name="card flush found"
    )


def _hit(hit: HitRow) -> rx.Component:
    return rx.el.tr(
        rx.el.td(rx.cond(hit.state, parts.dot(hit.state, hit.label)), parts.link(hit.title, hit.href)),
        rx.el.td(hit.detail, class_name="muted wrap"),
        rx.el.td(rx.cond(hit.state, parts.tag(hit.label, hit.state))),
        rx.el.td(rx.cond(hit.at, parts.when(hit.at)), class_name="muted"),
        key=hit.href,
    )


def _none() -> rx.Component:
    """Empty state: what can be searched, and how."""
    return rx.el.section(
        parts.empty(
            rx.cond(State.text, f'No results for "{State.text}"', "Search jobs, endpoints, runs and commits"),
            rx.el.p("Jobs: name, folder, command, label or description. Endpoints: name or label."),
            rx.el.p("Runs: start of the id, job, host or outcome, e.g. ", rx.el.code("backup failed"), "."),
            rx.el.p("Commits: start of the id, message or author. Results contain every word."),
        ),
        class_name="card",
    )
