"""What the Job page shows, made of what the services say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from contract import schedule, wire
from contract.manifest_values import parse_duration
from crontopus_app.queries.calendar import SameStart
from crontopus_app.queries.job_on_hosts import Installed
from crontopus_app.queries.plans import Plan
from crontopus_app.ui.kit import colours, run_table, terminal, words
from crontopus_app.ui.kit.code import CodeLine
from crontopus_app.ui.kit.forecast import NOTHING, Forecast

SHOWN = 30


@dataclass(frozen=True)
class JobHead:
    """``lines`` is what its hosts would lose without it, ``installed`` says whether they have what Git says."""

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
    owner: str = ""
    runbook: str = ""
    paused: bool = False
    valid: bool = True
    path: str = ""
    edit: str = ""
    runs: str = ""


@dataclass(frozen=True)
class Ahead:
    """What comes: the schedule's future, when it is next (also in its zone and UTC), and who starts with it.

    ``schedule`` is the expression that would move the job to ``quieter``; empty where it has no single minute.
    """

    forecast: Forecast = NOTHING
    zone: str = ""
    next: str = ""
    there: str = ""
    utc: str = ""
    crowd: str = ""
    quieter: str = ""
    schedule: str = ""


@dataclass(frozen=True)
class RunLine:
    """A run in the page's table; ``slot`` is the wall clock of the job's zone."""

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
class Body:
    """What the open tab shows."""

    tab: str = "runs"
    lines: tuple[CodeLine, ...] = ()
    commits: tuple[HistoryRow, ...] = ()
    instances: tuple[Instance, ...] = ()


@dataclass(frozen=True)
class Restoring:
    """What restoring a version would do; ``sha`` says of which one."""

    sha: str = ""
    lines: tuple[CodeLine, ...] = ()
    text: str = ""


def head(detail: wire.JobDetail, current: int, hosts: int) -> JobHead:
    """What stands on top of the page."""
    job = detail.job
    notes = (detail.manifest or {}).get("annotations", {})
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
        lines=f"1 line on {words.hosts(job.endpoints)}" if job.endpoints else "no line, it is on no host",
        installed=installed(current, hosts),
        owner=str(notes.get("owner", "")),
        runbook=runbook if runbook.startswith(("https://", "http://")) else "",
        paused=job.paused,
        valid=detail.valid,
        path=job.path,
        edit=f"/jobs/{job.namespace}/{job.name}/edit",
        runs=runs_of(job.namespace, job.name),
    )


def runs_of(namespace: str, name: str) -> str:
    """The address of the job's runs."""
    return f"/runs?job={name}&namespace={namespace}"


def installed(current: int, hosts: int) -> str:
    """Whether what its hosts have is what Git says."""
    if current < hosts:
        return f"as in Git on {current} of {hosts}"
    return "as in Git" if hosts == 1 else f"as in Git on all {hosts}" if hosts else ""


def _explained(expressions: list[str], zone: str | None) -> str:
    try:
        return schedule.explain(expressions, zone) if expressions else ""
    except schedule.ScheduleError:
        return ""


def limit_s(detail: wire.JobDetail) -> float | None:
    """The job's ``maxRuntime`` in seconds."""
    told = (detail.manifest or {}).get("checkin", {}).get("maxRuntime")
    try:
        return parse_duration(told).total_seconds() if isinstance(told, str) else None
    except ValueError:
        return None


def ahead(job: wire.JobSummary, forecast: Forecast, zone: str, crowd: SameStart | None) -> Ahead:
    """``zone`` is empty while no host has told one."""
    at = job.next_run
    return Ahead(
        forecast=forecast,
        zone=zone,
        next=words.iso(at),
        there=f"{at.astimezone(ZoneInfo(zone)):%d %b %H:%M}" if at and zone else "",
        utc=f"{at:%H:%M}" if at else "",
        **_crowd(zone, crowd),
    )


def _crowd(zone: str, crowd: SameStart | None) -> dict[str, str]:
    if crowd is None or not zone:
        return {}
    names = ", ".join(name.partition("/")[2] for name in crowd.names[:3])
    more = f" and {len(crowd.names) - 3} more" if len(crowd.names) > 3 else ""
    verb = "starts" if len(crowd.names) == 1 else "start"
    told = {
        "schedule": crowd.schedule,
        "crowd": f"{names}{more} {verb} at {crowd.at.astimezone(ZoneInfo(zone)):%H:%M} on {crowd.host} too.",
    }
    if crowd.quieter is not None:
        told["quieter"] = f"{crowd.quieter.astimezone(ZoneInfo(zone)):%H:%M}"
    return told


def run_line(run: wire.Run, output: str, zone: str) -> RunLine:
    """One line of the table."""
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


def instance(found: Installed) -> Instance:
    """The job on one host; its lines are empty where the host has none of it."""
    one = found.instance
    return Instance(
        host=one.endpoint_name,
        href=f"/endpoints/{one.endpoint_id}",
        state=colours.of_job(one.state),
        label=words.JOB_WORDS.get(one.state, one.state),
        outcome=one.outcome or "not yet reported",
        reason=one.reason,
        commit=one.commit[:7],
        current=found.current,
        last=words.iso(one.last_run_at),
        run=f"/runs/{one.last_run_id}" if one.last_run_id else "",
        reported=words.iso(found.reported_at),
        lines=found.lines,
        drift=found.drift,
    )


def commit(entry: wire.HistoryEntry, namespace: str, name: str, opened: str) -> HistoryRow:
    found = entry.commit
    return HistoryRow(
        sha=found.sha,
        short=found.sha[:7],
        author=found.author,
        initials=found.author[:2],
        message=found.message.splitlines()[0] if found.message else "",
        at=words.iso(found.at),
        href=f"/jobs/{namespace}/{name}?tab=history&commit={found.sha}",
        open=found.sha == opened,
    )


def planned(plan: Plan) -> str:
    """What a version would do to the hosts, in a sentence."""
    if plan.action == "invalid":
        return f"It cannot be restored: {plan.errors[0].message}" if plan.errors else "It cannot be restored."
    hosts = {name: [one.endpoint_name for one in plan.endpoints if one.action == name] for name in _VERBS}
    told = [f"{verb} on {words.hosts(hosts[name])}" for name, verb in _VERBS.items() if hosts[name]]
    return f"{', '.join(told)} with the next pass.".capitalize() if told else "No host's crontab changes."


_VERBS = {"create": "adds its line", "update": "changes its line", "delete": "removes its line"}
