"""Rows of the Overview page."""

from __future__ import annotations

import re
from dataclasses import dataclass

from contract import wire
from crontopus_app.monitoring.state import OVERDUE
from crontopus_app.queries import overview
from crontopus_app.queries.overview import Overview
from crontopus_app.ui.kit import colours, terminal, words

# Blanks inside a cron expression, which must not be broken over two lines.
EXPRESSION_BLANK = re.compile(r"(?<=[\d*]) (?=[\d*])")
OPERATIONS = {"create": "created", "update": "changed", "edit": "changed", "delete": "deleted"}


@dataclass(frozen=True)
class Tiles:
    healthy: int = 0
    running: int = 0
    late: int = 0
    failing: int = 0
    missed: int = 0
    silent: int = 0
    silent_label: str = "hosts silent"
    in_sync: str = "0 / 0"
    in_sync_share: str = "0%"
    covered: str = ""
    covered_share: str = "0%"


@dataclass(frozen=True)
class Notice:
    """Something that needs attention besides failing jobs: ``2 hosts silent``, linked to what it counts."""

    state: str
    text: str
    href: str


@dataclass(frozen=True)
class TroubleRow:
    job: str
    href: str
    host: str
    state: str
    summary: str
    exit: str
    since: str
    good: str
    line: str
    run: str


@dataclass(frozen=True)
class RecentChange:
    author: str
    initials: str
    pushed: bool
    job: str
    href: str
    summary: str
    commit: str
    at: str
    state: str
    arrived: str
    error: str


def tiles(data: Overview) -> Tiles:
    """The figures. ``covered`` is empty while no host has reported cron lines."""
    states = data.states
    covered = _share(data.cron_lines_monitored, data.cron_lines)
    return Tiles(
        healthy=states.get("ok", 0),
        running=data.running,
        late=states.get("late", 0),
        failing=states.get("failing", 0),
        missed=states.get("missed", 0),
        silent=data.endpoints_silent,
        silent_label="host silent" if data.endpoints_silent == 1 else "hosts silent",
        in_sync=f"{data.endpoints_in_sync} / {data.endpoints}",
        in_sync_share=f"{_share(data.endpoints_in_sync, data.endpoints)}%",
        covered=f"{covered} %" if data.cron_lines else "",
        covered_share=f"{covered}%",
    )


def notices(data: Overview) -> tuple[Notice, ...]:
    """Silent hosts and invalid files: their jobs are not monitored, so a clean list of runs proves nothing."""
    silent, invalid = data.endpoints_silent, data.invalid_files
    candidates = [
        (silent, Notice("unknown", words.plural(silent, "host") + " silent", "/endpoints?state=silent")),
        (invalid, Notice("failed", words.plural(invalid, "invalid manifest"), "/jobs")),
    ]
    return tuple(notice for count, notice in candidates if count)


def all_clear(data: Overview) -> str:
    """Why nothing needs attention; empty if something does."""
    if data.failing or notices(data):
        return ""
    if not data.last:
        return "Nothing yet: no job has run."
    return "All clear: no job is failing or missed, no host is silent, no manifest is invalid."


def _share(part: int, whole: int) -> int:
    """Percent, rounded down: only all is 100."""
    return 100 * part // whole if whole else 0


def trouble(one: overview.FailingInstance) -> TroubleRow:
    overdue = one.what.state in OVERDUE
    times = f"{one.times}{'+' if one.more else ''} times" if one.times > 1 and not overdue else ""
    status = one.what.state if overdue else one.what.last_run_status or one.what.state
    return TroubleRow(
        job=one.what.job_name,
        href=f"/jobs/{one.what.namespace}/{one.what.job_name}",
        host=one.what.endpoint_name,
        state=colours.of_job(one.what.state),
        summary=f"{status} {times}".strip(),
        exit="" if one.exit_code is None else f"exit {one.exit_code} · ",
        since=words.iso(one.since),
        good=words.iso(one.last_good),
        line=terminal.plain(one.last_line),
        run=f"/runs/{one.what.last_run_id}" if one.what.last_run_id else "",
    )


def change_row(change: wire.ChangeStatus) -> RecentChange:
    arrived = {"pending": "committing", "failed": "failed"}.get(change.state, "no host affected")
    state = colours.of_change(change.state)
    if change.state == "done" and change.expected:
        arrived = f"on {change.applied} of {change.expected}"
        state = "ok" if change.applied == change.expected else "late"
    job = change.path.removesuffix(".yaml")
    return RecentChange(
        author=change.author,
        initials=change.author[:2],
        pushed=change.pushed,
        job=job,
        href=f"/jobs/{job}" if change.operation != "delete" else "/jobs",
        summary=EXPRESSION_BLANK.sub("\u00a0", change.said) or OPERATIONS.get(change.operation, change.operation),
        commit=(change.commit or "")[:7],
        at=words.iso(change.created_at),
        state=state,
        arrived=arrived,
        error=change.error or "",
    )
