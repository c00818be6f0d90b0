"""The three steps after registration."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.kit import parts, skeleton
from crontopus_app.ui.start.state import StartState as State


def start() -> rx.Component:
    """``/start``."""
    steps = rx.el.ol(_repository(), _host(), _run(), class_name="steps")
    hint = rx.el.p("Each step is checked off automatically. You can leave this page open.", class_name="muted")
    return shell.frame(
        "Start",
        "Start",
        State,
        rx.cond(State.grant, _no_operator()),
        rx.el.section(steps, rx.cond(State.run, _done(), hint), class_name="card start"),
        shape=skeleton.steps(),
    )


def _no_operator() -> rx.Component:
    """The command that makes this user the installation's first operator."""
    text = rx.el.p(
        "This installation has no operator yet. To become its operator, run this on the server:",
        class_name="muted",
    )
    return parts.card("No operator", text, parts.copy_line(State.grant))


def _done() -> rx.Component:
    """Links shown once all three steps are done."""
    return rx.el.div(
        parts.link("Open the Overview", "/", css="button primary"),
        parts.link("Create another job", "/jobs/new", css="button"),
        parts.link("Enrol another host", "/enrol", css="button"),
        class_name="flex",
    )


def _step(number: str, done: Any, current: Any, title: str, *body: Any) -> rx.Component:
    """One step. ``current``: it is the step to take now."""
    mark = rx.el.span(
        rx.cond(done, "✓", number),
        class_name=rx.cond(done, "n s-ok", "n"),
        role="img",
        aria_label=rx.cond(done, "done", "to do"),
    )
    css = rx.cond(done, "done", rx.cond(current, "turn", "later"))
    return rx.el.li(mark, rx.el.div(rx.el.h2(title), *body), class_name=css)


def _repository() -> rx.Component:
    failed = rx.fragment(
        parts.note(State.reason, state="failed"),
        rx.el.button("Try again", on_click=State.again, style={"marginTop": "8px"}),
    )
    ready = rx.fragment(
        rx.el.span(State.repository, class_name="mono"),
        rx.el.p("Each job is a file in it. Every save is a commit with you as its author.", class_name="muted"),
    )
    body = rx.match(
        State.provisioning,
        ("ready", ready),
        ("failed", failed),
        rx.el.span("The repository is being created. This takes a few seconds.", class_name="muted"),
    )
    return _step("1", State.provisioning == "ready", True, "Repository", body)


def _host() -> rx.Component:
    todo = rx.fragment(
        rx.el.p("Create a token, then run three commands on the host that should run your jobs.", class_name="muted"),
        parts.link("Enrol a host", "/enrol", css="button primary"),
    )
    count = rx.cond(State.hosts == 1, "1 host enrolled.", f"{State.hosts} hosts enrolled.")
    body = rx.cond(State.hosts > 0, rx.el.p(count, class_name="muted"), todo)
    return _step("2", State.hosts > 0, State.provisioning == "ready", "Enrol a host", body)


def _run() -> rx.Component:
    todo = rx.cond(
        State.jobs > 0,
        rx.el.p("Your job is in Git. Its first run appears here when cron starts it.", class_name="muted"),
        rx.fragment(
            rx.el.p("Create a job: a schedule and a command.", class_name="muted"),
            parts.link("Create a job", "/jobs/new", css=rx.cond(State.hosts > 0, "button primary", "button")),
        ),
    )
    output = parts.link("Show its output", State.run)
    return _step("3", State.run, State.hosts > 0, "First run", rx.cond(State.run, output, todo))
