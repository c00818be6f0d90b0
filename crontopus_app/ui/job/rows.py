"""What the Job page shows, made of what the services say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contract import schedule, wire
from crontopus_app.services.runs import percentile
from crontopus_app.ui.kit import charts, words

STRIP = 30
DURATIONS = 60
NOTHING = charts.Paths()


@dataclass(frozen=True)
class Head:
    id: str = ""
    name: str = ""
    namespace: str = ""
    state: str = "unknown"
    said: str = ""
    explained: str = ""
    cron: str = ""
    zone: str = ""
    hosts: str = ""
    lines: str = ""
    next: str = ""
    paused: bool = False
    valid: bool = True
    sha: str = ""
    path: str = ""
    edit: str = ""
    runs: str = ""


@dataclass(frozen=True)
class Cell:
    state: str
    title: str
    href: str


@dataclass(frozen=True)
class Durations:
    paths: charts.Paths = NOTHING
    said: str = ""
    success: str = ""


@dataclass(frozen=True)
class Instance:
    host: str
    href: str
    state: str
    said: str
    outcome: str
    reason: str
    commit: str
    last: str
    run: str


@dataclass(frozen=True)
class CommitRow:
    sha: str
    short: str
    author: str
    initials: str
    message: str
    at: str
    href: str


@dataclass(frozen=True)
class Line:
    number: int
    text: str
    css: str
    note: str


def head(detail: wire.JobDetail) -> Head:
    """What stands on top of the page."""
    job = detail.job
    zone = job.timezone or ""
    return Head(
        id=job.id,
        name=job.name,
        namespace=job.namespace,
        state=words.job_state(job.state),
        said=words.JOB_WORDS.get(job.state, job.state),
        explained=_explained(job.schedule, job.timezone) or job.words,
        cron=" · ".join(job.schedule),
        zone=zone,
        hosts=words.hosts(job.endpoints),
        lines=f"1 line on {words.hosts(job.endpoints)}" if job.endpoints else "no line, it is on no host",
        next=words.iso(job.next_run),
        paused=job.paused,
        valid=detail.valid,
        sha=detail.sha,
        path=job.path,
        edit=f"/jobs/{job.namespace}/{job.name}/edit",
        runs=f"/runs?job={job.name}&namespace={job.namespace}",
    )


def _explained(expressions: list[str], zone: str | None) -> str:
    try:
        return schedule.explain(expressions, zone) if expressions else ""
    except schedule.ScheduleError:
        return ""


def strip(runs: Sequence[wire.Run]) -> list[Cell]:
    """One cell a run, oldest first."""
    return [
        Cell(words.run_state(run.status), f"{run.status} · took {words.took(run.duration_s)}", f"/runs/{run.id}")
        for run in runs[-STRIP:]
    ]


def durations(runs: Sequence[wire.Run]) -> Durations:
    """How long the last sixty took, and how many went well."""
    ended = [run for run in runs if run.duration_s is not None]
    ordered = sorted(run.duration_s for run in ended if run.duration_s is not None)
    if not ended:
        return Durations()
    p50, p95 = words.took(percentile(ordered, 0.5)), words.took(percentile(ordered, 0.95))
    good = sum(1 for run in ended if run.status == "success")
    share = f"success {100 * good / len(ended):.1f} %"
    return Durations(charts.bars(ended, DURATIONS, 92), f"last {len(ended)} runs · p50 {p50} · p95 {p95}", share)


def instance(one: wire.InstanceStatus) -> Instance:
    return Instance(
        host=one.endpoint_name,
        href=f"/endpoints/{one.endpoint_id}",
        state=words.job_state(one.state),
        said=words.JOB_WORDS.get(one.state, one.state),
        outcome=one.outcome or "not yet reported",
        reason=one.reason,
        commit=one.commit[:7],
        last=words.iso(one.last_run_at),
        run=f"/runs/{one.last_run_id}" if one.last_run_id else "",
    )


def commit(entry: wire.HistoryEntry, job: wire.JobSummary) -> CommitRow:
    found = entry.commit
    return CommitRow(
        sha=found.sha,
        short=found.sha[:7],
        author=found.author,
        initials=found.author[:2],
        message=found.message.splitlines()[0] if found.message else "",
        at=words.iso(found.at),
        href=f"/jobs/{job.namespace}/{job.name}?tab=history&commit={found.sha}",
    )


def lines(yaml: str, problems: Iterable[wire.Problem]) -> list[Line]:
    """The file line by line, errors and lints at theirs."""
    said: dict[int, list[wire.Problem]] = {}
    for problem in problems:
        said.setdefault(max(problem.line, 1), []).append(problem)
    found = []
    for number, text in enumerate(yaml.splitlines() or [""], start=1):
        here = said.get(number, [])
        bad = any(problem.severity == "error" for problem in here)
        css = "bad" if bad else "warn" if here else ""
        found.append(Line(number, text, css, " · ".join(problem.message for problem in here)))
    return found


def diff(text: str) -> list[Line]:
    """A difference line by line; its headers are left out."""
    kept = [one for one in text.splitlines() if not one.startswith(("diff ", "index ", "--- ", "+++ "))]
    css = {"+": "add", "-": "bad", "@": "mark"}
    return [Line(number, one, css.get(one[:1], ""), "") for number, one in enumerate(kept, start=1)]
