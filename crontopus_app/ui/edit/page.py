"""New and Edit: form and YAML side by side, and beside them what it means."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.edit.rows import Told
from crontopus_app.ui.edit.state import EditState as State
from crontopus_app.ui.kit import coming, parts


def new() -> rx.Component:
    """``/jobs/new``."""
    return _editor("New job")


def edit() -> rx.Component:
    """``/jobs/[namespace]/[job]/edit``."""
    return _editor(rx.fragment(rx.el.span(State.form.namespace, " / ", class_name="muted"), State.form.name))


def _editor(title: Any) -> rx.Component:
    save = rx.el.button("Save", on_click=State.save, class_name="primary", id="save")
    return shell.frame(
        "Jobs",
        title,
        State,
        rx.foreach(State.wrong, _told),
        rx.cond(State.conflict, _conflict()),
        rx.el.div(_form(), _yaml(), class_name="cols even"),
        _meaning(),
        right=(save,),
    )


def _told(one: Told) -> rx.Component:
    return rx.el.div(rx.el.b(one.where, " "), one.message, class_name=f"note s-{one.state}", role="alert")


def _conflict() -> rx.Component:
    return rx.el.div(
        rx.el.button("Keep mine", on_click=State.mine),
        rx.el.button("Take theirs", on_click=State.load),
        class_name="flex pane",
    )


def _input(label: str, name: str, value: Any, hint: str = "", **props: Any) -> rx.Component:
    control = rx.el.input(name=name, value=value, on_change=lambda text: State.set_field(name, text), **props)
    return parts.field(label, control, error=getattr(State.check.wrong, name), hint=hint)


def _form() -> rx.Component:
    form = State.form
    fixed = ~State.new
    return parts.card(
        "Form",
        rx.el.div(
            rx.el.div(
                _input("Name", "name", form.name, disabled=fixed, placeholder="nightly-backup"),
                _input("Namespace", "namespace", form.namespace, disabled=fixed),
                class_name="two",
            ),
            rx.el.div(
                _input(
                    "Schedule", "schedule", form.schedule, "five fields, H, @daily; several with ;", class_name="mono"
                ),
                _input("Time zone", "timezone", form.timezone, "empty: the host's", placeholder="Europe/Berlin"),
                class_name="two",
            ),
            _input("Command", "command", form.command, "as the shell reads it", class_name="mono"),
            rx.el.div(
                _input("Folder", "workdir", form.workdir, placeholder="the user's home", class_name="mono"),
                _input("Runs at most", "limit", form.limit, "then it is ended: 90s, 20m, 2h"),
                class_name="two",
            ),
            class_name="form",
        ),
    )


def _yaml() -> rx.Component:
    area = rx.el.textarea(
        value=State.yaml,
        on_change=State.set_yaml,
        rows="18",
        spell_check=False,
        aria_label="the manifest as YAML",
        id="yaml",
    )
    return parts.card("YAML", area, note="the file that will be committed")


def _meaning() -> rx.Component:
    told = State.check
    left = parts.card(
        "What it means",
        rx.el.p(rx.el.b(told.future.words)),
        coming.slots(told.future),
        coming.nights(told.future),
        note=rx.fragment("in ", told.future.zone),
    )
    fine = rx.el.p("Nothing to object.", class_name="muted")
    right = parts.card("Errors and advice", rx.cond(told.problems, rx.foreach(told.problems, _told), fine))
    return rx.el.div(left, right, class_name="cols even")
