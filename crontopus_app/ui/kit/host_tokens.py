"""The table of enrolment tokens on Enrol and Tokens: uses left, expiry, revocation."""

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
    unlimited = f"{words.plural(one.uses, 'host') if one.uses else 'unused'} · no limit"
    uses = unlimited if left is None else f"{left} of {one.max_uses} left"
    state = state_of(one.revoked, one.expires_at, now)
    state = "used up" if state == "active" and left == 0 else state
    return EnrolmentTokenRow(one.id, one.name, uses, words.iso(one.expires_at), state)


def state_of(revoked: bool, expires_at: datetime | None, now: datetime) -> str:
    """State of any token: active, expired or revoked."""
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
    """A Revoke button for an active token, else its state."""
    label = rx.fragment("Revoke", rx.el.span(" ", token.name, class_name="sr"))
    opener = dialog.opens(label, name, css="danger", id=token.id, name=token.name)
    return rx.cond(token.state == "active", opener, rx.el.span(token.state, class_name="muted"))


def confirmation(on_submit: Any) -> rx.Component:
    """Dialog before an enrolment token is revoked; ``on_submit`` gets the token's ``id``."""
    stays = ". Enrolled hosts stay and keep their jobs."
    return dialog.confirm(
        NAME,
        "Revoke enrolment token",
        rx.el.p("No more hosts can enrol with ", dialog.given("name"), stays),
        act="Revoke token",
        on_submit=on_submit,
        takes=("id",),
    )
