"""The Silences page: periods in which nobody is told, or in which nothing is a problem."""

from __future__ import annotations

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.kit import dialog, parts, skeleton
from crontopus_app.ui.silences.rows import WindowRow
from crontopus_app.ui.silences.state import SilencesState as State

HEADS = ["State", "Kind", "Covers", "From", "Until", "Reason", ""]
LENGTHS = (("1 hour", "60"), ("4 hours", "240"), ("8 hours", "480"), ("1 day", "1440"), ("1 week", "10080"))
MEANINGS = {
    "silence": "Problems are recorded as incidents, but nobody is told of them before it ends.",
    "maintenance": "Runs may be missed, and nothing that begins is an incident before it ends.",
}


def silences() -> rx.Component:
    """``/silences``."""
    none = rx.el.p("None. Every problem is told.", class_name="muted pane")
    listed = parts.table(HEADS, rx.foreach(State.windows, _window))
    return shell.frame(
        "Silences",
        "Silences and maintenance",
        State,
        parts.card("In crontopus.yaml", rx.cond(State.windows, listed, none), flush=True),
        _form(),
        _confirmation(),
        shape=skeleton.forms(),
    )


def _window(one: WindowRow) -> rx.Component:
    end = dialog.opens("end", "end", css="small", id=one.id, name=one.covers, kind=one.kind)
    return rx.el.tr(
        rx.el.td(parts.dot(one.colour), one.state),
        rx.el.td(one.kind),
        rx.el.td(one.covers, class_name="wrap"),
        rx.el.td(rx.cond(one.starts, parts.when(one.starts, "short"), "–"), class_name="muted"),
        rx.el.td(
            rx.cond(one.until, parts.when(one.until, "short")),
            rx.cond(one.recurs, rx.el.small(one.recurs)),
            class_name="muted",
        ),
        rx.el.td(one.reason, class_name="muted wrap"),
        rx.el.td(end, class_name="act"),
        key=one.id,
    )


def _form() -> rx.Component:
    lengths = rx.el.select(*[rx.el.option(label, value=minutes) for label, minutes in LENGTHS], name="minutes")
    form = rx.el.form(
        parts.field(
            "Which jobs",
            rx.el.input(name="jobs", default_value=State.job, max_length=2000, spell_check=False),
            State.wrong["jobs"],
            "names or patterns, such as production/db-*; * for everything",
        ),
        parts.field(
            "Which hosts",
            rx.el.input(name="hosts", default_value=State.host, max_length=2000, spell_check=False),
            State.wrong["hosts"],
            "names or patterns, such as db*; with jobs, only those jobs there",
        ),
        parts.field("For", lengths, State.wrong["minutes"]),
        parts.field("Reason", rx.el.input(name="reason", max_length=1024), State.wrong["reason"]),
        rx.cond(State.wrong[""], rx.el.div(State.wrong[""], class_name="wrong", role="alert")),
        rx.el.div(rx.el.button("Commit", type="submit", class_name="primary")),
        on_submit=State.add,
        class_name="form",
        key=f"{State.kind} {State.job} {State.host} {State.added}",
    )
    kinds = rx.el.section(parts.pills(State.kinds), class_name="filters", aria_label="kinds")
    meaning = rx.match(State.kind, *MEANINGS.items(), "")
    recurring = rx.el.p("One that recurs, such as each Sunday night, is written in crontopus.yaml.", class_name="muted")
    return parts.card("Add one", kinds, rx.el.p(meaning), form, recurring)


def _confirmation() -> rx.Component:
    return dialog.confirm(
        "end",
        "End it now",
        rx.el.p("The ", dialog.given("kind"), " of ", dialog.given("name"), " is removed from crontopus.yaml."),
        act="End it now",
        on_submit=State.end,
        takes=("id", "kind"),
    )
