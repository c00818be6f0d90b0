"""The Channels page: who is told of problems, and what came of the messages."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.alerts.channels.base import Kind, Setting
from crontopus_app.alerts.kinds import KINDS
from crontopus_app.ui import shell
from crontopus_app.ui.channels.rows import ChannelRow, DeliveryRow, MailRow
from crontopus_app.ui.channels.state import ChannelsState as State
from crontopus_app.ui.kit import dialog, parts, skeleton


def channels() -> rx.Component:
    """``/channels``."""
    none = rx.el.p("No channel yet: nobody is told of problems. Add one below.", class_name="muted pane")
    listed = parts.table(["Channel", "Kind", "To", "Last message", ""], rx.foreach(State.channels, _channel))
    return shell.frame(
        "Channels",
        "Channels",
        State,
        parts.card("Channels", rx.cond(State.channels, listed, none), flush=True, note="without routes, all are told"),
        rx.el.div(_form(), _messages(), class_name="cols even"),
        rx.cond(State.mails, _outbox()),
        _confirmation(),
        shape=skeleton.forms(),
    )


def _channel(one: ChannelRow) -> rx.Component:
    broken = rx.cond(one.problem, rx.el.small(one.problem, class_name="wrong"))
    test = rx.el.form(
        rx.el.input(type="hidden", name="id", value=one.id, read_only=True),
        rx.el.button("Send a test", class_name="small"),
        on_submit=State.test,
    )
    delete = dialog.opens("delete", "delete", css="small", id=one.id, name=one.name)
    return rx.el.tr(
        rx.el.td(parts.dot(one.colour), one.name, broken),
        rx.el.td(one.kind),
        rx.el.td(one.target, class_name="muted wrap"),
        rx.el.td(rx.cond(one.sent, parts.when(one.sent), "never"), class_name="muted"),
        rx.el.td(rx.el.div(test, delete, class_name="flex"), class_name="act"),
        key=one.id,
    )


def _form() -> rx.Component:
    fields = rx.match(State.kind, *[(kind.name, _fields(kind)) for kind in KINDS.values()], rx.fragment())
    form = rx.el.form(
        parts.field(
            "Name", rx.el.input(name="name", required=True, max_length=63), State.wrong["name"], "such as oncall"
        ),
        fields,
        rx.cond(State.wrong[""], rx.el.div(State.wrong[""], class_name="wrong", role="alert")),
        rx.el.div(rx.el.button("Add channel", type="submit", class_name="primary")),
        on_submit=State.create,
        class_name="form",
        key=State.kind,
    )
    kinds = rx.el.section(parts.pills(State.kinds), class_name="filters", aria_label="kinds of channels")
    return parts.card("Add a channel", kinds, form)


def _fields(kind: Kind) -> rx.Component:
    return rx.fragment(*[_field(kind, setting) for setting in kind.settings])


def _field(kind: Kind, setting: Setting) -> rx.Component:
    """A control for a setting. One's own address is offered for mail."""
    props: dict[str, Any] = {"default_value": State.email, "type": "email"} if kind.name == "email" else {}
    control = rx.el.input(
        name=setting.name, required=setting.required, max_length=2000, auto_complete="off", spell_check=False, **props
    )
    label = setting.label if setting.required else f"{setting.label} (optional)"
    return parts.field(label, control, State.wrong[setting.name], setting.hint)


def _messages() -> rx.Component:
    none = rx.el.p("No messages yet.", class_name="muted")
    return parts.card("Messages", rx.cond(State.deliveries, rx.foreach(State.deliveries, _delivery), none))


def _delivery(one: DeliveryRow) -> rx.Component:
    words = rx.el.div(
        rx.el.b(one.channel),
        f" {one.event} · {one.state}",
        rx.el.small(parts.when(one.at, "short")),
        rx.cond(one.answer, rx.el.small(one.answer)),
    )
    return rx.el.div(parts.dot(one.colour), words, class_name="inc")


def _outbox() -> rx.Component:
    note = "no mail server is configured, so these were not sent"
    return parts.card("Outbox", rx.foreach(State.mails, _mail), note=note)


def _mail(one: MailRow) -> rx.Component:
    return rx.el.details(
        rx.el.summary(one.subject, " · ", one.recipient, " · ", parts.when(one.at, "short")),
        rx.el.pre(one.text, tab_index=0, class_name="mono wrap"),
        class_name="fold",
        key=one.id,
    )


def _confirmation() -> rx.Component:
    return dialog.confirm(
        "delete",
        "Delete channel",
        rx.el.p(dialog.given("name"), " is told of nothing any more. Routes that name it say so on each incident."),
        act="Delete channel",
        on_submit=State.delete,
        takes=("id",),
    )
