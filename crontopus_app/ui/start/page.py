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
    told = rx.cond(State.run, _done(), rx.el.p("Each step ticks by itself: leave this page open.", class_name="muted"))
    return shell.frame(
        "Start",
        "Start",
        State,
        rx.cond(State.grant, _no_operator()),
        rx.el.section(steps, told, class_name="card start"),
        shape=skeleton.steps(),
    )


def _no_operator() -> rx.Component:
    """What makes the first operator of an installation that other machines reach."""
    told = rx.el.p(
        "Nobody is operator of this installation yet. To become its operator, run this on the server:",
        class_name="muted",
    )
    return parts.card("No operator", told, parts.copy_line(State.grant))


def _done() -> rx.Component:
    """Where one goes from here."""
    return rx.el.div(
        parts.link("To the Overview", "/", css="button primary"),
        parts.link("Write another job", "/jobs/new", css="button"),
        parts.link("Enrol another host", "/enrol", css="button"),
        class_name="flex",
    )


def _step(number: str, done: Any, turn: Any, title: str, *body: Any) -> rx.Component:
    """A step; ``turn`` says that it is the one to take now."""
    mark = rx.el.span(
        rx.cond(done, "✓", number),
        class_name=rx.cond(done, "n s-ok", "n"),
        role="img",
        aria_label=rx.cond(done, "done", "to do"),
    )
    css = rx.cond(done, "done", rx.cond(turn, "turn", "later"))
    return rx.el.li(mark, rx.el.div(rx.el.h2(title), *body), class_name=css)


def _repository() -> rx.Component:
    failed = rx.fragment(
        parts.note(State.reason, state="failed"),
        rx.el.button("Try again", on_click=State.again, style={"marginTop": "8px"}),
    )
    ready = rx.fragment(
        rx.el.span(State.repository, class_name="mono"),
        rx.el.p("A job is a file in it; every save is a commit with your name.", class_name="muted"),
    )
    said = rx.match(
        State.provisioning,
        ("ready", ready),
        ("failed", failed),
        rx.el.span("Being made. This takes a few seconds.", class_name="muted"),
    )
    return _step("1", State.provisioning == "ready", True, "Your repository is ready", said)


def _host() -> rx.Component:
    todo = rx.fragment(
        rx.el.p(
            "Make a token, then copy three lines to the host whose crontab shall hold your jobs.", class_name="muted"
        ),
        parts.link("Enrol a host", "/enrol", css="button primary"),
    )
    words = rx.cond(State.hosts == 1, "1 host is enrolled.", f"{State.hosts} hosts are enrolled.")
    said = rx.cond(State.hosts > 0, rx.el.p(words, class_name="muted"), todo)
    return _step("2", State.hosts > 0, State.provisioning == "ready", "Enrol a host", said)


def _run() -> rx.Component:
    todo = rx.cond(
        State.jobs > 0,
        rx.el.p("Your job is in Git. Its first run is here as soon as cron starts it.", class_name="muted"),
        rx.fragment(
            rx.el.p("It needs a job: a schedule and a command.", class_name="muted"),
            parts.link("Write a job", "/jobs/new", css=rx.cond(State.hosts > 0, "button primary", "button")),
        ),
    )
    seen = parts.link("Look at its output", State.run)
    return _step("3", State.run, State.hosts > 0, "See its first run", rx.cond(State.run, seen, todo))
