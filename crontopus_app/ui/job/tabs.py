"""Tabs of the Job page: Runs, Definition, History, Endpoints, Alerts. The open tab is in the address."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui.job.rows import HistoryRow, Instance, JobIncident, RunLine
from crontopus_app.ui.job.state import JobState as State
from crontopus_app.ui.kit import code, dialog, parts

NAMES = (
    ("runs", "Runs"),
    ("definition", "Definition"),
    ("history", "History"),
    ("endpoints", "Endpoints"),
    ("alerts", "Alerts"),
)
RUNS = ["Scheduled", "Start delay", "Duration", "Outcome", "Host", "Commit", "Output"]
INCIDENTS = ["Cause", "What", "Since", "Closed"]
INSTANCES = ["Endpoint", "State", "Installed", "Commit", "Last run"]


def tabs() -> rx.Component:
    every = parts.link("All runs", State.head.runs, css="right")
    links = rx.el.nav(*[_tab(key, name) for key, name in NAMES], every, class_name="tabs", aria_label="parts")
    body = rx.match(
        State.body.tab,
        ("definition", code.block(State.body.lines, "the manifest")),
        ("history", _history()),
        ("endpoints", _endpoints()),
        ("alerts", _alerts()),
        _runs(),
    )
    return rx.el.section(links, body, class_name="card flush")


def _tab(key: str, name: str) -> rx.Component:
    on = State.body.tab == key
    return parts.link(name, f"?tab={key}", css=rx.cond(on, "on", ""), aria_current=rx.cond(on, "page", "false"))


def _runs() -> rx.Component:
    """Rows are keyed by position: a new run changes their text, so nothing on the page moves."""
    table = parts.table(RUNS, rx.foreach(State.runs, lambda run, place: _run(run, place)), numeric=("Duration",))
    none = rx.el.p("No runs yet.", class_name="muted pane")
    return rx.cond(State.runs, rx.el.div(table, class_name="steady"), none)


def _run(run: RunLine, place: int) -> rx.Component:
    slot = parts.link(parts.moment(run.at, run.slot, State.ahead.zone), run.href)
    return rx.el.tr(
        rx.el.td(slot),
        rx.el.td(run.delay, class_name="muted"),
        rx.el.td(rx.cond(run.running_since, parts.when(run.running_since, "since"), run.took), class_name="num"),
        rx.el.td(
            parts.tag(run.status, run.state),
            rx.cond(run.more, rx.el.span(run.more, class_name="muted more")),
            class_name="outcome",
        ),
        rx.el.td(run.host),
        rx.el.td(run.commit, class_name="mono"),
        rx.el.td(run.output, class_name="mono muted cutoff"),
        key=place,
    )


def _history() -> rx.Component:
    commits = rx.el.div(rx.foreach(State.body.commits, lambda commit, place: _commit(commit, place)), class_name="pane")
    changed = rx.fragment(rx.el.h2("Changes", class_name="pane"), code.block(State.body.lines, "changes of the commit"))
    choose = rx.el.p("Choose a commit to see its changes.", class_name="muted pane")
    return rx.fragment(commits, rx.cond(State.body.lines, changed, choose))


def _commit(commit: HistoryRow, place: Any) -> rx.Component:
    """One commit; the newest one has no Restore button, it is the current version."""
    gives = {"sha": commit.sha, "short": commit.short, "message": commit.message}
    restore = dialog.opens("Restore", "restore", on_click=State.look(commit.sha), **gives)
    words = rx.el.div(
        parts.link(commit.message, commit.href, aria_current=rx.cond(commit.open, "true", "false")),
        rx.el.small(commit.author, " · ", rx.el.span(commit.short, class_name="mono"), " · ", parts.when(commit.at)),
    )
    css = rx.cond(commit.open, "chg on", "chg")
    act = rx.cond(place == 0, rx.el.span("current", class_name="muted"), restore)
    return rx.el.div(rx.el.span(commit.initials, class_name="av", aria_hidden="true"), words, act, class_name=css)


def _endpoints() -> rx.Component:
    table = parts.table(INSTANCES, rx.foreach(State.body.instances, _instance))
    none = rx.el.p("No endpoint matches the job's selector.", class_name="muted pane")
    return rx.cond(State.body.instances, table, none)


def _instance(one: Instance) -> rx.Component:
    """The job on one host: its crontab lines, whether they match Git, edits from outside Crontopus."""
    lines = rx.foreach(one.lines, lambda line: rx.el.code(line, class_name="code"))
    none = rx.el.span("no line in the crontab", class_name="muted")
    read = rx.el.small("reported ", parts.when(one.reported))
    drift = rx.foreach(one.drift, lambda text: parts.note(text, state="failed"))
    reason = rx.cond(one.reason, rx.el.small(one.outcome, ": ", one.reason))
    return rx.el.tr(
        rx.el.td(parts.dot(one.state), parts.link(one.host, one.href)),
        rx.el.td(parts.tag(one.label, one.state), class_name="outcome"),
        rx.el.td(rx.cond(one.lines, lines, none), reason, rx.cond(one.reported, read), drift, class_name="wrap"),
        rx.el.td(
            rx.el.span(one.commit, class_name="mono"), rx.el.small(rx.cond(one.current, "matches Git", "Git is newer"))
        ),
        rx.el.td(rx.cond(one.run, parts.link(parts.when(one.last), one.run), "–")),
    )


def _alerts() -> rx.Component:
    """Who is told of the job's problems, and its incidents."""
    alerts = State.body.alerts
    told = rx.el.div(
        parts.note(alerts.reason, state=alerts.colour),
        rx.el.ul(rx.foreach(alerts.steps, rx.el.li)),
        rx.el.ul(rx.foreach(alerts.rules, rx.el.li), class_name="muted"),
        parts.link("Silence this job", alerts.silence, css="button"),
        class_name="pane",
    )
    listed = parts.table(INCIDENTS, rx.foreach(alerts.incidents, _incident))
    return rx.fragment(told, rx.cond(alerts.incidents, listed, rx.el.p("No incidents yet.", class_name="muted pane")))


def _incident(one: JobIncident) -> rx.Component:
    return rx.el.tr(
        rx.el.td(parts.dot(one.colour), parts.link(one.cause, one.href)),
        rx.el.td(one.what, class_name="wrap"),
        rx.el.td(parts.when(one.since), class_name="muted"),
        rx.el.td(rx.cond(one.closed, parts.when(one.closed), "open"), class_name="muted"),
    )
