"""Statistics of runs for strips and charts. All queries use an index and have limited results."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy import literal, tuple_, union_all
from sqlmodel import Session, col, func, select

from contract import wire
from crontopus_app.base.actor import Actor
from crontopus_app.models import Run, RunOutput
from crontopus_app.monitoring.runs import shape

READ = 5000
# SQLite allows at most 500 members in a UNION.
PARTS = 400
LINE = 160


@dataclass(frozen=True)
class Bar:
    """A run in a sparkline; ``duration_s`` is None while it runs."""

    status: str
    duration_s: float | None


@dataclass(frozen=True)
class PastRun:
    """A run in a history strip; ``at`` is its start, or else its receipt."""

    run_id: str
    status: str
    flags: tuple[str, ...]
    slot: datetime | None
    at: datetime


@dataclass(frozen=True)
class StatusCount:
    """The number of runs with a status in the span that begins at ``at``. ``run_id`` is the newest, unless success."""

    at: datetime
    status: str
    count: int
    run_id: str = ""


def newest(session: Session, actor: Actor, job_id: str, count: int) -> list[wire.Run]:
    """The job's newest ``count`` runs, newest first."""
    actor.require("read:runs")
    order = (col(Run.sort_at).desc(), col(Run.id).desc())
    rows = session.exec(select(Run).where(*_of_job(actor, job_id)).order_by(*order).limit(count))
    return [shape(row) for row in rows]


def last_of_jobs(session: Session, actor: Actor, job_ids: Sequence[str], count: int) -> dict[str, list[Bar]]:
    """The newest ``count`` runs of each of up to 400 jobs, oldest first.

    One statement with a UNION member per job, each of which uses the index. A window function would read all runs.
    """
    actor.require("read:runs")
    newest = (col(Run.sort_at).desc(), col(Run.id).desc())
    parts = []
    for job_id in job_ids[:PARTS]:
        columns = sa.select(col(Run.job_id), col(Run.status), col(Run.duration_s), col(Run.sort_at), col(Run.id))
        # A subquery, because SQLite forbids ORDER BY inside a UNION member.
        parts.append(sa.select(columns.where(*_of_job(actor, job_id)).order_by(*newest).limit(count).subquery()))
    rows = session.execute(union_all(*parts)).all() if parts else []
    bars: dict[str, list[Bar]] = defaultdict(list)
    for job_id, status, seconds, _, _ in sorted(rows, key=lambda row: row[3:]):
        bars[job_id].append(Bar(status, seconds))
    return dict(bars)


def around(session: Session, actor: Actor, run_id: str, each: int) -> list[wire.Run]:
    """The run with up to ``each`` runs before and after it at the same source, newest first; empty without the run."""
    actor.require("read:runs")
    run = session.get(Run, run_id)
    if run is None or run.tenant_id != actor.tenant_id:
        return []
    order, position = (col(Run.sort_at), col(Run.id)), (run.sort_at, run.id)
    query = select(Run).where(Run.tenant_id == actor.tenant_id, Run.source_id == run.source_id)
    later = session.exec(query.where(tuple_(*order) > position).order_by(*order).limit(each)).all()
    newest_first = [column.desc() for column in order]
    earlier = session.exec(query.where(tuple_(*order) < position).order_by(*newest_first).limit(each)).all()
    return [shape(row) for row in (*reversed(later), run, *earlier)]


def neighbours(session: Session, actor: Actor, run_id: str) -> tuple[str, str]:
    """Ids of the job's previous and next run at the same source; empty if there is none."""
    actor.require("read:runs")
    run = session.get(Run, run_id)
    if run is None or run.tenant_id != actor.tenant_id:
        return "", ""
    order, position = (col(Run.sort_at), col(Run.id)), (run.sort_at, run.id)
    query = select(Run.id).where(*_of_job(actor, run.job_id), Run.source_id == run.source_id)
    later = query.where(tuple_(*order) > position).order_by(*order)
    earlier = query.where(tuple_(*order) < position).order_by(*[column.desc() for column in order])
    return session.exec(earlier.limit(1)).first() or "", session.exec(later.limit(1)).first() or ""


