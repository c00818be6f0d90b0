"""Rows of the Jobs page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from contract import wire
from crontopus_app.monitoring.runs import percentile
from crontopus_app.monitoring.state import OVERDUE, WORST_FIRST, badness
from crontopus_app.queries import job_filter
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
class JobQuery:
    """The filters and the order in the page's address. ``sort`` is a key of ``SORTS``, descending with ``-``."""

    text: str = ""
    namespace: str = ""
    state: str = ""
    sort: str = ""


@dataclass(frozen=True)
class Head:
    """The head of a column; ``href`` sorts by it, ``order`` is a value of ``aria-sort``."""

    text: str
    href: str = ""
    order: str = "none"
    numeric: bool = False


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


def pills(jobs: Sequence[wire.JobSummary], query: JobQuery) -> list[Pill]:
    """Filters by namespace and state, each with its count; then each word of the filter, with a link without it."""
    spaces, states = Counter(job.namespace for job in jobs), Counter(job.state for job in jobs)
    found = [
        Pill(f"all {len(jobs)}", address(replace(query, namespace="", state="")), not query.namespace + query.state)
    ]
    found += [
        Pill(f"{name} {count}", address(replace(query, namespace=name)), name == query.namespace)
        for name, count in sorted(spaces.items())
    ]
    bad = [name for name in WORST_FIRST if states[name] or name == query.state]
    found += [
        Pill(
            f"{words.JOB_WORDS.get(name, name).split(' ')[0]} {states[name]}",
            address(replace(query, state="" if name == query.state else name)),
            name == query.state,
            apart=name == bad[0],
        )
        for name in bad
    ]
    terms = job_filter.parse(query.text).terms
    return found + [
        Pill(f"{term.word} ✕", address(replace(query, text=_without(terms, term))), True, apart=term == terms[0])
        for term in terms
    ]


def _without(terms: Sequence[job_filter.Term], term: job_filter.Term) -> str:
    return " ".join(other.word for other in terms if other is not term)


def chosen(jobs: Sequence[wire.JobSummary], query: JobQuery) -> list[wire.JobSummary]:
    """The jobs of the page's namespace and state, in its order: by default those first that need attention."""
    state = job_filter.STATES.get(query.state, query.state)
    found = [job for job in jobs if query.namespace in ("", job.namespace) and state in ("", job.state)]
    key = SORTS.get(query.sort.lstrip("-"), SORTS[""])
    found.sort(key=lambda job: (job.namespace, job.name))
    found.sort(key=key, reverse=query.sort.startswith("-"))
    return found


_LAST = datetime.max.replace(tzinfo=UTC)
SORTS: dict[str, Callable[[wire.JobSummary], Any]] = {
    "": lambda job: badness(job.state),
    "name": lambda job: job.name,
    "namespace": lambda job: job.namespace,
    "next": lambda job: job.next_run or _LAST,
    "hosts": lambda job: len(job.endpoints),
    "changed": lambda job: job.changed_at or _LAST,
}
HEADS = (
    ("Job", "name"),
    ("Namespace", "namespace"),
    ("Schedule", ""),
    ("Next", "next"),
    ("Last 20", ""),
    ("Typical", ""),
    ("Runs on", "hosts"),
    ("Changed", "changed"),
)


def heads(query: JobQuery) -> list[Head]:
    """A click on a head sorts by it, a second one the other way round, a third one by need again."""
    return [_head(text, key, query) for text, key in HEADS]


def _head(text: str, key: str, query: JobQuery) -> Head:
    numeric = text == "Typical"
    if not key:
        return Head(text, numeric=numeric)
    order = {key: "ascending", f"-{key}": "descending"}.get(query.sort, "none")
    following = {"none": key, "ascending": f"-{key}", "descending": ""}[order]
    return Head(text, address(replace(query, sort=following)), order, numeric)


def page_of(text: str, count: int, size: int) -> int:
    """The page number in an address, limited to 1 … the last page."""
    return max(1, min(filters.page_number(text), -(-count // size)))


def pages(page: int, count: int, size: int, query: JobQuery) -> Pages:
    """Links to the neighbouring pages; empty if one page holds all."""
    if count <= size:
        return Pages()
    first, last = (page - 1) * size + 1, min(page * size, count)
    before = address(query, page - 1) if page > 1 else ""
    return Pages(before, address(query, page + 1) if last < count else "", f"{first}–{last} of {count:,}")


def address(query: JobQuery, page: int = 1) -> str:
    named = {"namespace": query.namespace, "state": query.state, "q": query.text, "sort": query.sort}
    return filters.address("/jobs", named | {"page": filters.page_word(page)})
