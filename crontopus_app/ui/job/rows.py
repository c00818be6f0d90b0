"""Rows of the Job page."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from contract import schedule, wire, wire_alerts
from contract.manifest_values import parse_duration
from crontopus_app.queries.calendar import SameStart
from crontopus_app.queries.job_on_hosts import Installed
from crontopus_app.queries.plans import Plan
from crontopus_app.ui.kit import colours, filters, run_table, terminal, words
from crontopus_app.ui.kit.code import CodeLine
from crontopus_app.ui.kit.forecast import EMPTY, Forecast

SHOWN = 30


@dataclass(frozen=True)
class JobHead:
    """``lines`` is what deleting the job removes; ``installed`` says whether the hosts' crontabs match Git."""

    id: str = ""
    name: str = ""
    namespace: str = ""
    state: str = "unknown"
    label: str = ""
    explained: str = ""
    cron: str = ""
    hosts: str = ""
    lines: str = ""
    installed: str = ""
    command: str = ""
    description: str = ""
    labels: tuple[str, ...] = ()
    owner: str = ""
    runbook: str = ""
    paused: bool = False
    valid: bool = True
    path: str = ""
    edit: str = ""
    runs: str = ""


@dataclass(frozen=True)
class Ahead:
    """Forecast, next run (ISO, in the job's zone, in UTC where that differs), and jobs that start at the same time.

    ``zone`` is empty while it is unknown; ``shown_zone`` is the zone of the page's times.
    ``schedule`` is the expression that moves the job to the time ``quieter``; empty if it has no single minute.
    """

    forecast: Forecast = EMPTY
    zone: str = ""
    shown_zone: str = "UTC"
    next: str = ""
    there: str = ""
    utc: str = ""
    crowd: str = ""
    quieter: str = ""
    schedule: str = ""


@dataclass(frozen=True)
class RunLine:
    """A run in the table; ``slot`` is its scheduled time in the job's zone."""

    href: str
    at: str
    slot: str
    delay: str
    took: str
    running_since: str
    state: str
    status: str
    more: str
    host: str
    commit: str
    output: str


@dataclass(frozen=True)
class Instance:
    host: str
    href: str
    state: str
    label: str
    outcome: str
    reason: str
    commit: str
    current: bool
    last: str
    run: str
    reported: str
    lines: tuple[str, ...]
    drift: tuple[str, ...]


@dataclass(frozen=True)
class HistoryRow:
    sha: str
    short: str
    author: str
    initials: str
    message: str
    at: str
    href: str
    open: bool


@dataclass(frozen=True)
class JobIncident:
    href: str
    colour: str
    cause: str
    what: str
    since: str
    closed: str


@dataclass(frozen=True)
class Alerts:
    """Who is told of the job's problems, in words; its newest incidents; where it can be silenced."""

    rules: tuple[str, ...] = ()
    colour: str = "ok"
    reason: str = ""
    steps: tuple[str, ...] = ()
    incidents: tuple[JobIncident, ...] = ()
    silence: str = ""


def alerts(found: wire_alerts.JobAlerts, job: str) -> Alerts:
    colour = "ok" if found.handling == "delivered" else "late"
    listed = tuple(_incident(one) for one in found.incidents)
    silence = filters.address("/silences", {"job": job})
    return Alerts(tuple(found.rules), colour, found.reason, tuple(found.steps), listed, silence)


def _incident(one: wire_alerts.Incident) -> JobIncident:
    colour = "ok" if one.state == "closed" else colours.of_incident(one.cause)
    since, closed = words.iso(one.since), words.iso(one.closed_at)
    return JobIncident(f"/incidents/{one.id}", colour, one.cause, one.what, since, closed)


@dataclass(frozen=True)
class Body:
    """Content of the open tab."""

    tab: str = "runs"
    lines: tuple[CodeLine, ...] = ()
    commits: tuple[HistoryRow, ...] = ()
    instances: tuple[Instance, ...] = ()
    alerts: Alerts = Alerts()


@dataclass(frozen=True)
class Restoring:
    """Effect of restoring the version ``sha``: diff of the file, and ``text`` about the hosts."""

    sha: str = ""
    lines: tuple[CodeLine, ...] = ()
    text: str = ""


def head(detail: wire.JobDetail, current: int, hosts: int) -> JobHead:

    job = detail.job
    manifest = detail.manifest or {}
    notes = manifest.get("annotations", {})
    runbook = str(notes.get("runbook", ""))
    return JobHead(
        id=job.id,
        name=job.name,
        namespace=job.namespace,
        state=colours.of_job(job.state),
        label=words.JOB_WORDS.get(job.state, job.state),
        explained=_explained(job.schedule, job.timezone) or job.words,
        cron=" · ".join(job.schedule),
        hosts=words.hosts(job.endpoints),
        lines=_lines(job.endpoints),
        installed=installed(current, hosts),
        command=" ".join([str(manifest.get("command", "")), *map(shlex.quote, map(str, manifest.get("args") or []))]),
        description=str(notes.get("description", "")),
        labels=tuple(f"{name}={value}" for name, value in sorted((manifest.get("labels") or {}).items())),
        owner=str(notes.get("owner", "")),
        runbook=runbook if runbook.startswith(("https://", "http://")) else "",
        paused=job.paused,
        valid=detail.valid,
        path=job.path,
        edit=f"/jobs/{job.namespace}/{job.name}/edit",
        runs=runs_of(job.namespace, job.name),
    )


