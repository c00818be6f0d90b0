"""One job: state, schedule in words, what is next, what was, and what one does to it."""

from __future__ import annotations

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.job import tabs
from crontopus_app.ui.job.state import JobState as State
from crontopus_app.ui.kit import code, dialog, durations, next_runs, parts, skeleton, strip


def job() -> rx.Component:
    """``/jobs/[namespace]/[job]``."""
    head = State.head
    pause = rx.el.button(
        rx.cond(head.paused, "Resume", "Pause"), on_click=State.set_paused(rx.cond(head.paused, False, True))
    )
    return shell.frame(
        "Jobs",
        rx.fragment(rx.el.span(head.namespace, " / ", class_name="muted"), head.name),
        State,
        rx.cond(~head.valid, parts.note("This file is not a valid manifest: see its definition.", state="failed")),
        _head(),
        rx.el.div(_month(), _coming(), class_name="cols w"),
        tabs.tabs(),
        _move(),
        _delete(),
        _restore(),
        shape=skeleton.job(),
        right=(
            dialog.opens("Delete", "delete"),
            rx.cond(head.valid, pause),
            parts.link("Edit", head.edit, css="button primary"),
        ),
    )


def _head() -> rx.Component:
    head, ahead = State.head, State.ahead
    zones = rx.el.small(
        rx.cond(ahead.there, rx.fragment(ahead.there, " · ")),
        "yours ",
        parts.when(ahead.next, "clock"),
        " · UTC ",
        ahead.utc,
    )
    return rx.el.section(
        rx.el.span(head.label, class_name=f"state s-{head.state}"),
        rx.el.div(rx.el.b(head.explained, " "), rx.el.span(head.cron, class_name="mono muted"), _where()),
        rx.el.div(
            rx.el.b(rx.cond(head.paused, "paused", parts.when(ahead.next, "in", ahead.zone))),
            rx.cond(ahead.next, zones),
            class_name="next",
        ),
        class_name="head",
    )


def _where() -> rx.Component:
    """On which hosts, whether Git is in force there, whose it is."""
    head = State.head
    return rx.el.small(
        "on ",
        head.hosts,
        rx.cond(head.installed, rx.fragment(" · ", head.installed)),
        rx.cond(head.owner, rx.fragment(" · owner ", head.owner)),
        rx.cond(head.runbook, rx.fragment(" · ", rx.el.a("runbook", href=head.runbook, rel="noreferrer"))),
        " · ",
        rx.el.span(head.path, class_name="mono"),
        parts.copy(head.id, "copy id"),
    )


def _month() -> rx.Component:
    month = State.month
    none = rx.el.p("It has not been due and has not run in these days.", class_name="muted")
    cells = rx.cond(month.cells, strip.strip(month.cells, month.columns, "the last 30 days"), none)
    took = month.durations
    chart = rx.fragment(
        rx.el.h2("Duration", rx.el.small(took.summary), durations.key(took)),
        rx.cond(took.bars, durations.chart(took), rx.el.p("No run has ended yet.", class_name="muted")),
    )
    share = rx.el.span(month.success, class_name="legend steadily")
    return parts.card("30 days", cells, chart, note=month.unit, aside=share)


def _coming() -> rx.Component:
    ahead = State.ahead
    quieter = rx.cond(
        ahead.schedule,
        rx.fragment(" A quieter slot: ", dialog.opens(ahead.quieter, "move", css="linked"), "."),
        rx.cond(ahead.quieter, rx.fragment(" It is quieter at ", ahead.quieter, ".")),
    )
    crowd = rx.cond(ahead.crowd, parts.note(rx.el.b("Neighbours "), ahead.crowd, quieter))
    note = rx.cond(ahead.forecast.next_runs, rx.fragment("in ", ahead.forecast.zone))
    return parts.card("Next runs", next_runs.slots(ahead.forecast), next_runs.nights(ahead.forecast), crowd, note=note)


def _move() -> rx.Component:
    head, ahead = State.head, State.ahead
    return dialog.confirm(
        "move",
        rx.fragment("Start at ", ahead.quieter),
        rx.el.p(
            "Changes the schedule from ",
            rx.el.code(head.cron),
            " to ",
            rx.el.code(ahead.schedule),
            ", which changes ",
            head.lines,
            ".",
        ),
        act="Change the schedule",
        on_submit=State.move,
        danger=False,
    )


def _delete() -> rx.Component:
    head = State.head
    return dialog.confirm(
        "delete",
        rx.fragment("Delete ", head.namespace, "/", head.name),
        rx.el.p("Removes ", head.lines, " with the next pass. Its runs stay here, its file stays in Git's history."),
        act="Delete",
        on_submit=State.delete,
    )


def _restore() -> rx.Component:
    """Says what restoring a version does to the file and to the hosts, before it is done."""
    restoring = State.restoring
    return dialog.confirm(
        "restore",
        "Restore this content",
        rx.el.p("Makes a new commit with the content of ", dialog.given("short"), ", “", dialog.given("message"), "”."),
        rx.cond(restoring.lines, code.block(restoring.lines, "what changes in the file")),
        rx.el.p(rx.cond(restoring.text, restoring.text, "Looking what it would change …"), role="status"),
        act="Restore",
        on_submit=State.restore,
        takes=("sha",),
        danger=False,
    )
