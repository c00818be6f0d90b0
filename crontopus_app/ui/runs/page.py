"""The Runs page, and the page of one run with its output."""

from __future__ import annotations

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.kit import parts, run_table, skeleton, terminal
from crontopus_app.ui.runs.rows import EvidenceRow, Fact
from crontopus_app.ui.runs.state import RunsState, RunState


def runs() -> rx.Component:
    """``/runs``."""
    count = rx.cond(RunsState.total == 1, "1 run", f"{RunsState.total} runs")
    foot = parts.pager(RunsState.newest, RunsState.older, ("Newest", "Older"), count)
    query = RunsState.query
    filtered = query.job + query.namespace + query.endpoint + query.status + query.since
    none = rx.el.section(rx.cond(filtered, _none_here(), _none()), class_name="card")
    return shell.frame(
        "Runs",
        "Runs",
        RunsState,
        rx.el.section(parts.pills(RunsState.pills), _form(), class_name="filters", aria_label="filters"),
        rx.cond(RunsState.rows, rx.fragment(_listed(), foot), none),
        shape=skeleton.table(),
    )


def _listed() -> rx.Component:
    return rx.el.section(run_table.table(RunsState.rows), class_name="card flush")


def _none() -> rx.Component:
    return parts.empty(
        "No runs yet",
        rx.el.p("They appear here when a host runs a job."),
        rx.el.div(parts.link("Enrol a host", "/enrol", css="button primary"), class_name="pad"),
    )


def _none_here() -> rx.Component:
    return parts.empty("No runs match", rx.el.p(parts.link("Show all runs", "/runs")))


def _form() -> rx.Component:
    """Text filters; ``assets/js/filters.js`` puts them into the address, which keeps outcome and time span."""
    query = RunsState.query
    typed = [
        rx.el.input(name=name, type="search", placeholder=name, default_value=value, key=f"{name}-{value}",
                    aria_label=f"filter by {name}", size="11")
        for name, value in (("job", query.job), ("namespace", query.namespace), ("endpoint", query.endpoint))
    ]  # fmt: skip
    kept = [
        rx.el.input(type="hidden", name=name, value=value, read_only=True)
        for name, value in (("status", query.status), ("since", query.since))
    ]
    return rx.el.form(*typed, *kept, rx.el.button("Filter", class_name="small"), action="/runs", data_go="")


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
                    "on ",
                    one.host,
                    rx.cond(one.status == "missed", " · not started", rx.fragment(" · started ", parts.when(one.at))),
                ),
            ),
            _beside(),
            class_name="head",
        ),
        rx.el.section(rx.el.dl(rx.foreach(RunState.facts, _fact), class_name="facts"), class_name="card"),
        rx.cond(RunState.why.verdict, _why()),
        rx.cond(RunState.error, parts.note(RunState.error, state="failed")),
        _output(),
        parts.card(RunState.around_title, run_table.table(RunState.around, own=one.id), flush=True),
        shape=skeleton.run(),
        zone=RunState.zone,
        right=(
            parts.link("All runs of the job", RunState.beside.every, css="button"),
            parts.link("Edit job", RunState.beside.edit, css="button"),
        ),
    )


def _beside() -> rx.Component:
    """Links to the job's previous and next run on the same host."""
    beside = RunState.beside
    return rx.el.nav(
        rx.cond(beside.before, parts.link("‹ Previous run", beside.before, css="button")),
        rx.cond(beside.after, parts.link("Next run ›", beside.after, css="button")),
        class_name="flex",
        aria_label="runs of the job on this host",
    )


def _why() -> rx.Component:
    """Verdict, sentence, evidence and next step of a missed or lost run."""
    shown = RunState.why
    return parts.card(
        shown.title,
        rx.el.div(
            rx.el.p(rx.el.b(shown.sentence)), rx.el.p("Next: ", shown.next, class_name="muted"), class_name="pane"
        ),
        parts.table(["When", "Evidence", "Source"], rx.foreach(shown.evidence, _evidence)),
        note=shown.verdict,
        flush=True,
    )


def _evidence(row: EvidenceRow) -> rx.Component:
    return rx.el.tr(
        rx.el.td(parts.when(row.at, "exact"), class_name="muted"),
        rx.el.td(row.fact),
        rx.el.td(row.source, class_name="muted"),
    )


def _fact(fact: Fact) -> rx.Component:
    value = rx.cond(fact.href, parts.link(fact.value, fact.href), fact.value)
    return parts.fact(fact.name, rx.cond(fact.at, parts.when(fact.at, "zoned"), value))


def _output() -> rx.Component:
    shown = RunState.output
    return parts.card(
        "Output",
        rx.cond(
            shown.empty,
            rx.el.p("No output, or it has not arrived yet.", class_name="muted pane"),
            terminal.terminal(shown.head, shown.gap, shown.tail),
        ),
        flush=True,
        aside=rx.cond(shown.empty, rx.fragment(), _tools()),
    )


def _tools() -> rx.Component:
    """Buttons to search the output (``assets/js/find.js``), copy it and download it."""
    find = rx.el.input(type="search", placeholder="Find", aria_label="find in the output", data_find="output")
    step = lambda label, by: rx.el.button(label, type="button", class_name="copy", data_find_step=by)  # noqa: E731 -- twice
    return rx.el.span(
        find,
        rx.el.span(role="status", class_name="muted", data_find_count=""),
        step("Previous", "-1"),
        step("Next", "1"),
        rx.el.button("Copy", type="button", class_name="copy", data_copy_from="output"),
        rx.el.a(
            "Download",
            href=f"/api/runs/{RunState.run.id}/output",
            download=f"run-{RunState.run.id}.txt",
            class_name="link",
        ),
        class_name="tools",
    )
