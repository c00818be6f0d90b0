"""One job: state, schedule in words, what is next, what was, what is installed."""

from __future__ import annotations

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.job.rows import Cell, CommitRow, Instance, Line
from crontopus_app.ui.job.state import JobState as State
from crontopus_app.ui.kit import charts, coming, dialog, parts, run_table

INSTANCES = ["Endpoint", "State", "Installed", "Commit", "Last run"]


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
        rx.el.div(_past(), _coming(), class_name="cols w"),
        _tabs(),
        _danger(),
        _confirmations(),
        right=(rx.cond(head.valid, pause), parts.link("Edit", head.edit, css="button primary")),
    )


def _head() -> rx.Component:
    head = State.head
    return rx.el.section(
        rx.el.span(head.said, class_name=f"state s-{head.state}"),
        rx.el.div(
            rx.el.b(head.explained, " "),
            rx.el.span(head.cron, class_name="mono muted"),
            rx.el.small(
                "on ", head.hosts, " · ", rx.el.span(head.path, class_name="mono"), parts.copy(head.id, "copy id")
            ),
        ),
        rx.el.div(
            rx.el.b(rx.cond(head.paused, "paused", parts.when(head.next, "in", head.zone))),
            rx.el.small(parts.when(head.next, "exact", head.zone)),
            class_name="next",
        ),
        class_name="head",
    )


def _past() -> rx.Component:
    none = rx.el.p("It has not run yet.", class_name="muted")
    strip = rx.el.div(rx.foreach(State.strip, _cell), class_name="strip")
    chart = rx.fragment(
        rx.el.h2("Duration", rx.el.small(State.durations.said)), charts.durations(State.durations.paths)
    )
    return parts.card(
        "Last runs",
        rx.cond(State.strip, rx.fragment(strip, chart), none),
        note="one cell a run",
        aside=rx.el.span(State.durations.success, class_name="legend"),
    )


def _cell(cell: Cell) -> rx.Component:
    return parts.link("", cell.href, css=f"s-{cell.state}", title=cell.title, aria_label=cell.title)


def _coming() -> rx.Component:
    told = State.future
    return parts.card("Next runs", coming.slots(told), coming.nights(told), note=rx.fragment("in ", told.zone))


def _tabs() -> rx.Component:
    names = (("runs", "Runs"), ("definition", "Definition"), ("history", "History"), ("endpoints", "Endpoints"))
    links = [_tab(key, name) for key, name in names]
    body = rx.match(
        State.tab,
        ("definition", _definition()),
        ("history", _history()),
        ("endpoints", _endpoints()),
        rx.fragment(
            run_table.table(State.runs), rx.el.div(parts.link("All its runs", State.head.runs), class_name="pane")
        ),
    )
    return rx.el.section(rx.el.nav(*links, class_name="tabs", aria_label="parts"), body, class_name="card flush")


def _tab(key: str, name: str) -> rx.Component:
    on = State.tab == key
    return parts.link(name, f"?tab={key}", css=rx.cond(on, "on", ""), aria_current=rx.cond(on, "page", "false"))


def code_line(line: Line) -> rx.Component:
    """A numbered line with what is to be said of it."""
    return rx.el.div(rx.el.em(line.number), rx.el.code(line.text), rx.el.span(line.note), class_name=f"ln {line.css}")


def _code() -> rx.Component:
    return rx.el.div(rx.foreach(State.lines, code_line), class_name="lines", tab_index=0, aria_label="text of the file")


def _definition() -> rx.Component:
    return rx.fragment(_code())


def _history() -> rx.Component:
    return rx.fragment(rx.el.div(rx.foreach(State.commits, _commit), class_name="pane"), _code())


def _commit(commit: CommitRow) -> rx.Component:
    restore = dialog.opens("Restore", "restore", sha=commit.sha, short=commit.short, message=commit.message)
    words = rx.el.div(
        parts.link(commit.message, commit.href),
        rx.el.small(commit.author, " · ", rx.el.span(commit.short, class_name="mono"), " · ", parts.when(commit.at)),
    )
    return rx.el.div(rx.el.span(commit.initials, class_name="av", aria_hidden="true"), words, restore, class_name="chg")


def _endpoints() -> rx.Component:
    table = parts.table(INSTANCES, rx.foreach(State.instances, _instance))
    none = rx.el.p("No endpoint matches its selector.", class_name="muted pane")
    return rx.cond(State.instances, table, none)


def _instance(one: Instance) -> rx.Component:
    return rx.el.tr(
        rx.el.td(parts.dot(one.state), parts.link(one.host, one.href)),
        rx.el.td(parts.tag(one.said, one.state)),
        rx.el.td(one.outcome, rx.cond(one.reason, rx.el.small(one.reason)), class_name="wrap"),
        rx.el.td(one.commit, class_name="mono"),
        rx.el.td(rx.cond(one.run, parts.link(parts.when(one.last), one.run), "–")),
    )


def _danger() -> rx.Component:
    what = rx.el.p("Its file goes; Git keeps it, so it can be brought back.", class_name="muted")
    return parts.card("Delete", what, dialog.opens("Delete this job", "delete", css="danger"))


def _confirmations() -> rx.Component:
    """What is asked before an act, in words that say what it will do where."""
    head = State.head
    delete = dialog.confirm(
        "delete",
        rx.fragment("Delete ", head.namespace, "/", head.name),
        rx.el.p("Removes ", head.lines, " with the next pass. Its runs stay here, its file stays in Git's history."),
        act="Delete",
        on_submit=State.delete,
    )
    restore = dialog.confirm(
        "restore",
        "Restore this content",
        rx.el.p("Makes a new commit with the content of ", dialog.told("short"), ", “", dialog.told("message"), "”."),
        rx.el.p("Changes ", head.lines, " with the next pass. What is there now stays in the history."),
        act="Restore",
        on_submit=State.restore,
        takes=("sha",),
        danger=False,
    )
    return rx.fragment(delete, restore)
