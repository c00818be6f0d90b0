"""The Job page: state, schedule, next runs, history, tabs, and the actions on the job."""

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
        rx.cond(~head.valid, parts.note("Invalid manifest: the errors are in the Definition tab.", state="failed")),
        _head(),
        rx.cond(head.command, _what()),
        rx.el.div(_month(), _next_runs(), class_name="cols w"),
        rx.cond(State.pings.url, _pings()),
        tabs.tabs(),
        _move(),
        _delete(),
        _restore(),
        shape=skeleton.job(),
        zone=State.ahead.shown_zone,
        right=(
            dialog.opens("Delete", "delete"),
            rx.cond(head.valid, pause),
            parts.link("Edit", head.edit, css="button primary"),
        ),
    )


def _head() -> rx.Component:
    head, ahead = State.head, State.ahead
    zones = rx.el.small(
        rx.cond(ahead.there, rx.el.span(ahead.there)),
        parts.when(ahead.next, "yours", ahead.zone),
        rx.cond(ahead.utc, rx.el.span(ahead.utc, " UTC")),
        class_name="zones",
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


def _what() -> rx.Component:
    """What the job does, for somebody who has never seen it: description, command, labels, owner, runbook."""
    head = State.head
    known = rx.el.div(
        rx.cond(head.runbook, rx.el.a("Runbook", href=head.runbook, rel="noreferrer", class_name="button")),
        rx.cond(head.owner, rx.el.span("owner ", head.owner)),
        rx.foreach(head.labels, lambda label: rx.el.span(label, class_name="ns")),
        class_name="flex",
    )
    return rx.el.section(
        rx.cond(head.description, rx.el.p(head.description)),
        parts.copy_line(head.command),
        known,
        class_name="card what",
    )


def _where() -> rx.Component:
    """Hosts, whether their crontabs match Git, path."""
    head = State.head
    return rx.el.small(
        "on ",
        head.hosts,
        rx.cond(head.installed, rx.fragment(" · ", head.installed)),
        " · ",
        rx.el.span(head.path, class_name="mono"),
        parts.copy(head.id, "Copy id"),
    )


def _month() -> rx.Component:
    month = State.month
    none = rx.el.p("Not due and no runs in the last 30 days.", class_name="muted")
    cells = rx.cond(month.cells, strip.strip(month.cells, month.columns, "the last 30 days"), none)
    chart_data = month.durations
    chart = rx.fragment(
        rx.el.h2("Duration", rx.el.small(chart_data.summary), durations.key(chart_data)),
        rx.cond(chart_data.bars, durations.chart(chart_data), rx.el.p("No run has ended yet.", class_name="muted")),
    )
    share = rx.el.span(month.success, class_name="legend steadily")
    return parts.card("30 days", cells, chart, note=month.unit, aside=share)


def _next_runs() -> rx.Component:
    ahead = State.ahead
    quieter = rx.cond(
        ahead.schedule,
        rx.fragment(" A quieter time is ", dialog.opens(ahead.quieter, "move", css="linked"), "."),
        rx.cond(ahead.quieter, rx.fragment(" A quieter time is ", ahead.quieter, ".")),
    )
    crowd = rx.cond(ahead.crowd, parts.note(rx.el.b("Same start time "), ahead.crowd, quieter))
    note = rx.cond(ahead.forecast.next_runs, rx.fragment("in ", ahead.forecast.zone))
    return parts.card("Next runs", next_runs.slots(ahead.forecast), next_runs.nights(ahead.forecast), crowd, note=note)


def _pings() -> rx.Component:
    """How a job without an agent reports its runs."""
    recipe = rx.foreach(
        State.pings.recipes, lambda each: rx.el.details(rx.el.summary(each.title), parts.copy_line(each.text))
    )
    secret = rx.el.p("Anyone who knows this URL can report runs of the job.", class_name="muted")
    return parts.card("Ping URL", parts.copy_line(State.pings.url), secret, recipe, note="request it when the job ends")


def _move() -> rx.Component:
    head, ahead = State.head, State.ahead
    return dialog.confirm(
        "move",
        rx.fragment("Move to ", ahead.quieter),
        rx.el.p(
            "Changes the schedule from ",
            rx.el.code(head.cron),
            " to ",
            rx.el.code(ahead.schedule),
            ". Changes ",
            head.lines,
            ".",
        ),
        act="Change schedule",
        on_submit=State.move,
        danger=False,
    )


def _delete() -> rx.Component:
    head = State.head
    return dialog.confirm(
        "delete",
        rx.fragment("Delete ", head.namespace, "/", head.name),
        rx.el.p("Removes ", head.lines, " at the next sync (seconds). Its runs and its Git history are kept."),
        act="Delete",
        on_submit=State.delete,
    )


def _restore() -> rx.Component:
    """Shows the effect of restoring a version on the file and the hosts, before it is done."""
    restoring = State.restoring
    return dialog.confirm(
        "restore",
        "Restore this version",
        rx.el.p("Commits the content of ", dialog.given("short"), " (", dialog.given("message"), ") again."),
        rx.cond(restoring.lines, code.block(restoring.lines, "what changes in the file")),
        rx.el.p(rx.cond(restoring.text, restoring.text, "Comparing the versions …"), role="status"),
        act="Restore",
        on_submit=State.restore,
        takes=("sha",),
        danger=False,
    )
