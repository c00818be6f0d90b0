"""The New and Edit pages: form, YAML, and beside them the forecast and the plan."""

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
        _ports(),
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
        right=(rx.el.span("Unsaved changes", id="edit-unsaved", class_name="muted", hidden=True), save),
    )


def _title() -> rx.Component:
    """``namespace / name``, as on the Job page."""
    head = State.head
    return rx.cond(head.new, "New job", rx.fragment(rx.el.span(head.namespace, " / ", class_name="muted"), head.name))


def _ports() -> rx.Component:
    """Channels between assets/edit.js and the state: two hidden forms for messages, an attribute for answers."""
    message = rx.el.input(type="hidden", name="sent")
    return rx.fragment(
        rx.el.form(message, on_submit=State.sent, data_edit_port="sent", hidden=True),
        rx.el.form(rx.el.input(type="hidden", name="sent"), on_submit=State.save, data_edit_port="save", hidden=True),
        rx.el.div(id="edit-answer", data_answer=State.answer, hidden=True),
    )


def _draft() -> rx.Component:
    """Note about a restored draft; assets/edit.js shows it."""
    discard = rx.el.button("Discard", type="button", data_edit="discard", on_click=State.load)
    text = rx.el.span("Your unsaved changes from ", rx.el.b(id="edit-draft-at"), " were restored. ")
    return rx.el.div(text, discard, class_name="note s-accent line", role="status", id="edit-draft", hidden=True)


def _form() -> rx.Component:
    note = rx.cond(State.check.note, parts.note("The form is not applied: ", State.check.note, state="late"))
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
    return parts.card("YAML", marked, note="the file to be committed")
