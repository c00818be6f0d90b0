"""The Search page: what Enter in the box leads to, and what can be sent to a colleague."""

from __future__ import annotations

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.kit import parts, skeleton
from crontopus_app.ui.search.rows import GroupRow, HitRow
from crontopus_app.ui.search.state import SearchState as State


def search() -> rx.Component:
    """``/search``."""
    asked = rx.fragment(rx.el.span("Search / ", class_name="muted"), State.text)
    title = rx.cond(State.text, asked, "Search")
    return shell.frame(
        "Search",
        title,
        State,
        rx.cond(State.groups, rx.foreach(State.groups, _group), _none()),
        shape=skeleton.waiting(skeleton.rows(8, head=44)),
    )


def _group(group: GroupRow) -> rx.Component:
    every = rx.cond(group.all, rx.el.small(parts.link("all", group.all)))
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
    """What can be found, and how."""
    return rx.el.section(
        parts.empty(
            rx.cond(State.text, "Nothing is called so", "What are you looking for?"),
            rx.el.p("Jobs by name, folder, command, label or description. Endpoints by name or label."),
            rx.el.p("Runs by the beginning of their id, by job, host or outcome: ", rx.el.code("backup failed"), "."),
            rx.el.p("Commits by the beginning of their id, message or author. Every word must be found."),
        ),
        class_name="card",
    )
