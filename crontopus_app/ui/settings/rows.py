"""Rows of the Settings page."""

from __future__ import annotations

from dataclasses import dataclass

from contract import wire
from crontopus_app.ui.kit import words

SHOWN_HOSTS = 20


@dataclass(frozen=True)
class Profile:
    username: str = ""
    email: str = ""
    role: str = ""
    tenant: str = ""
    repository: str = ""
    timezone: str = ""
    report: str = "off"


@dataclass(frozen=True)
class SessionRow:
    id: str
    client: str
    agent: str
    address: str
    created: str
    seen: str
    current: bool


@dataclass(frozen=True)
class Deletion:
    """Effects of deleting the account; ``hosts`` lists at most ``SHOWN_HOSTS`` names."""

    deletes: str = ""
    ends: str = ""
    hosts: str = ""


def profile(me: wire.Me) -> Profile:
    return Profile(me.username, me.email, me.role, me.tenant_id, me.repository, me.timezone, me.report)


def session(one: wire.SessionInfo) -> SessionRow:
    created, seen = words.iso(one.created_at), words.iso(one.last_seen_at)
    return SessionRow(one.id, one.client, one.user_agent, one.address or "–", created, seen, one.current)


def deletion(leaving: wire.Leaving) -> Deletion:
    jobs, runs = words.plural(leaving.jobs, "job"), words.plural(leaving.runs, "run")
    hosts = words.plural(len(leaving.endpoints), "endpoint")
    sessions = words.plural(leaving.sessions, "session")
    tokens = f" and {words.plural(leaving.tokens, 'API token')}" if leaving.tokens else ""
    return Deletion(
        deletes=f"{jobs}, {runs} with their output, {hosts} and the repository {leaving.repository} with its history",
        ends=f"{sessions}{tokens}",
        hosts=names(leaving.endpoints),
    )


def names(hosts: list[str]) -> str:
    """``a, b and 3 more``."""
    shown = ", ".join(hosts[:SHOWN_HOSTS])
    return f"{shown} and {len(hosts) - SHOWN_HOSTS} more" if len(hosts) > SHOWN_HOSTS else shown
