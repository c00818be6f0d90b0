"""The Incidents page, and the page of one incident."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.incidents.rows import IncidentRow, TimelineRow
from crontopus_app.ui.incidents.state import IncidentsState, IncidentState
from crontopus_app.ui.kit import parts, skeleton

HEADS = ["Problem", "Cause", "What", "Since", "State"]
SNOOZES = (("1 hour", "60"), ("4 hours", "240"), ("1 day", "1440"), ("1 week", "10080"))


def incidents() -> rx.Component:
    """``/incidents``."""
    pages = IncidentsState.pages
    listed = rx.el.section(parts.table(HEADS, rx.foreach(IncidentsState.rows, _row)), class_name="card flush")
    none = rx.el.section(rx.cond(IncidentsState.filtered, _none_here(), _none()), class_name="card")
    untold = parts.note(
        "Nobody is told of these problems: there is no channel yet. ",
        parts.link("Add a channel", "/channels"),
        state="late",
    )
    return shell.frame(
        "Incidents",
        "Incidents",
        IncidentsState,
        rx.el.section(parts.pills(IncidentsState.pills), class_name="filters", aria_label="filters"),
        rx.cond(IncidentsState.untold, untold),
        rx.cond(
            IncidentsState.rows,
            rx.fragment(listed, parts.pager(pages.before, pages.after, summary=pages.summary)),
            none,
        ),
        shape=skeleton.table(),
    )


def _row(one: IncidentRow) -> rx.Component:
    return rx.el.tr(
        rx.el.td(parts.dot(one.colour), parts.link(one.title, one.href)),
        rx.el.td(parts.tag(one.cause, one.colour), class_name="outcome"),
        rx.el.td(one.what, class_name="wrap"),
        rx.el.td(parts.when(one.since), class_name="muted"),
        rx.el.td(_state(one), class_name="muted"),
        key=one.id,
        class_name="fresh",
    )


def _state(one: IncidentRow) -> Any:
    return rx.match(
        one.state,
        ("closed", rx.fragment("closed ", parts.when(one.closed))),
        ("acknowledged", rx.fragment("taken by ", one.by)),
        ("snoozed", rx.fragment("snoozed, back ", parts.when(one.snoozed))),
        rx.fragment("open"),
    )


def _none() -> rx.Component:
    more = rx.el.p(parts.link("Closed incidents", "/incidents?state=closed"))
    return parts.empty(
        "Nothing is wrong",
        rx.el.p("A job that fails or does not start, a host that is silent and an invalid manifest appear here."),
        more,
    )


def _none_here() -> rx.Component:
    return parts.empty("No incidents match", rx.el.p(parts.link("Show open incidents", "/incidents")))


def incident() -> rx.Component:
    """``/incidents/[incident_id]``."""
    one = IncidentState.incident
    return shell.frame(
        "Incidents",
        rx.fragment(rx.el.span("Incidents / ", class_name="muted"), one.title),
        IncidentState,
        rx.el.section(
            rx.el.span(one.cause, class_name=f"state s-{one.colour}"),
            rx.el.div(
                rx.el.b(one.title),
                rx.el.small(one.what, " · since ", parts.when(one.since, "short"), " · ", _state(one)),
            ),
            class_name="head",
        ),
        rx.cond(one.why, parts.note(one.why, state=one.colour)),
        rx.el.div(_facts(one), _acts(one), class_name="cols even"),
        _timeline(),
        shape=skeleton.run(),
    )


def _facts(one: IncidentRow) -> rx.Component:
    links = rx.el.div(
        rx.cond(one.job_href, parts.link("Job", one.job_href, css="button")),
        rx.cond(one.run_href, parts.link("Run and output", one.run_href, css="button")),
        rx.cond(one.host_href, parts.link("Host", one.host_href, css="button")),
        rx.cond(one.parent_href, parts.link("Explained by", one.parent_href, css="button")),
        class_name="flex pad",
    )
    told = rx.el.p(rx.cond(one.told, one.told, "The messages are decided in a moment."))
    return parts.card("Who is told", told, links)


def _acts(one: IncidentRow) -> rx.Component:
    take = rx.cond(
        one.by, rx.el.p(f"{one.by} takes care of it."), rx.el.button("Acknowledge", on_click=IncidentState.acknowledge)
    )
    options = [rx.el.option(label, value=minutes) for label, minutes in SNOOZES]
    choice = rx.el.select(*options, name="minutes", aria_label="how long nothing is sent")
    snooze = rx.el.form(choice, rx.el.button("Snooze"), on_submit=IncidentState.snooze, class_name="flex")
    wake = rx.el.form(
        rx.el.input(type="hidden", name="minutes", value="0", read_only=True),
        rx.el.button("End the snooze"),
        on_submit=IncidentState.snooze,
    )
    open_acts = rx.el.div(take, rx.cond(one.snoozed, wake, snooze), class_name="flex pad")
    comment = rx.el.form(
        parts.field("Comment", rx.el.textarea(name="text", max_length=2000, rows="2", required=True)),
        rx.el.div(rx.el.button("Add comment", type="submit")),
        on_submit=IncidentState.comment,
        reset_on_submit=True,
        class_name="form",
    )
    over = rx.el.p("It is over.", class_name="muted")
    return parts.card("Take care of it", rx.cond(one.state == "closed", over, open_acts), comment)


def _timeline() -> rx.Component:
    return parts.card("Timeline", rx.foreach(IncidentState.timeline, _entry))


def _entry(one: TimelineRow) -> rx.Component:
    who = rx.cond(one.actor, rx.fragment(" · ", one.actor))
    words = rx.el.div(
        rx.el.b(one.kind), who, rx.el.small(parts.when(one.at, "short")), rx.cond(one.text, rx.el.p(one.text))
    )
    return rx.el.div(parts.dot(one.colour), words, class_name="inc")