def _lines(hosts: list[str]) -> str:
    return f"1 crontab line on {words.hosts(hosts)}" if hosts else "no crontab line (the job is on no host)"


def runs_of(namespace: str, name: str) -> str:
    """The address of the job's runs."""
    return f"/runs?job={name}&namespace={namespace}"


def installed(current: int, hosts: int) -> str:
    """Whether the crontabs of the job's hosts match Git; empty without hosts."""
    if current < hosts:
        return f"installed on {current} of {words.plural(hosts, 'host')}"
    return "crontab matches Git" if hosts == 1 else f"crontab matches Git on all {hosts} hosts" if hosts else ""


def _explained(expressions: list[str], zone: str | None) -> str:
    try:
        return schedule.explain(expressions, zone) if expressions else ""
    except schedule.ScheduleError:
        return ""


def limit_s(detail: wire.JobDetail) -> float | None:
    """The job's ``maxRuntime`` in seconds; None if it has none."""
    text = (detail.manifest or {}).get("checkin", {}).get("maxRuntime")
    try:
        return parse_duration(text).total_seconds() if isinstance(text, str) else None
    except ValueError:
        return None


def ahead(job: wire.JobSummary, forecast: Forecast, zone: str, crowd: SameStart | None) -> Ahead:
    """``zone`` is empty while it is unknown."""
    at = job.next_run
    there = at.astimezone(ZoneInfo(zone)) if at and zone else None
    same = there is not None and at is not None and there.utcoffset() == at.utcoffset()
    return Ahead(
        forecast=forecast,
        zone=zone,
        shown_zone=zone or "UTC",
        next=words.iso(at),
        there=f"{there:%d %b %H:%M} {zone}" if there else "",
        utc=f"{at:%H:%M}" if at and not same else "",
        **_crowd(zone, crowd),
    )


def _crowd(zone: str, crowd: SameStart | None) -> dict[str, str]:
    if crowd is None or not zone:
        return {}
    names = ", ".join(name.partition("/")[2] for name in crowd.names[:3])
    more = f" and {len(crowd.names) - 3} more" if len(crowd.names) > 3 else ""
    verb = "starts" if len(crowd.names) == 1 else "start"
    texts = {
        "schedule": crowd.schedule,
        "crowd": f"{names}{more} also {verb} at {crowd.at.astimezone(ZoneInfo(zone)):%H:%M} on {crowd.host}.",
    }
    if crowd.quieter is not None:
        texts["quieter"] = f"{crowd.quieter.astimezone(ZoneInfo(zone)):%H:%M}"
    return texts


def run_line(run: wire.Run, output: str, zone: str) -> RunLine:

    at: datetime = run.slot or run.started_at or run.received_at
    more = ["" if run.status == "success" else run_table.outcome(run), *(flag.replace("_", " ") for flag in run.flags)]
    return RunLine(
        href=f"/runs/{run.id}",
        at=at.isoformat(),
        slot=f"{at.astimezone(ZoneInfo(zone or 'UTC')):%d %b %H:%M}",
        delay=run_table.delay(run),
        took=words.took(run.duration_s),
        running_since=words.iso(run.started_at or run.received_at) if run.status == "running" else "",
        state=colours.of_run(run.status),
        status=run.status,
        more=" · ".join(filter(None, more)),
        host=run.endpoint_name,
        commit=run.commit[:7],
        output=terminal.plain(output),
    )


def run_lines(runs: Sequence[wire.Run], outputs: Mapping[str, str], zone: str) -> list[RunLine]:
    return [run_line(run, outputs.get(run.id, ""), zone) for run in runs[:SHOWN]]


def instance(on_host: Installed) -> Instance:
    """The job on one host, with its crontab lines there."""
    one = on_host.instance
    return Instance(
        host=one.endpoint_name,
        href=f"/endpoints/{one.endpoint_id}",
        state=colours.of_job(one.state),
        label=words.JOB_WORDS.get(one.state, one.state),
        outcome=words.outcome(one.outcome),
        reason=one.reason,
        commit=one.commit[:7],
        current=on_host.current,
        last=words.iso(one.last_run_at),
        run=f"/runs/{one.last_run_id}" if one.last_run_id else "",
        reported=words.iso(on_host.reported_at),
        lines=on_host.lines,
        drift=on_host.drift,
    )


def commit(entry: wire.HistoryEntry, namespace: str, name: str, opened: str) -> HistoryRow:
    version = entry.commit
    return HistoryRow(
        sha=version.sha,
        short=version.sha[:7],
        author=version.author,
        initials=version.author[:2],
        message=version.message.splitlines()[0] if version.message else "",
        at=words.iso(version.at),
        href=f"/jobs/{namespace}/{name}?tab=history&commit={version.sha}",
        open=version.sha == opened,
    )


def planned(plan: Plan) -> str:
    """Effect of a version on the hosts' crontabs, in a sentence."""
    if plan.action == "invalid":
        why = f": {words.plain(plan.errors[0].message)}" if plan.errors else "."
        return f"This version cannot be restored{why}"
    hosts = {name: [one.endpoint_name for one in plan.endpoints if one.action == name] for name in _VERBS}
    effects = [f"{verb} on {words.hosts(hosts[name])}" for name, verb in _VERBS.items() if hosts[name]]
    text = ", ".join(effects)
    return f"{text[0].upper()}{text[1:]} at the next sync (seconds)." if text else "No host's crontab changes."


_VERBS = {"create": "adds 1 crontab line", "update": "changes 1 crontab line", "delete": "removes 1 crontab line"}
