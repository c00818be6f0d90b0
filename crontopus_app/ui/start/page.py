"""The three steps after registration."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.kit import parts
from crontopus_app.ui.start.state import StartState as State


def start() -> rx.Component:
    """``/start``."""
    steps = rx.el.ol(_repository(), _host(), _run(), class_name="steps")
    return shell.frame("Overview", "Start", State, rx.el.section(steps, class_name="card"))


def _step(number: str, done: Any, title: str, *body: Any) -> rx.Component:
    mark = rx.el.span(
        rx.cond(done, "✓", number), class_name=rx.cond(done, "n s-ok", "n"), aria_label=rx.cond(done, "done", "to do")
    )
    return rx.el.li(mark, rx.el.div(rx.el.h2(title), *body), class_name=rx.cond(done, "done", ""))


def _repository() -> rx.Component:
    failed = rx.fragment(
        parts.note(State.reason, state="failed"),
        rx.el.button("Try again", on_click=State.again, style={"marginTop": "8px"}),
    )
    said = rx.match(
        State.provisioning,
        ("ready", rx.el.span(State.repository, class_name="mono")),
        ("failed", failed),
        rx.el.span("Being made. This takes a few seconds.", class_name="muted"),
    )
    return _step("1", State.provisioning == "ready", "Your repository is ready", said)


def _host() -> rx.Component:
    todo = rx.fragment(
        rx.el.p("A token and the commands to copy:", class_name="muted"),
        parts.link("Enrol a host", "/enrol", css="button primary"),
    )
    return _step(
        "2", State.hosts > 0, "Enrol a host", rx.cond(State.hosts > 0, rx.el.span(State.hosts, " enrolled"), todo)
    )


def _run() -> rx.Component:
    todo = rx.cond(
        State.jobs > 0,
        rx.el.p("Your job is in Git. Its first run is here as soon as cron starts it.", class_name="muted"),
        parts.link("Write a job", "/jobs/new", css="button"),
    )
    return _step("3", State.run, "See its first run", rx.cond(State.run, parts.link("Look at it", State.run), todo))
