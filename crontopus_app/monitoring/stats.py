"""What the runs of one job amount to: for its strip, its chart, its success. Bounded answers from indexed queries."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import literal, tuple_, union_all
from sqlalchemy import select as columns
from sqlmodel import Session, col, func, select

from contract import wire
from crontopus_app.base.actor import Actor
from crontopus_app.models import Run, RunOutput
from crontopus_app.monitoring.runs import shape

READ = 5000
# SQLite joins at most 500 queries into one.
PARTS = 400
LINE = 160


@dataclass(frozen=True)
class Bar:
    """A run as a sparkline needs it; ``duration_s`` is None while it runs."""

    status: str
    duration_s: float | None


@dataclass(frozen=True)
class Happened:
    """A run as a strip needs it; ``at`` is its start, else its receipt."""

    run_id: str
    status: str
    flags: tuple[str, ...]
    slot: datetime | None
    at: datetime


@dataclass(frozen=True)
class Tally:
    """How many runs ended one way in the span that began at ``at``; ``run_id`` is their newest, if not a success."""

    at: datetime
    status: str
    count: int
    run_id: str = ""


def newest(session: Session, actor: Actor, job_id: str, count: int) -> list[wire.Run]:
    """The job's last ``count`` runs, newest first."""
    actor.require("read:runs")
    order = (col(Run.sort_at).desc(), col(Run.id).desc())
    rows = session.exec(select(Run).where(*_of(actor, job_id)).order_by(*order).limit(count))
    return [shape(row) for row in rows]


def last_of_jobs(session: Session, actor: Actor, job_ids: Sequence[str], count: int) -> dict[str, list[Bar]]:
    """The newest ``count`` runs of each job, oldest first, as a strip draws them; of at most 400 jobs.

    Each job is a query of its own on the index, in one statement: ranking them together would read all history.
    """
    actor.require("read:runs")
    newest = (col(Run.sort_at).desc(), col(Run.id).desc())
    parts = []
    for job_id in job_ids[:PARTS]:
        wanted = columns(col(Run.job_id), col(Run.status), col(Run.duration_s), col(Run.sort_at), col(Run.id))
        # The box around it is for SQLite, which takes no order inside a union.
        parts.append(columns(wanted.where(*_of(actor, job_id)).order_by(*newest).limit(count).subquery()))
    rows = session.execute(union_all(*parts)).all() if parts else []
    found: dict[str, list[Bar]] = defaultdict(list)
    for job_id, status, seconds, _, _ in sorted(rows, key=lambda row: row[3:]):
        found[job_id].append(Bar(status, seconds))
    return dict(found)


def around(session: Session, actor: Actor, run_id: str, each: int) -> list[wire.Run]:
    """The run with up to ``each`` before and after it of its source, newest first; nothing where it is not there."""
    actor.require("read:runs")
    run = session.get(Run, run_id)
    if run is None or run.tenant_id != actor.tenant_id:
        return []
    place, here = (col(Run.sort_at), col(Run.id)), (run.sort_at, run.id)
    query = select(Run).where(Run.tenant_id == actor.tenant_id, Run.source_id == run.source_id)
    later = session.exec(query.where(tuple_(*place) > here).order_by(*place).limit(each)).all()
    newest_first = [one.desc() for one in place]
    earlier = session.exec(query.where(tuple_(*place) < here).order_by(*newest_first).limit(each)).all()
    return [shape(row) for row in (*reversed(later), run, *earlier)]


def happened(session: Session, actor: Actor, job_id: str, since: datetime, most: int) -> list[Happened]:
    """Its runs since then, oldest first; of more than ``most`` the newest."""
    actor.require("read:runs")
    wanted = columns(col(Run.id), col(Run.status), col(Run.flags), col(Run.slot), col(Run.sort_at))
    query = wanted.where(*_of(actor, job_id), col(Run.sort_at) >= since).order_by(col(Run.sort_at).desc())
    rows = session.execute(query.limit(most)).all()
    return [Happened(run_id, status, tuple(flags), slot, at) for run_id, status, flags, slot, at in reversed(rows)]


def tallies(session: Session, actor: Actor, job_id: str, bounds: Sequence[datetime]) -> list[Tally]:
    """The same counted in the spans between ``bounds`` (ascending), by span.

    Made for 100,000 runs: all are counted in the index alone, and only what did not succeed is read, up to ``READ``
    rows; of more than that the newest are told as what they are and the others as ``other``.
    """
    actor.require("read:runs")
    spans = list(pairwise(bounds))
    totals = _totals(session, actor, job_id, spans)
    bad: dict[tuple[int, str], list[str]] = {}
    wanted = columns(col(Run.id), col(Run.status), col(Run.sort_at)).order_by(col(Run.sort_at).desc(), col(Run.id))
    within = col(Run.sort_at) >= bounds[0], col(Run.sort_at) < bounds[-1], col(Run.status) != "success"
    rows = session.execute(wanted.where(*_of(actor, job_id), *within).limit(READ)).all()
    for run_id, status, at in rows:
        bad.setdefault((bisect_right(bounds, at) - 1, status), []).append(run_id)
    found = [Tally(bounds[span], status, len(ids), ids[0]) for (span, status), ids in bad.items()]
    return sorted(found + _rest(bounds, totals, found, len(rows) == READ), key=lambda tally: tally.at)


def _totals(session: Session, actor: Actor, job_id: str, spans: Sequence[tuple[datetime, datetime]]) -> list[int]:
    """How many runs each span has, in one query that reads nothing but the index."""
    at = col(Run.sort_at)
    counts = [
        columns(literal(place), func.count()).where(*_of(actor, job_id), at >= begin, at < end)
        for place, (begin, end) in enumerate(spans)
    ]
    found = {place: count for place, count in session.execute(union_all(*counts))}  # noqa: C416 -- dict() cannot be typed over rows
    return [found[place] for place in range(len(spans))]


def _rest(bounds: Sequence[datetime], totals: Sequence[int], found: Sequence[Tally], cut: bool) -> list[Tally]:
    """What is left of each span's total: successes, or in spans older than what was read, nobody knows what."""
    told = Counter[datetime]()
    for tally in found:
        told[tally.at] += tally.count
    oldest = min(told, default=bounds[0]) if cut else bounds[0]
    rest = [(at, total - told[at]) for at, total in zip(bounds, totals, strict=False)]
    return [Tally(at, "other" if cut and at <= oldest else "success", count) for at, count in rest if count]


def last_lines(session: Session, actor: Actor, run_ids: Sequence[str]) -> dict[str, str]:
    """The last line that each of these runs printed, cut to ``LINE`` characters; none for what printed nothing."""
    actor.require("read:runs")
    head, tail = (
        func.substr(col(text), func.length(col(text)) - LINE * 2) for text in (RunOutput.head, RunOutput.tail)
    )
    query = columns(col(RunOutput.run_id), head, tail).join(Run, col(Run.id) == col(RunOutput.run_id))
    rows = session.execute(query.where(col(Run.tenant_id) == actor.tenant_id, col(RunOutput.run_id).in_(run_ids)))
    return {run_id: line for run_id, head, tail in rows if (line := _last_line(tail or head))}


def _last_line(text: str) -> str:
    lines = text.rstrip().splitlines()
    return lines[-1].strip()[-LINE:] if lines else ""


def _of(actor: Actor, job_id: str) -> tuple[Any, ...]:
    """As the index ``ix_run_job_sort`` begins."""
    return col(Run.tenant_id) == actor.tenant_id, col(Run.job_id) == job_id
