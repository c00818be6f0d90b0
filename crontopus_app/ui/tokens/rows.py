"""What Tokens shows, as display rows, and what each scope means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from contract import wire
from crontopus_app.ui.kit import words

# In the order in which they are offered: from the weakest on.
SCOPES = (
    ("read:runs", "see runs and their output"),
    ("read:jobs", "see jobs, their files and history"),
    ("write:jobs", "create, change, pause and delete jobs"),
    ("read:agents", "see endpoints and their crontabs"),
    ("write:agents", "rename, wake and revoke endpoints"),
    ("read:tokens", "see the names of tokens"),
    ("write:tokens", "create weaker tokens, revoke any, enrol hosts"),
    ("admin:*", "all of these and the export; for operators, the installation"),
)


@dataclass(frozen=True)
class TokenRow:
    """``state`` is active, expired or revoked."""

    id: str
    name: str
    scopes: str
    used: str
    expires: str
    state: str


@dataclass(frozen=True)
class EnrolmentRow:
    """``state`` is active, expired, revoked or used up."""

    id: str
    name: str
    uses: str
    expires: str
    state: str


def token(one: wire.ApiToken, now: datetime) -> TokenRow:
    used, expires = words.iso(one.last_used_at), words.iso(one.expires_at)
    return TokenRow(one.id, one.name, " ".join(one.scopes), used, expires, _state(one.revoked, one.expires_at, now))


def enrolment(one: wire.EnrollmentToken, now: datetime) -> EnrolmentRow:
    left = None if one.max_uses is None else max(0, one.max_uses - one.uses)
    uses = f"{words.plural(one.uses, 'host')}, no limit" if left is None else f"{left} of {one.max_uses} left"
    state = _state(one.revoked, one.expires_at, now)
    state = "used up" if state == "active" and left == 0 else state
    return EnrolmentRow(one.id, one.name, uses, words.iso(one.expires_at), state)


def _state(revoked: bool, expires_at: datetime | None, now: datetime) -> str:
    if revoked:
        return "revoked"
    return "expired" if expires_at is not None and expires_at <= now else "active"
