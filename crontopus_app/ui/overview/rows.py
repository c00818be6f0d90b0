"""What the Overview shows, made of what the services say."""

from __future__ import annotations

import re
from dataclasses import dataclass

from contract import wire
from crontopus_app.queries import overview
from crontopus_app.queries.overview import Overview
from crontopus_app.ui.kit import colours, terminal, words

# Within a cron expression, which is not to be broken over two lines.
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
    in_sync: str = "0 / 0"
    in_sync_share: str = "0%"
    covered: str = ""
    covered_share: str = "0%"


@dataclass(frozen=True)
class TroubleRow:
    job: str
    href: str
    host: str
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
    what: str
    href: str
    summary: str
    commit: str
    at: str
    state: str
    arrived: str
    error: str


def tiles(seen: Overview) -> Tiles:
    """The figures on top; without cron lines reported nothing is said of how many are monitored."""
    states = seen.states
    covered = _share(seen.cron_lines_monitored, seen.cron_lines)
    return Tiles(
        healthy=states.get("ok", 0),
        running=seen.running,
        late=states.get("late", 0),
        failing=states.get("failing", 0),
        missed=states.get("missed", 0),
        silent=seen.endpoints_silent,
        in_sync=f"{seen.endpoints_in_sync} / {seen.endpoints}",
        in_sync_share=f"{_share(seen.endpoints_in_sync, seen.endpoints)}%",
        covered=f"{covered} %" if seen.cron_lines else "",
        covered_share=f"{covered}%",
    )


def _share(part: int, whole: int) -> int:
    """Percent, rounded down: 100 means all."""
    return 100 * part // whole if whole else 0


def trouble(one: overview.FailingInstance) -> TroubleRow:
    times = f"{one.times}{'+' if one.more else ''} times" if one.times > 1 else ""
    status = one.what.last_run_status or one.what.state
    return TroubleRow(
        job=one.what.job_name,
        href=f"/jobs/{one.what.namespace}/{one.what.job_name}",
        host=one.what.endpoint_name,
        summary=f"{status} {times}".strip(),
        exit="" if one.exit_code is None else f"exit {one.exit_code} · ",
        since=words.iso(one.since),
        good=words.iso(one.last_good),
        line=terminal.plain(one.last_line),
        run=f"/runs/{one.what.last_run_id}" if one.what.last_run_id else "",
    )


def change_row(change: wire.ChangeStatus) -> RecentChange:
    arrived = {"pending": "on its way", "failed": "failed"}.get(change.state, "committed")
    state = colours.of_change(change.state)
    if change.state == "done" and change.expected:
        arrived = f"on {change.applied} of {change.expected}"
        state = "ok" if change.applied == change.expected else "late"
    what = change.path.removesuffix(".yaml")
    return RecentChange(
        author=change.author,
        initials=change.author[:2],
        pushed=change.pushed,
        what=what,
        href=f"/jobs/{what}" if change.operation != "delete" else "/jobs",
        summary=EXPRESSION_BLANK.sub("\u00a0", change.said) or OPERATIONS.get(change.operation, change.operation),
        commit=(change.commit or "")[:7],
        at=words.iso(change.created_at),
        state=state,
        arrived=arrived,
        error=change.error or "",
    )
