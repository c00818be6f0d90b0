"""Rows of the Overview page."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from contract import wire, wire_alerts
from crontopus_app.monitoring.state import OVERDUE
from crontopus_app.queries import overview
from crontopus_app.queries.attention import HostProblem
from crontopus_app.queries.overview import Overview
from crontopus_app.ui.kit import colours, terminal, words

# Blanks inside a cron expression, which must not be broken over two lines.
EXPRESSION_BLANK = re.compile(r"(?<=[\d*]) (?=[\d*])")
# Colour, words for one and many hosts, and what it means, by kind of ``HostProblem``.
HOST_PROBLEMS = {
    "silent": ("unknown", "host silent", "hosts silent", "nothing is known of their jobs since"),
    "blocked": ("failed", "host blocked", "hosts blocked", "changes are not applied"),
    "failed": ("failed", "host failed to apply changes", "hosts failed to apply changes", "see the host's message"),
    "waiting": ("late", "host has not applied Git yet", "hosts have not applied Git yet", "is the agent running?"),
    "behind": ("late", "host is behind Git", "hosts are behind Git", "the newest commit is not applied"),
    "drift": ("late", "crontab edited by hand", "crontabs edited by hand", "within the last day"),
}
# Causes of incidents that a notice covers, by kind of ``HostProblem``.
NOTICED = {"silent": "host silent", "blocked": "not applied", "failed": "not applied"}
# States of jobs in the figures, and those that are always shown.
TILES = ("ok", "late", "stuck", "failing", "missed", "invalid", "unknown", "waiting", "paused")
ALWAYS = frozenset({"ok", "late", "failing", "missed"})
OPERATIONS = {"create": "created", "update": "changed", "edit": "changed", "delete": "deleted"}


@dataclass(frozen=True)
class Tile:
    """A figure with its unit. ``href`` lists exactly what it counts; ``share`` (``94%``) draws a bar."""

    value: str
    label: str
    state: str
    href: str = ""
    share: str = ""


@dataclass(frozen=True)
class Notice:
    """Something that needs attention besides failing jobs: ``2 hosts silent``, linked to what it counts."""

    state: str
    text: str
    href: str
    detail: str = ""
    since: str = ""


@dataclass(frozen=True)
class TroubleRow:
    """A failing job on a host, or another open incident. ``incident`` is its id; ``by`` says who took it."""

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
    edit: str = ""
    incident: str = ""
    by: str = ""
    snoozed: str = ""
    is_job: bool = True


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


def tiles(data: Overview) -> tuple[Tile, ...]:
    """The figures. States of which there is nearly never one are left out while there is none."""
    hosts, synced = data.endpoints, data.endpoints_in_sync
    return (
        *(_of_jobs(data.states.get(state, 0), state) for state in TILES if state in ALWAYS or data.states.get(state)),
        Tile(f"{data.running:,}", "run now" if data.running == 1 else "runs now", "running", "/runs?status=running"),
        _hosts_tile(data.endpoints_silent, "silent", "unknown"),
        Tile(
            f"{synced} / {hosts}",
            "host in sync" if hosts == 1 else "hosts in sync",
            "accent",
            "/endpoints?state=in+sync",
            f"{_share(synced, hosts)}%",
        ),
        *_covered(data),
    )


def _of_jobs(count: int, state: str) -> Tile:
    word = words.JOB_WORDS.get(state, state).split(" ")[0]
    noun = ("file" if count == 1 else "files") if state == "invalid" else "job" if count == 1 else "jobs"
    label = f"{word} {noun}" if state == "invalid" else f"{noun} {word}"
    return Tile(f"{count:,}", label, colours.of_job(state), f"/jobs?state={state}")


def _hosts_tile(count: int, state: str, colour: str) -> Tile:
    return Tile(f"{count:,}", f"{'host' if count == 1 else 'hosts'} {state}", colour, f"/endpoints?state={state}")


def _covered(data: Overview) -> tuple[Tile, ...]:
    """The share of monitored cron lines; nothing while no host has reported its crontab."""
    if not data.cron_lines:
        return ()
    share = _share(data.cron_lines_monitored, data.cron_lines)
    where = f"on {data.cron_hosts} of {words.plural(data.endpoints, 'host')}"
    label = f"of {words.plural(data.cron_lines, 'cron line')} monitored, {where}"
    return (Tile(f"{share} %", label, "accent", "", f"{share}%"),)


def notices(data: Overview) -> tuple[Notice, ...]:
    """What may hide problems: on a silent host, in an invalid file, or without a host, no run can fail."""
    wanting = data.attention
    found = [_of_hosts(problem) for problem in wanting.hosts]
    if wanting.invalid_files:
        text = words.plural(wanting.invalid_files, "invalid manifest")
        found.append(Notice("failed", text, "/jobs?state=invalid", "the last valid version stays installed"))
    if wanting.jobs_without_host:
        text = words.plural(wanting.jobs_without_host, "job runs", "jobs run") + " on no host"
        found.append(Notice("unknown", text, "/jobs?state=waiting", "no enrolled host matches"))
    if wanting.repository_problem:
        found.append(Notice("failed", f"Your repository {wanting.repository_problem}", "/start"))
    return tuple(found)


def _of_hosts(problem: HostProblem) -> Notice:
    state, one, many, detail = HOST_PROBLEMS[problem.kind]
    more = problem.count - len(problem.names)
    names = ", ".join(problem.names) + (f" and {more} more" if more else "")
    text = f"{problem.count:,} {one if problem.count == 1 else many}"
    href = f"/endpoints/{problem.first_id}" if problem.count == 1 else f"/endpoints?state={problem.kind}"
    return Notice(state, text, href, f"{names} · {detail}", words.iso(problem.since))


def others(data: Overview) -> list[TroubleRow]:
    """Open incidents that neither a failing job nor a notice shows."""
    noticed = {NOTICED.get(problem.kind, "") for problem in data.attention.hosts}
    noticed |= {"invalid manifest"} if data.attention.invalid_files else set()
    return [_other(one) for one in data.incidents if one.cause not in noticed and not one.parent_id]


def _other(one: wire_alerts.Incident) -> TroubleRow:
    row = TroubleRow(
        job=one.title,
        href=f"/incidents/{one.id}",
        host="",
        state=colours.of_incident(one.cause),
        summary=f"{one.cause}: {one.what}",
        exit="",
        since=words.iso(one.since),
        good="",
        line="",
        run=f"/runs/{one.run_id}" if one.run_id else "",
        is_job=False,
    )
    return _taken(row, one)


def _taken(row: TroubleRow, one: wire_alerts.Incident | None) -> TroubleRow:
    """The row with its incident, and who takes care of it."""
    if one is None:
        return row
    snoozed = words.iso(one.snoozed_until) if one.state == "snoozed" else ""
    return replace(row, incident=one.id, by=one.acknowledged_by, snoozed=snoozed)


def all_clear(data: Overview) -> str:
    """Why nothing needs attention; empty if something does."""
    if data.failing or data.incidents or notices(data):
        return ""
    if not data.last:
        return "Nothing yet: no job has run."
    waiting = data.attention.waiting
    unrun = f" {words.plural(waiting, 'job waits', 'jobs wait')} for the first run." if waiting else ""
    return f"All clear: every job's last run went well, every host reports and has the newest commit.{unrun}"


def _share(part: int, whole: int) -> int:
    """Percent, rounded down: only all is 100."""
    return 100 * part // whole if whole else 0


def trouble(one: overview.FailingInstance) -> TroubleRow:
    overdue = one.what.state in OVERDUE
    times = f"{one.times}{'+' if one.more else ''} times" if one.times > 1 and not overdue else ""
    status = one.what.state if overdue else one.what.last_run_status or one.what.state
    status = "did not run" if status == "missed" else status
    row = TroubleRow(
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
        edit=f"/jobs/{one.what.namespace}/{one.what.job_name}/edit",
    )
    return _taken(row, one.incident)


def change_row(change: wire.ChangeStatus) -> RecentChange:
    arrived = {"pending": "committing", "failed": "failed"}.get(change.state, "no host affected")
    state = colours.of_change(change.state)
    if change.state == "done" and change.expected:
        arrived = f"on {change.applied} of {change.expected}"
        state = "ok" if change.applied == change.expected else "late"
    in_namespace = "/" in change.path  # crontopus.yaml is in none
    job = change.path.removesuffix(".yaml") if in_namespace else change.path
    return RecentChange(
        author=change.author,
        initials=change.author[:2],
        pushed=change.pushed,
        job=job,
        href="/repository" if not in_namespace else f"/jobs/{job}" if change.operation != "delete" else "/jobs",
        summary=EXPRESSION_BLANK.sub("\u00a0", change.said) or OPERATIONS.get(change.operation, change.operation),
        commit=(change.commit or "")[:7],
        at=words.iso(change.created_at),
        state=state,
        arrived=arrived,
        error=change.error or "",
    )
