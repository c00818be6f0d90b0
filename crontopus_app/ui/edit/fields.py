"""The form's inputs. Their texts belong to the browser (``assets/js/editor.js``); errors come from the state."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui.kit import parts


def form(head: Any, wrong: Any, locked: Any) -> rx.Component:
    """All of it; what few jobs need is folded away."""
    body = (
        _two(_name(head, wrong), _namespace(head, wrong)),
        _two(
            _line(wrong, "schedule", "Schedule", "five fields, H, @daily; several with ;", class_name="mono"),
            _line(wrong, "timezone", "Time zone", "empty: the host's", list="edit-zones", placeholder="Europe/Berlin"),
        ),
        _area(wrong, "command", "Command", "as the shell reads it", rows="1"),
        _two(
            _line(wrong, "endpoints", "On hosts", "names, with commas; empty: see labels", placeholder="every host"),
            _area(wrong, "selector", "Or by label", "a line each: role=db, replica", rows="1"),
        ),
        _switch(),
        _limits(wrong),
        _surroundings(wrong),
        _people(wrong),
        rx.el.datalist(rx.foreach(head.zones, lambda zone: rx.el.option(value=zone)), id="edit-zones"),
    )
    return rx.el.fieldset(*body, class_name="form bare", disabled=locked, aria_label="form")


def _limits(wrong: Any) -> rx.Component:
    return _fold(
        "Limits and retries",
        _two(
            _line(wrong, "limit", "Runs at most", "then it is ended: 90s, 20m, 2h"),
            _line(wrong, "grace", "Late after", "a start may be late by: 5m"),
        ),
        _two(
            _choice(
                wrong,
                "concurrency",
                "If it still runs",
                {"allow": "start another", "forbid": "skip", "replace": "end the old one"},
            ),
            _line(wrong, "attempts", "Retries", "after the first try", input_mode="numeric"),
        ),
        _two(
            _line(wrong, "delay", "Wait before a retry", "30s"),
            _choice(wrong, "backoff", "Each wait is", {"fixed": "as long", "exponential": "twice as long"}),
        ),
    )


def _surroundings(wrong: Any) -> rx.Component:
    return _fold(
        "Arguments and environment",
        _two(
            _line(wrong, "workdir", "Folder", placeholder="the user's home", class_name="mono"),
            _line(wrong, "user", "As user", "only where the agent is root"),
        ),
        _area(wrong, "args", "Arguments", "a line each, taken as they are"),
        _area(wrong, "env", "Environment", "a line each: NAME=value; ${NAME} is read on the host"),
    )


def _people(wrong: Any) -> rx.Component:
    return _fold(
        "For people",
        _line(wrong, "description", "Description"),
        _two(_line(wrong, "owner", "Owner"), _line(wrong, "runbook", "Runbook")),
        _area(wrong, "labels", "Labels", "a line each: team=platform"),
    )


def _name(head: Any, wrong: Any) -> rx.Component:
    return _line(wrong, "name", "Name", read_only=~head.new, placeholder="nightly-backup")


def _namespace(head: Any, wrong: Any) -> rx.Component:
    known = rx.el.datalist(rx.foreach(head.namespaces, lambda name: rx.el.option(value=name)), id="edit-namespaces")
    return rx.fragment(known, _line(wrong, "namespace", "Namespace", read_only=~head.new, list="edit-namespaces"))


def _two(*fields: rx.Component) -> rx.Component:
    return rx.el.div(*fields, class_name="two")


def _fold(title: str, *body: rx.Component) -> rx.Component:
    inner = rx.el.div(*body, class_name="form")
    return rx.el.details(rx.el.summary(title), inner, class_name="fold")


def _field(wrong: Any, name: str, label: str, control: rx.Component, hint: str) -> rx.Component:
    return parts.field(label, control, error=wrong[name], hint=hint, error_id=f"edit-{name}-wrong")


def _props(wrong: Any, name: str) -> dict[str, Any]:
    told = {"aria_invalid": rx.cond(wrong[name], "true", "false"), "aria_describedby": f"edit-{name}-wrong"}
    return {"id": f"edit-{name}", "data_edit_field": name, **told}


def _line(wrong: Any, name: str, label: str, hint: str = "", **props: Any) -> rx.Component:
    control = rx.el.input(**_props(wrong, name), auto_complete="off", spell_check=False, **props)
    return _field(wrong, name, label, control, hint)


def _area(wrong: Any, name: str, label: str, hint: str = "", rows: str = "2") -> rx.Component:
    control = rx.el.textarea(**_props(wrong, name), rows=rows, spell_check=False, data_grow=rows, wrap="off")
    return _field(wrong, name, label, control, hint)


def _choice(wrong: Any, name: str, label: str, choices: dict[str, str]) -> rx.Component:
    first, *_ = choices.values()
    options = [rx.el.option(f"not said: {first}", value="")]
    options += [rx.el.option(f"{text} ({value})", value=value) for value, text in choices.items()]
    return _field(wrong, name, label, rx.el.select(*options, **_props(wrong, name)), "")


def _switch() -> rx.Component:
    box = rx.el.input(type="checkbox", id="edit-enabled", data_edit_field="enabled")
    return rx.el.label(box, "Enabled", class_name="check")
