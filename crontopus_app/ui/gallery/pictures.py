"""Larger components of the kit: the 24-hour chart, editors, dialog and toasts, skeletons."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui.gallery import examples
from crontopus_app.ui.kit import day_chart, dialog, parts, skeleton
from crontopus_app.ui.kit.editor import LineMark, editor


def day() -> rx.Component:
    """The 24-hour chart with every kind of lane, at a fixed time; a list below 720 px."""
    lanes: Any = rx.Var.create(examples.DAY)
    fresh: Any = rx.Var.create({examples.DAY[0].key: examples.DAY[0]})
    going: Any = rx.Var.create(examples.GOING)
    drawn = day_chart.chart(lanes, fresh, going, rx.Var.create(examples.GRID))
    legend = parts.legend(*((f"s-{state}", state) for state in ("ok", "running", "late", "failed", "missed")))
    return rx.el.div(parts.card("24 hours", drawn, note="as of 24 Mar, 01:00 UTC", aside=legend), data_still="")


def editors(theme: str) -> tuple[rx.Component, ...]:
    """Editors: with an error and advice, read-only, empty."""
    marks: Any = rx.Var.create(examples.MARKS)
    none: Any = rx.Var.create(examples.MARKS[:0]).to(list[LineMark])
    marked = editor(f"marked-{theme}", f"a file with errors, {theme}", marks, error=True, text=examples.FILE)
    fine = editor(f"fine-{theme}", f"a file that is right, {theme}", none, read_only=True, text=examples.FILE)
    blank = editor(f"blank-{theme}", f"an empty file, {theme}", none)
    return (
        parts.card("Editor", marked, note="an error and advice"),
        parts.card("Editor, read only", fine),
        parts.card("Editor, empty", blank),
    )


def over(theme: str) -> tuple[rx.Component, ...]:
    """A dialog and toasts, here inside the page."""
    confirmation = dialog.confirm(
        f"shown-{theme}", "Delete production/nightly-backup", rx.el.p("Removes 1 line on 3 hosts at the next sync."),
        act="Delete", on_submit=rx.prevent_default,
    )  # fmt: skip
    confirmation.custom_attrs["open"] = True
    toasts = [_toast(state, words) for state, words in _TOASTS]
    return (
        rx.el.div(rx.el.h2("Dialog"), confirmation, class_name="card placed"),
        rx.el.div(rx.el.h2("Toasts"), *toasts, class_name="card placed"),
    )


_TOASTS = (
    ("ok", "Saved as 4f1c2ab."),
    ("running", "Sync requested."),
    ("late", "Saved; 1 of 3 hosts is silent."),
    ("failed", "The Git server does not answer. Nothing was saved."),
    ("accent", "Paused production/nightly-backup."),
)


def _toast(state: str, words: str) -> rx.Component:
    """A toast as ``assets/js/toasts.js`` draws it."""
    undo = (rx.el.button("Undo", type="button", class_name="small"),) if state == "accent" else ()
    close = rx.el.button("×", type="button", class_name="bare", aria_label="close")
    return rx.el.div(parts.dot(state), rx.el.span(words), *undo, close, class_name=f"toast s-{state}")


def waiting() -> tuple[rx.Component, ...]:
    """An empty state, and the pieces of skeletons: figures, filters, table, panes."""
    nothing = parts.empty("No jobs yet", rx.el.p("Create the first job, then enrol the host that should run it."))
    panes = skeleton.beside(skeleton.block(90), skeleton.rows(2, head=skeleton.TITLED))
    pieces = skeleton.waiting(skeleton.tiles(3, 1), skeleton.pills(4), skeleton.rows(3), panes)
    return parts.card("Nothing yet", nothing), rx.el.div(rx.el.h2("Loading"), pieces, class_name="card placed")
