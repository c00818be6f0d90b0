"""The Jobs page."""

from __future__ import annotations

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.jobs.rows import Head, InvalidJob, JobRow
from crontopus_app.ui.jobs.state import JobsState as State
from crontopus_app.ui.kit import charts, dialog, parts, skeleton

FILTER = "Filter: text, label:env=prod host:db01 state:failing"


def jobs() -> rx.Component:
    """``/jobs``."""
    return shell.frame(
        "Jobs",
        "Jobs",
        State,
        rx.el.section(parts.pills(State.pills), _filter(), class_name="filters", aria_label="filters"),
        rx.foreach(State.invalid, _invalid),
        rx.cond(
            State.jobs,
            rx.el.section(_selected(), _table(), class_name="card flush"),
            rx.cond(
                (State.total == 0) & (State.query.text == ""),
                _none(),
                rx.cond(State.invalid, rx.fragment(), _none_here()),
            ),
        ),
        parts.pager(State.pages.before, State.pages.after, ("Previous", "Next"), State.pages.summary),
        _delete(),
        shape=skeleton.table(skeleton.TALL),
        right=(parts.link("New job", "/jobs/new", css="button primary"),),
    )


def _filter() -> rx.Component:
    """The filter box; ``assets/js/filters.js`` puts it into the address, which keeps other filters and the order."""
    query = State.query
    box = rx.el.input(
        name="q", type="search", placeholder=FILTER, default_value=query.text, key=f"q-{query.text}",
        aria_label="filter jobs by text, label, host, state or namespace", spell_check=False, max_length=400,
    )  # fmt: skip
    kept = [
        rx.el.input(type="hidden", name=name, value=value, read_only=True)
        for name, value in (("namespace", query.namespace), ("state", query.state), ("sort", query.sort))
    ]
    return rx.el.form(
        box, *kept, rx.el.button("Filter", class_name="small"), action="/jobs", data_go="", class_name="wide"
    )


def _table() -> rx.Component:
    every = rx.el.input(type="checkbox", data_select_all="", aria_label="select all jobs of this page")
    heads = rx.el.tr(rx.el.th(every, class_name="pick", scope="col"), rx.foreach(State.heads, _head))
    body = rx.el.table(rx.el.thead(heads), rx.el.tbody(rx.foreach(State.jobs, _job)), class_name="cards")
    return rx.el.div(body, class_name="scroll", tab_index=0, role="group", aria_label="jobs", data_selection="")


def _head(head: Head) -> rx.Component:
    mark = rx.match(head.order, ("ascending", " ↑"), ("descending", " ↓"), "")
    return rx.el.th(
        rx.cond(head.href, parts.link(rx.fragment(head.text, mark), head.href, css="sort"), head.text),
        class_name=rx.cond(head.numeric, "num", ""),
        scope="col",
        aria_sort=head.order,
    )


def _selected() -> rx.Component:
    """What can be done with the selected jobs; ``assets/js/selection.js`` shows it while there are some."""
    act = lambda text, action: rx.el.button(text, type="button", class_name="small", data_bulk=action)  # noqa: E731 -- twice
    return rx.el.div(
        rx.el.b("0 selected", id="selected-count", role="status"),
        act("Pause", "pause"),
        act("Resume", "resume"),
        dialog.opens("Delete", "bulk-delete", css="small", action="delete", jobs="", count=""),
        rx.el.button("Clear", type="button", class_name="small bare", data_select_none="", data_local=""),
        rx.el.form(
            rx.el.input(type="hidden", name="action"),
            rx.el.input(type="hidden", name="jobs"),
            on_submit=State.bulk,
            data_bulk_port="",
            hidden=True,
        ),
        class_name="flex bulk",
        id="selected",
        hidden=True,
    )


def _delete() -> rx.Component:
    return dialog.confirm(
        "bulk-delete",
        rx.fragment("Delete ", dialog.given("count")),
        rx.el.p("Removes their crontab lines at the next sync (seconds). Their runs and their Git history are kept."),
        act="Delete",
        on_submit=State.bulk,
        takes=("action", "jobs"),
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
    name = f"{job.namespace}/{job.name}"
    pick = rx.el.input(type="checkbox", data_select=name, aria_label=f"select {job.name}")
    return rx.el.tr(
        rx.el.td(pick, class_name="pick"),
        rx.el.td(
            parts.dot(job.state, job.label), parts.link(job.name, job.href), rx.el.span(job.label, class_name="sr")
        ),
        rx.el.td(parts.namespace(job.namespace)),
        rx.el.td(job.words, rx.el.small(job.cron, class_name="mono"), class_name="wrap"),
        rx.el.td(next_run, class_name="outcome"),
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
    return rx.el.section(
        parts.empty(
            "No jobs match",
            rx.el.p("Filters: text, label:env=prod, host:db*, host:none, state:failing, ns:production. All must hold."),
            rx.el.p(parts.link("Show all jobs", "/jobs")),
        ),
        class_name="card",
    )
