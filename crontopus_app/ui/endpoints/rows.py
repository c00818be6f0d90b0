"""Rows of Endpoints and Endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed
from typing import Any

from contract import wire
from crontopus_app.ui.kit import colours, filters, words
from crontopus_app.ui.kit.filters import Pages, Pill
from crontopus_app.ui.kit.forecast import CRONS

# Agents are released with the server: one with a lower number is behind it.
OURS = installed("crontopus")
STANDINGS = {"managed": "ours", "ours": "mark", "foreign": "foreign", "adopted": "adopted", "drift": "drift"}
DRIFTS = {"line_changed": "changed", "line_missing": "removed", "line_added": "added"}
STANDING_LABELS = {"foreign": "not monitored", "environment": "variable"}


@dataclass(frozen=True)
class HostRow:
    id: str
    href: str
    name: str
    hostname: str
    state: str
    label: str
    message: str
    seen: str
    agent: str
    platform: str
    zone: str
    labels: str
    head: str
    jobs: int
    revoked: bool
    old: bool = False
    clock: str = ""
    abilities: str = ""


@dataclass(frozen=True)
class InstanceRow:
    job: str
    href: str
    namespace: str
    host: str
    host_href: str
    state: str
    label: str
    outcome: str
    reason: str
    commit: str
    last: str
    last_href: str


@dataclass(frozen=True)
class Coverage:
    """How many of the lines that start something are from Git; ``share`` is a width."""

    text: str = ""
    share: str = "0%"


@dataclass(frozen=True)
class DriftRow:
    """One line that other hands changed: what was found where what was expected, whose file it was, who was there."""

    kind: str
    expected: str
    found: str
    who: str
    at: str


@dataclass(frozen=True)
class CrontabRow:
    number: int
    text: str
    css: str
    note: str


def host(endpoint: wire.Endpoint) -> HostRow:
    return HostRow(
        id=endpoint.id,
        href=f"/endpoints/{endpoint.id}",
        name=endpoint.name,
        hostname=endpoint.hostname,
        state=colours.of_host(endpoint.state),
        label=endpoint.state,
        message=endpoint.message,
        seen=words.iso(endpoint.last_seen_at),
        agent=endpoint.agent_version,
        platform=endpoint.platform,
        zone=endpoint.timezone,
        labels=" ".join(f"{key}={value}" for key, value in sorted(endpoint.labels.items())),
        head=endpoint.head_applied[:7],
        jobs=endpoint.jobs,
        revoked=endpoint.status == "revoked",
        old=_number(endpoint.agent_version) < _number(OURS),
        clock=clock(endpoint),
        abilities=abilities(endpoint.capabilities),
    )


def _number(version: str) -> tuple[int, ...]:
    """``1.10.2`` as a number to compare; what is no version is as new as any."""
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else (10**6,)


def address(text: str, state: str, page: int = 1) -> str:
    """The list's address with these filters."""
    return filters.address("/endpoints", {"q": text, "state": state, "page": filters.page_word(page)})


def pills(counts: Mapping[str, int], text: str, state: str) -> list[Pill]:
    """All, then each state that an endpoint is in."""
    names: list[str] = sorted({*counts} | ({state} - {""}))
    found = [Pill(f"all {sum(counts.values())}", address(text, ""), not state)]
    return found + [
        Pill(f"{name} {counts.get(name, 0)}", address(text, "" if name == state else name), name == state)
        for name in names
    ]


def pages(page: int, more: bool, text: str, state: str) -> Pages:
    before = address(text, state, page - 1) if page > 1 else ""
    return Pages(before, address(text, state, page + 1) if more else "")


def instance(one: wire.InstanceStatus) -> InstanceRow:
    return InstanceRow(
        job=one.job_name,
        href=f"/jobs/{one.namespace}/{one.job_name}",
        namespace=one.namespace,
        host=one.endpoint_name,
        host_href=f"/endpoints/{one.endpoint_id}",
        state=colours.of_job(one.state),
        label=words.JOB_WORDS.get(one.state, one.state),
        outcome=one.outcome or "not yet reported",
        reason=one.reason,
        commit=one.commit[:7],
        last=words.iso(one.last_run_at),
        last_href=f"/runs/{one.last_run_id}" if one.last_run_id else "",
    )


def lines(crontab: Iterable[wire.CrontabLine], names: dict[str, str]) -> list[CrontabRow]:
    """The host's crontab as its agent read it; ``names`` says which job a managed line is."""
    found = []
    for number, line in enumerate(crontab, start=1):
        note = line.note or names.get(line.job_id, "") or STANDING_LABELS.get(line.standing, "")
        found.append(CrontabRow(number, line.text, STANDINGS.get(line.standing, ""), note))
    return found


def coverage(crontab: Sequence[wire.CrontabLine]) -> Coverage:
    """``3 / 5``: managed lines of all that start something."""
    standings = [line.standing for line in crontab]
    ours = standings.count("managed") + standings.count("drift")
    both = ours + standings.count("foreign")
    return Coverage(f"{ours} / {both}", f"{round(100 * ours / both)}%" if both else "0%")


def drift(found: Mapping[str, Any]) -> DriftRow:
    """One row of what the agent told; the newest are told first."""
    there = ", ".join(found.get("logged_in") or [])
    who = " · ".join(part for part in (found.get("owner", ""), f"signed in: {there}" if there else "") if part)
    kind = DRIFTS.get(found["kind"]) or str(found["kind"])
    return DriftRow(
        kind, found["expected"], found["found"], who, found.get("modified_at") or found.get("seen_at") or ""
    )


def clock(endpoint: wire.Endpoint) -> str:
    """``Europe/Berlin, UTC+01:00``, as the agent told them."""
    sign, minutes = "-" if endpoint.utc_offset < 0 else "+", abs(endpoint.utc_offset) // 60
    return f"{endpoint.timezone or 'zone not reported'}, UTC{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def abilities(told: Mapping[str, Any]) -> str:
    """What the agent says of the scheduler: which, whose nights with a clock change, whether lines name a user."""
    cron = CRONS.get(str(told.get("dst_policy", "")), "")
    scheduler = str(told.get("scheduler", ""))
    user = "runs jobs as any user" if told.get("user") is True else "runs jobs as its own user"
    return " · ".join(part for part in (scheduler, cron, user if scheduler else "") if part)
