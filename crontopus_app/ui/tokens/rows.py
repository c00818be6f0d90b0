"""Rows of the Tokens page, and the scopes with their meanings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from contract import wire
from crontopus_app.ui.kit import words
from crontopus_app.ui.kit.host_tokens import state_of

# In the order of the form: the weakest first.
SCOPES = (
    ("read:runs", "see runs and their output"),
    ("read:jobs", "see jobs, their files and history"),
    ("write:jobs", "create, change, pause and delete jobs"),
    ("read:agents", "see endpoints and their crontabs"),
    ("write:agents", "rename, wake and revoke endpoints"),
    ("read:alerts", "see incidents, channels and deliveries"),
    ("write:alerts", "acknowledge incidents, create and test channels"),
    ("read:tokens", "list tokens"),
    ("write:tokens", "create weaker tokens, revoke any, enrol hosts"),
    ("admin:*", "all of these and the export; for operators, the installation"),
)


@dataclass(frozen=True)
class ApiTokenRow:
    """``state`` is active, expired or revoked."""

    id: str
    name: str
    scopes: str
    used: str
    expires: str
    state: str


def token(one: wire.ApiToken, now: datetime) -> ApiTokenRow:
    used, expires = words.iso(one.last_used_at), words.iso(one.expires_at)
    return ApiTokenRow(
        one.id, one.name, " ".join(one.scopes), used, expires, state_of(one.revoked, one.expires_at, now)
    )


@dataclass(frozen=True)
class PingKeyRow:
    """``url`` begins the ping URLs of jobs by name; empty if it may not be shown. ``state`` is active or revoked."""

    id: str
    name: str
    url: str
    created: str
    state: str


def ping_key(one: wire.PingKey, public_url: str) -> PingKeyRow:
    url = f"{public_url}/ping/{one.key}/JOB-NAME" if one.key else ""
    return PingKeyRow(one.id, one.name, url, words.iso(one.created_at), "revoked" if one.revoked else "active")
