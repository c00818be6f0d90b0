"""The Jobs page."""

from __future__ import annotations

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.jobs.rows import InvalidJob, JobRow
from crontopus_app.ui.jobs.state import JobsState as State
from crontopus_app.ui.kit import charts, parts, skeleton

HEADS = ["Job", "Namespace", "Schedule", "Next", "Last 20", "Typical", "Runs on", "Changed"]


def jobs() -> rx.Component:
    """``/jobs``."""
    rows = parts.table(HEADS, rx.foreach(State.jobs, _job), numeric=("Typical",))
    return shell.frame(
        "Jobs",
        "Jobs",
        State,
        rx.el.section(parts.pills(State.pills), class_name="filters", aria_label="filters"),
        rx.foreach(State.invalid, _invalid),
        rx.cond(
            State.jobs,
            rx.el.section(rows, class_name="card flush"),
            rx.cond(State.total == 0, _none(), _none_here()),
        ),
        parts.pager(State.pages.before, State.pages.after, ("Previous", "Next"), State.pages.summary),
        shape=skeleton.table(skeleton.TALL),
        right=(parts.link("New job", "/jobs/new", css="button primary"),),
    )


def _invalid(file: InvalidJob) -> rx.Component:
    return rx.el.div(
        rx.el.b("Invalid manifest "),
        parts.link(file.where, file.href, css="link mono"),
        ": ",
        file.message,
        class_name="note top s-failed",
    )


def _job(job: JobRow) -> rx.Component:
    next_run = rx.cond(
        job.state == "running", "running", rx.cond(job.state == "paused", "paused", parts.when(job.next, "in"))
    )
    return rx.el.tr(
        rx.el.td(
            parts.dot(job.state, job.label), parts.link(job.name, job.href), rx.el.span(job.label, class_name="sr")
        ),
        rx.el.td(parts.namespace(job.namespace)),
        rx.el.td(job.words, rx.el.small(job.cron, class_name="mono"), class_name="wrap"),
        rx.el.td(next_run),
        rx.el.td(charts.spark(job.bars, "the last 20 runs")),
        rx.el.td(job.typical, class_name="num"),
        rx.el.td(job.hosts),
        rx.el.td(job.author, rx.cond(job.author, rx.fragment(", ")), parts.when(job.changed), class_name="muted"),
        key=job.id,
    )


def _none() -> rx.Component:
    """Empty state: the next step, with the command."""
    return rx.el.section(
        parts.empty(
            "No jobs yet",
            rx.el.p("A job is a YAML file in your repository. Create it here, push it with Git, or use the CLI:"),
            rx.el.pre("crontopus jobs apply -n production -f backup.yaml", class_name="code"),
            rx.el.div(parts.link("New job", "/jobs/new", css="button primary"), class_name="pad"),
        ),
        class_name="card",
    )


def _none_here() -> rx.Component:
    return rx.el.section(parts.empty("No jobs match", rx.el.p(parts.link("Show all jobs", "/jobs"))), class_name="card")
