"""Rows of the Endpoints and Endpoint pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from contract import wire
from crontopus_app.hosts.endpoints import DRIFT
from crontopus_app.ui.kit import colours, filters, words
from crontopus_app.ui.kit.filters import Pages, Pill

# Agents are released with the server: a lower version is outdated.
OURS = metadata.version("crontopus")
STANDINGS = {"managed": "ours", "ours": "mark", "foreign": "foreign", "adopted": "adopted", "drift": "drift"}
DRIFTS = {"line_changed": "changed", "line_missing": "removed", "line_added": "added"}
SCHEDULERS = {"file": "crontab file"}
RULES = {
    "debian": "Debian cron rules",
    "busybox": "BusyBox crond rules",
    "systemd": "systemd timer rules",
    "windows": "Windows Task Scheduler rules",
}
UNKNOWN_ZONE = "time zone unknown"
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
    reported: bool = False


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
    """Share of the crontab's job lines that are monitored; ``share`` is a CSS width."""

    text: str = ""
    share: str = "0%"


@dataclass(frozen=True)
class DriftRow:
    """An edit from outside Crontopus: expected and found line, the file's owner and the users signed in."""

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
        reported=bool(endpoint.head_applied or endpoint.message),
    )


def _number(version: str) -> tuple[int, ...]:
    """``1.10.2`` as a tuple to compare; any other text counts as the newest."""
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else (10**6,)


def address(text: str, state: str, page: int = 1) -> str:
    """Address of the list with these filters."""
    return filters.address("/endpoints", {"q": text, "state": state, "page": filters.page_word(page)})


def pills(counts: Mapping[str, int], text: str, state: str) -> list[Pill]:
    """Filters: all, then each state that occurs, with its count."""
    names = sorted({name for name, count in counts.items() if count} | ({state} - {""}))
    hosts = sum(count for name, count in counts.items() if name != DRIFT)
    pills = [Pill(f"all {hosts}", address(text, ""), not state)]
    return pills + [
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
        outcome=words.outcome(one.outcome),
        reason=one.reason,
        commit=one.commit[:7],
        last=words.iso(one.last_run_at),
        last_href=f"/runs/{one.last_run_id}" if one.last_run_id else "",
    )


def lines(crontab: Iterable[wire.CrontabLine], names: dict[str, str]) -> list[CrontabRow]:
    """Lines of the reported crontab with notes; ``names`` are texts for managed lines, by job id."""
    rows = []
    for number, line in enumerate(crontab, start=1):
        note = line.note or names.get(line.job_id, "") or STANDING_LABELS.get(line.standing, "")
        rows.append(CrontabRow(number, line.text, STANDINGS.get(line.standing, ""), note))
    return rows


def coverage(crontab: Sequence[wire.CrontabLine]) -> Coverage:
    """``3 / 5``: managed lines, of all lines that start a job."""
    standings = [line.standing for line in crontab]
    ours = standings.count("managed") + standings.count("drift")
    both = ours + standings.count("foreign")
    return Coverage(f"{ours} / {both}", f"{round(100 * ours / both)}%" if both else "0%")


def drift(edit: Mapping[str, Any]) -> DriftRow:
    """One reported edit from outside."""
    users = ", ".join(edit.get("logged_in") or [])
    who = " · ".join(part for part in (edit.get("owner", ""), f"signed in: {users}" if users else "") if part)
    kind = DRIFTS.get(edit["kind"]) or str(edit["kind"])
    return DriftRow(kind, edit["expected"], edit["found"], who, edit.get("modified_at") or edit.get("seen_at") or "")


def clock(endpoint: wire.Endpoint) -> str:
    """``Europe/Berlin, UTC+01:00``, as the agent reported them."""
    sign, minutes = "-" if endpoint.utc_offset < 0 else "+", abs(endpoint.utc_offset) // 60
    return (
        f"{endpoint.timezone}, UTC{sign}{minutes // 60:02d}:{minutes % 60:02d}" if endpoint.timezone else UNKNOWN_ZONE
    )


def abilities(capabilities: Mapping[str, Any]) -> str:
    """The host's scheduler, its rules for clock changes, and whether jobs may name a user."""
    policy = str(capabilities.get("dst_policy", ""))
    rules = RULES.get(policy, "")
    name = str(capabilities.get("scheduler", ""))
    user = "can run as any user" if capabilities.get("user") is True else "runs as its own user"
    return " · ".join(part for part in (SCHEDULERS.get(name, name), rules, user if name else "") if part)
