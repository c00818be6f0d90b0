"""Enrolment tokens, as Enrol and Tokens both list them: how many hosts may still join, until when, and revoking one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import reflex as rx

from contract import wire
from crontopus_app.ui.kit import dialog, parts, words

HEADS = ["Name", "Uses", "Expires", ""]
NAME = "revoke-enrolment"


@dataclass(frozen=True)
class EnrolmentTokenRow:
    """``state`` is active, expired, revoked or used up."""

    id: str
    name: str
    uses: str
    expires: str
    state: str


def row(one: wire.EnrollmentToken, now: datetime) -> EnrolmentTokenRow:
    left = None if one.max_uses is None else max(0, one.max_uses - one.uses)
    uses = f"{words.plural(one.uses, 'host')}, no limit" if left is None else f"{left} of {one.max_uses} left"
    state = state_of(one.revoked, one.expires_at, now)
    state = "used up" if state == "active" and left == 0 else state
    return EnrolmentTokenRow(one.id, one.name, uses, words.iso(one.expires_at), state)


def state_of(revoked: bool, expires_at: datetime | None, now: datetime) -> str:
    """Of any token: active, expired or revoked."""
    if revoked:
        return "revoked"
    return "expired" if expires_at is not None and expires_at <= now else "active"


def table(tokens: Any) -> rx.Component:
    return parts.table(HEADS, rx.foreach(tokens, _row))


def _row(token: EnrolmentTokenRow) -> rx.Component:
    return rx.el.tr(
        rx.el.td(token.name),
        rx.el.td(token.uses),
        rx.el.td(expiry(token.expires)),
        rx.el.td(revoke(token, NAME), class_name="act"),
        key=token.id,
    )


def expiry(at: Any) -> rx.Component:
    return rx.cond(at, parts.when(at), rx.el.span("never"))


def revoke(token: Any, name: str) -> rx.Component:
    """What can be done with a token that lives; the word for one that does not."""
    label = rx.fragment("Revoke", rx.el.span(" ", token.name, class_name="sr"))
    opener = dialog.opens(label, name, css="danger", id=token.id, name=token.name)
    return rx.cond(token.state == "active", opener, rx.el.span(token.state, class_name="muted"))


def confirmation(on_submit: Any) -> rx.Component:
    """``on_submit`` is given the token's ``id``."""
    stays = ". Hosts that have joined stay and keep their jobs."
    return dialog.confirm(
        NAME,
        "Revoke this enrolment token",
        rx.el.p("No further host can join with ", dialog.given("name"), stays),
        act="Revoke it",
        on_submit=on_submit,
        takes=("id",),
    )
