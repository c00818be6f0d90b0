"""Inputs of the editor's form. The browser holds their values (``assets/js/editor.js``), the state their errors."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui.kit import parts

SCHEDULE_HINT = "Cron (0 2 * * *), @daily, or every 15m. H = spread over hosts. Separate several with ;"
ZONE_HINT = "Leave empty to use the host's time zone"
HOSTS_HINT = "Host names, comma-separated. Empty = all hosts, or those matching the labels"
LABELS_HINT = "One per line, e.g. role=db,replica (db or replica)"


def form(head: Any, wrong: Any, locked: Any) -> rx.Component:
    """The form; fields that few jobs need are in folded sections."""
    body = (
        _two(_name(head, wrong), _namespace(head, wrong)),
        _two(
            _line(wrong, "schedule", "Schedule", SCHEDULE_HINT, class_name="mono"),
            _line(wrong, "timezone", "Time zone", ZONE_HINT, list="edit-zones", placeholder="Europe/Berlin"),
        ),
        _area(wrong, "command", "Command", "Run by /bin/sh exactly as typed", rows="1"),
        _two(
            _line(wrong, "endpoints", "Hosts", HOSTS_HINT, placeholder="all hosts"),
            _area(wrong, "selector", "Or hosts with these labels", LABELS_HINT, rows="1"),
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
            _line(wrong, "limit", "Time limit", "The run is ended after e.g. 90s, 20m, 2h"),
            _line(
                wrong,
                "grace",
                "Missed after",
                "Delay after which a start counts as missed, e.g. 5m; empty: by the interval",
            ),
        ),
        _two(
            _choice(
                wrong,
                "concurrency",
                "If the previous run is still going",
                {"allow": "start another", "forbid": "skip", "replace": "end the previous run"},
            ),
            _line(wrong, "attempts", "Retries", "After a failed first attempt", input_mode="numeric"),
        ),
        _two(
            _line(wrong, "delay", "Delay before a retry", "e.g. 30s"),
            _choice(
                wrong, "backoff", "Delay between retries", {"fixed": "constant", "exponential": "doubles each time"}
            ),
        ),
    )


def _surroundings(wrong: Any) -> rx.Component:
    return _fold(
        "Arguments and environment",
        _two(
            _line(wrong, "workdir", "Working directory", placeholder="default: the user's home", class_name="mono"),
            _line(wrong, "user", "User", "Only for agents that run as root"),
        ),
        _area(wrong, "args", "Arguments", "One per line, passed unchanged"),
        _area(wrong, "env", "Environment", "One per line: NAME=value. ${NAME} is replaced by the host's value"),
    )


def _people(wrong: Any) -> rx.Component:
    return _fold(
        "Description, owner, labels",
        _line(wrong, "description", "Description"),
        _two(_line(wrong, "owner", "Owner"), _line(wrong, "runbook", "Runbook")),
        _area(wrong, "labels", "Labels", "One per line, e.g. team=platform"),
    )


def _name(head: Any, wrong: Any) -> rx.Component:
    return _line(wrong, "name", "Name", read_only=~head.new, placeholder="nightly-backup")


def _namespace(head: Any, wrong: Any) -> rx.Component:
    choices = rx.el.datalist(rx.foreach(head.namespaces, lambda name: rx.el.option(value=name)), id="edit-namespaces")
    return rx.fragment(choices, _line(wrong, "namespace", "Namespace", read_only=~head.new, list="edit-namespaces"))


def _two(*fields: rx.Component) -> rx.Component:
    return rx.el.div(*fields, class_name="two")


def _fold(title: str, *body: rx.Component) -> rx.Component:
    inner = rx.el.div(*body, class_name="form")
    return rx.el.details(rx.el.summary(title), inner, class_name="fold")


def _field(wrong: Any, name: str, label: str, control: rx.Component, hint: str) -> rx.Component:
    return parts.field(label, control, error=wrong[name], hint=hint, error_id=f"edit-{name}-wrong")


def _props(wrong: Any, name: str) -> dict[str, Any]:
    described = {"aria_invalid": rx.cond(wrong[name], "true", "false"), "aria_describedby": f"edit-{name}-wrong"}
    return {"id": f"edit-{name}", "data_edit_field": name, **described}


def _line(wrong: Any, name: str, label: str, hint: str = "", **props: Any) -> rx.Component:
    control = rx.el.input(**_props(wrong, name), auto_complete="off", spell_check=False, **props)
    return _field(wrong, name, label, control, hint)


def _area(wrong: Any, name: str, label: str, hint: str = "", rows: str = "2") -> rx.Component:
    control = rx.el.textarea(**_props(wrong, name), rows=rows, spell_check=False, data_grow=rows, wrap="off")
    return _field(wrong, name, label, control, hint)


def _choice(wrong: Any, name: str, label: str, choices: dict[str, str]) -> rx.Component:
    first, *_ = choices.values()
    options = [rx.el.option(f"default: {first}", value="")]
    options += [rx.el.option(f"{text} ({value})", value=value) for value, text in choices.items()]
    return _field(wrong, name, label, rx.el.select(*options, **_props(wrong, name)), "")


def _switch() -> rx.Component:
    box = rx.el.input(type="checkbox", id="edit-enabled", data_edit_field="enabled")
    return rx.el.label(box, "Enabled", class_name="check")
