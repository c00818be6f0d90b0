"""Runs, and one run with its output."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.kit import parts, terminal
from crontopus_app.ui.runs.rows import Fact, Pill, RunRow
from crontopus_app.ui.runs.state import RunsState, RunState

HEADS = ["Job", "Namespace", "Host", "Started", "Delay", "Took", "Outcome", "Commit"]


def runs() -> rx.Component:
    """``/runs``."""
    foot = rx.el.div(
        rx.el.span(RunsState.total, " runs", class_name="muted"),
        rx.cond(RunsState.newest, parts.link("Newest", RunsState.newest, css="button")),
        rx.cond(RunsState.older, parts.link("Older", RunsState.older, css="button")),
        class_name="flex",
    )
    none = rx.el.section(
        parts.empty("No run matches", rx.el.p("A run is here as soon as a host's cron starts a job.")),
        class_name="card",
    )
    return shell.frame(
        "Runs",
        "Runs",
        RunsState,
        rx.el.section(rx.foreach(RunsState.pills, _pill), class_name="filters", aria_label="filters"),
        rx.cond(RunsState.rows, rx.el.section(table(RunsState.rows), class_name="card flush"), none),
        foot,
    )


def _pill(pill: Pill) -> rx.Component:
    return parts.pill(pill.text, pill.href, pill.on)


def table(rows: Any) -> rx.Component:
    """Runs, newest first."""
    return parts.table(HEADS, rx.foreach(rows, _row), numeric=("Delay", "Took"))


def _row(run: RunRow) -> rx.Component:
    took = rx.cond(run.status == "running", parts.when(run.at, "since"), rx.el.span(run.took))
    return rx.el.tr(
        rx.el.td(parts.dot(run.state), parts.link(run.job, run.href)),
        rx.el.td(parts.namespace(run.namespace)),
        rx.el.td(run.host),
        rx.el.td(parts.when(run.at), class_name="muted"),
        rx.el.td(run.delay, class_name="num muted"),
        rx.el.td(took, class_name="num"),
        rx.el.td(parts.tag(run.status, run.state), " ", rx.el.span(run.exit, class_name="muted")),
        rx.el.td(run.commit, class_name="mono"),
        key=run.id,
        class_name="fresh",
    )


def run() -> rx.Component:
    """``/runs/[run]``."""
    one = RunState.run
    return shell.frame(
        "Runs",
        rx.fragment(rx.el.span("Runs / ", class_name="muted"), one.job),
        RunState,
        rx.el.section(
            rx.el.span(one.status, class_name=f"state s-{one.state}"),
            rx.el.div(
                parts.link(rx.el.b(one.namespace, "/", one.job), one.job_href),
                rx.el.small(
                    "on ", one.host, " · began ", parts.when(one.at), " · slot ", parts.when(one.slot, "exact")
                ),
            ),
            class_name="head",
        ),
        rx.el.section(rx.el.dl(rx.foreach(RunState.facts, _fact), class_name="facts"), class_name="card"),
        rx.cond(RunState.error, parts.note(RunState.error, state="failed")),
        _output(),
        parts.card("Around it on the same host", table(RunState.around), flush=True),
    )


def _fact(fact: Fact) -> rx.Component:
    return parts.fact(fact.name, fact.value)


def _output() -> rx.Component:
    shown = RunState.output
    copy = rx.el.button("copy", type="button", class_name="copy", data_copy_from="output")
    return parts.card(
        "Output",
        rx.cond(
            shown.empty,
            rx.el.p("It printed nothing, or its output has not arrived yet.", class_name="muted pane"),
            terminal.terminal(shown.head, shown.gap, shown.tail),
        ),
        flush=True,
        aside=copy,
    )
