"""New and Edit: form and YAML side by side, and beside them what it means and what it would change."""

from __future__ import annotations

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.edit import fields, panels
from crontopus_app.ui.edit.state import EditState as State
from crontopus_app.ui.kit import parts, skeleton
from crontopus_app.ui.kit.editor import editor


def new() -> rx.Component:
    """``/jobs/new``."""
    return _page()


def edit() -> rx.Component:
    """``/jobs/[namespace]/[job]/edit``."""
    return _page()


def _page() -> rx.Component:
    save = rx.el.button(
        "Save", type="button", class_name="primary", id="save", data_edit="save", disabled=State.saved.state == "saving"
    )
    return shell.frame(
        "Jobs",
        _title(),
        State,
        _lines(),
        panels.saved(State.saved),
        _draft(),
        panels.conflict(State.conflict, State.choose, State.settle),
        rx.el.div(
            _form(),
            _yaml(),
            rx.el.div(panels.meaning(State.check), panels.plan(State.plan)),
            class_name="cols even",
            id="editor",
        ),
        shape=skeleton.editor(),
        right=(rx.el.span("not saved yet", id="edit-unsaved", class_name="muted", hidden=True), save),
    )


def _title() -> rx.Component:
    """As on the job's own page."""
    head = State.head
    return rx.cond(head.new, "New job", rx.fragment(rx.el.span(head.namespace, " / ", class_name="muted"), head.name))


def _lines() -> rx.Component:
    """How the script talks with the state: two forms for what it says, an attribute for what it is told."""
    said = rx.el.input(type="hidden", name="sent")
    return rx.fragment(
        rx.el.form(said, on_submit=State.sent, data_edit_port="sent", hidden=True),
        rx.el.form(rx.el.input(type="hidden", name="sent"), on_submit=State.save, data_edit_port="save", hidden=True),
        rx.el.div(id="edit-answer", data_answer=State.answer, hidden=True),
    )


def _draft() -> rx.Component:
    """Shown by the script, which alone knows of it."""
    discard = rx.el.button("Discard", type="button", data_edit="discard", on_click=State.load)
    said = rx.el.span("Your unsaved changes of ", rx.el.b(id="edit-draft-at"), " are back. ")
    return rx.el.div(said, discard, class_name="note s-accent line", role="status", id="edit-draft", hidden=True)


def _form() -> rx.Component:
    note = rx.cond(State.check.note, parts.note("The form waits: ", State.check.note, state="late"))
    return parts.card("Form", note, fields.form(State.head, State.check.wrong, State.conflict.state == "open"))


def _yaml() -> rx.Component:
    check = State.check
    marked = editor(
        "yaml",
        "the manifest as YAML",
        check.marks,
        error=check.errors > 0,
        read_only=State.conflict.state == "open",
    )
    return parts.card("YAML", marked, note="the file that will be committed")
