"""Rows of the Incidents pages."""

from __future__ import annotations

from dataclasses import dataclass

from contract import wire_alerts
from crontopus_app.ui.kit import colours, filters, words
from crontopus_app.ui.kit.filters import Pill

FILTERS = ("state", "job", "endpoint")
STATES = ("open", "closed", "all")
# Words of the timeline, by kind.
KINDS = {
    "opened": "Opened",
    "changed": "Changed",
    "closed": "Closed",
    "acknowledged": "Acknowledged",
    "snoozed": "Snoozed",
    "comment": "Comment",
    "told": "Message",
    "not told": "Message failed",
    "cancelled": "Message cancelled",
    "delivered": "Route",
    "silenced": "Silenced",
    "maintenance": "Maintenance",
    "inhibited": "Not told",
    "later": "Outside the hours",
    "nobody": "Nobody is told",
}


@dataclass(frozen=True)
class IncidentRow:
    id: str = ""
    href: str = ""
    colour: str = "unknown"
    cause: str = ""
    state: str = ""
    title: str = ""
    what: str = ""
    why: str = ""
    since: str = ""
    closed: str = ""
    by: str = ""
    snoozed: str = ""
    told: str = ""
    job_href: str = ""
    host_href: str = ""
    run_href: str = ""
    parent_href: str = ""


@dataclass(frozen=True)
class TimelineRow:
    at: str
    kind: str
    actor: str
    text: str
    colour: str


def incident(one: wire_alerts.Incident) -> IncidentRow:
    return IncidentRow(
        id=one.id,
        href=f"/incidents/{one.id}",
        colour="ok" if one.state == "closed" else colours.of_incident(one.cause),
        cause=one.cause,
        state=one.state,
        title=one.title,
        what=one.what,
        why=one.why,
        since=words.iso(one.since),
        closed=words.iso(one.closed_at),
        by=one.acknowledged_by,
        snoozed=words.iso(one.snoozed_until) if one.state == "snoozed" else "",
        told=one.handling_reason,
        job_href=f"/jobs/{one.namespace}/{one.job_name}" if one.job_name else "",
        host_href=f"/endpoints/{one.endpoint_id}" if one.endpoint_id else "",
        run_href=f"/runs/{one.run_id}" if one.run_id else "",
        parent_href=f"/incidents/{one.parent_id}" if one.parent_id else "",
    )


def timeline(detail: wire_alerts.IncidentDetail) -> list[TimelineRow]:
    """The newest entry first."""
    return [
        TimelineRow(words.iso(each.at), KINDS.get(each.kind, each.kind), each.actor, each.text, _colour(each.kind))
        for each in reversed(detail.timeline)
    ]


def _colour(kind: str) -> str:
    known = {"opened": "failed", "changed": "failed", "closed": "ok", "told": "running", "not told": "failed"}
    return known.get(kind, "late" if kind in ("nobody", "silenced", "maintenance", "inhibited", "later") else "paused")


def address(query: dict[str, str], page: int) -> str:
    return filters.address("/incidents", query | {"page": filters.page_word(page)})


def pills(query: dict[str, str]) -> list[Pill]:
    chosen = query.get("state") or "open"
    found = [
        Pill(state, filters.address("/incidents", query | {"state": "" if state == "open" else state}), state == chosen)
        for state in STATES
    ]
    for name in ("job", "endpoint"):
        if query.get(name):
            address = filters.address("/incidents", {**query, name: ""})
            found.append(Pill(f"{name} {query[name]} ✗", address, True))
    return found