def runs_since(session: Session, actor: Actor, job_id: str, since: datetime, most: int) -> list[PastRun]:
    """The job's runs since ``since``, oldest first; only the newest ``most``."""
    actor.require("read:runs")
    columns = sa.select(col(Run.id), col(Run.status), col(Run.flags), col(Run.slot), col(Run.sort_at))
    query = columns.where(*_of_job(actor, job_id), col(Run.sort_at) >= since).order_by(col(Run.sort_at).desc())
    rows = session.execute(query.limit(most)).all()
    return [PastRun(run_id, status, tuple(flags), slot, at) for run_id, status, flags, slot, at in reversed(rows)]


def status_counts(
    session: Session, actor: Actor, job_id: str, bounds: Sequence[datetime], most: int = READ
) -> list[StatusCount]:
    """The job's runs counted by status in the spans between ``bounds`` (ascending).

    Fast for 100,000 runs: all runs are counted in the index, and only unsuccessful ones are read, up to ``most`` rows.
    Older ones above that limit are counted as ``other``.
    """
    actor.require("read:runs")
    spans = list(pairwise(bounds))
    totals = _totals(session, actor, job_id, spans)
    unsuccessful: dict[tuple[int, str], list[str]] = {}
    columns = sa.select(col(Run.id), col(Run.status), col(Run.sort_at)).order_by(col(Run.sort_at).desc(), col(Run.id))
    within = col(Run.sort_at) >= bounds[0], col(Run.sort_at) < bounds[-1], col(Run.status) != "success"
    rows = session.execute(columns.where(*_of_job(actor, job_id), *within).limit(most)).all()
    for run_id, status, at in rows:
        unsuccessful.setdefault((bisect_right(bounds, at) - 1, status), []).append(run_id)
    counts = [StatusCount(bounds[span], status, len(ids), ids[0]) for (span, status), ids in unsuccessful.items()]
    return sorted(counts + _remaining(bounds, totals, counts, len(rows) == most), key=lambda count: count.at)


def _totals(session: Session, actor: Actor, job_id: str, spans: Sequence[tuple[datetime, datetime]]) -> list[int]:
    """The number of runs in each span, in one query that only reads the index."""
    at = col(Run.sort_at)
    counts = [
        sa.select(literal(span), func.count()).where(*_of_job(actor, job_id), at >= begin, at < end)
        for span, (begin, end) in enumerate(spans)
    ]
    totals = {span: count for span, count in session.execute(union_all(*counts))}  # noqa: C416 -- dict() cannot be typed over rows
    return [totals[span] for span in range(len(spans))]


def _remaining(
    bounds: Sequence[datetime], totals: Sequence[int], counts: Sequence[StatusCount], cut: bool
) -> list[StatusCount]:
    """The runs that were not read: successes, or ``other`` in spans older than the oldest row read."""
    counted = Counter[datetime]()
    for count in counts:
        counted[count.at] += count.count
    oldest = min(counted, default=bounds[0]) if cut else bounds[0]
    remaining = [(at, total - counted[at]) for at, total in zip(bounds, totals, strict=False)]
    return [StatusCount(at, "other" if cut and at <= oldest else "success", count) for at, count in remaining if count]


def last_lines(session: Session, actor: Actor, run_ids: Sequence[str]) -> dict[str, str]:
    """The last ``LINE`` characters of the last output line of each run; omits runs without output."""
    actor.require("read:runs")
    head, tail = (
        func.substr(col(text), func.length(col(text)) - LINE * 2) for text in (RunOutput.head, RunOutput.tail)
    )
    query = sa.select(col(RunOutput.run_id), head, tail).join(Run, col(Run.id) == col(RunOutput.run_id))
    rows = session.execute(query.where(col(Run.tenant_id) == actor.tenant_id, col(RunOutput.run_id).in_(run_ids)))
    return {run_id: line for run_id, head, tail in rows if (line := _last_line(tail or head))}


def _last_line(text: str) -> str:
    lines = text.rstrip().splitlines()
    return lines[-1].strip()[-LINE:] if lines else ""


def _of_job(actor: Actor, job_id: str) -> tuple[Any, ...]:
    """The first columns of the index ``ix_run_job_sort``."""
    return col(Run.tenant_id) == actor.tenant_id, col(Run.job_id) == job_id
