"""Rows of the Jobs page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from contract import wire
from crontopus_app.monitoring.runs import percentile
from crontopus_app.monitoring.state import OVERDUE, WORST_FIRST
from crontopus_app.ui.kit import charts, colours, filters, words
from crontopus_app.ui.kit.filters import Pages, Pill

SHOWN = 20


@dataclass(frozen=True)
class JobRow:
    id: str
    name: str
    namespace: str
    href: str
    state: str
    label: str
    words: str
    cron: str
    next: str
    bars: charts.Paths
    typical: str
    hosts: str
    author: str
    changed: str


@dataclass(frozen=True)
class InvalidJob:
    path: str
    href: str
    where: str
    message: str


def job_row(job: wire.JobSummary, runs: Sequence[charts.HasDuration]) -> JobRow:

    newest = runs[-1].status if runs else ""
    durations = sorted(run.duration_s for run in runs if run.duration_s is not None)
    running = newest == "running" and job.state not in OVERDUE
    return JobRow(
        id=job.id,
        name=job.name,
        namespace=job.namespace,
        href=f"/jobs/{job.namespace}/{job.name}",
        state="running" if running else colours.of_job(job.state),
        label="running" if running else words.JOB_WORDS.get(job.state, job.state),
        words=job.words,
        cron=" · ".join(job.schedule),
        next=words.iso(job.next_run),
        bars=charts.bars(runs, SHOWN),
        typical=words.took(percentile(durations, 0.5)),
        hosts=words.hosts(job.endpoints),
        author=job.changed_by,
        changed=words.iso(job.changed_at),
    )


def invalid(job: wire.JobSummary) -> InvalidJob:
    """An invalid manifest with its first error."""
    first = job.errors[0] if job.errors else wire.Problem("invalid", "This file is not a valid manifest.")
    where = f"{job.path} line {first.line}" if first.line else job.path
    return InvalidJob(job.path, f"/jobs/{job.namespace}/{job.name}?tab=definition", where, words.problem(first.message))


def pills(jobs: Sequence[wire.JobSummary], namespace: str, state: str, text: str) -> list[Pill]:
    """Filters by namespace and state, each with its count."""
    spaces, states = Counter(job.namespace for job in jobs), Counter(job.state for job in jobs)
    pills = [Pill(f"all {len(jobs)}", _address("", "", text), not namespace and not state)]
    pills += [Pill(f"{name} {n}", _address(name, state, text), name == namespace) for name, n in sorted(spaces.items())]
    bad = [name for name in WORST_FIRST if name != "invalid" and (states[name] or name == state)]
    pills += [
        Pill(
            f"{words.JOB_WORDS.get(name, name).split(' ')[0]} {states[name]}",
            _address(namespace, "" if name == state else name, text),
            name == state,
            apart=name == bad[0],
        )
        for name in bad
    ]
    return pills


def page_of(text: str, count: int, size: int) -> int:
    """The page number in an address, limited to 1 … the last page."""
    return max(1, min(filters.page_number(text), -(-count // size)))


def pages(page: int, count: int, size: int, chosen: tuple[str, str, str]) -> Pages:
    """Links to the neighbouring pages; empty if one page holds all."""
    if count <= size:
        return Pages()
    first, last = (page - 1) * size + 1, min(page * size, count)
    before = _address(*chosen, page - 1) if page > 1 else ""
    return Pages(before, _address(*chosen, page + 1) if last < count else "", f"{first}–{last} of {count:,}")


def _address(namespace: str, state: str, text: str, page: int = 1) -> str:
    query = {"namespace": namespace, "state": state, "q": text, "page": filters.page_word(page)}
    return filters.address("/jobs", query)
