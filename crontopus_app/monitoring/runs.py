"""Reads runs: pages, single runs, aggregates."""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_
from sqlmodel import Session, col, func, select

from contract import wire
from crontopus_app.base import bounds
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import BadInput, NotFound
from crontopus_app.models import Endpoint, Monitor, Run, RunOutput

PAGE_SIZE = 100
COUNTED = 10_000
LAST_PAGE = 1_000_000
STATUSES = frozenset({"running", "success", "failed", "timeout", "lost", "skipped", "missed"})
ENDED = ("success", "failed", "timeout", "lost")
AGGREGATED = 50_000
HEALTHY, DEGRADED = 0.95, 0.70


@dataclass(frozen=True)
class Filter:
    """Conditions on runs. ``job`` and ``endpoint`` match a name or an id."""

    job: str | None = None
    namespace: str | None = None
    endpoint: str | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def list_page(
    session: Session,
    actor: Actor,
    query_filter: Filter,
    *,
    page: int = 1,
    page_size: int = 50,
    cursor: str | None = None,
) -> wire.RunList:
    """A page of runs, newest first. ``total`` is counted up to 10,000. Cursors are equally fast at any depth."""
    actor.require("read:runs")
    page, page_size = min(max(page, 1), LAST_PAGE), min(max(page_size, 1), PAGE_SIZE)
    conditions = _conditions(session, actor, query_filter)
    total = session.exec(
        select(func.count()).select_from(select(Run.id).where(*conditions).limit(COUNTED).subquery())
    ).one()
    query = select(Run).where(*conditions).order_by(col(Run.sort_at).desc(), col(Run.id).desc())
    query = query.where(_older_than(cursor)) if cursor else query.offset((page - 1) * page_size)
    rows = session.exec(query.limit(page_size + 1)).all()
    more = len(rows) > page_size
    rows = rows[:page_size]
    return wire.RunList(
        runs=[shape(row) for row in rows],
        total=total,
        page=page,
        page_size=page_size,
        next_cursor=_cursor(rows[-1]) if more else None,
    )


def _conditions(session: Session, actor: Actor, query_filter: Filter) -> list[Any]:
    conditions: list[Any] = [Run.tenant_id == actor.tenant_id]
    if query_filter.status:
        unknown = set(query_filter.status.split(",")) - STATUSES
        if unknown:
            raise BadInput(f"status must be one of {', '.join(sorted(STATUSES))}, not {', '.join(sorted(unknown))!r}.")
        conditions.append(col(Run.status).in_(query_filter.status.split(",")))
    if query_filter.job:
        conditions.append(_is_one_of(Run.job_id, query_filter.job, _jobs(session, actor, query_filter.job)))
    if query_filter.endpoint:
        found = _endpoints(session, actor, query_filter.endpoint)
        conditions.append(_is_one_of(Run.source_id, query_filter.endpoint, found))
    if query_filter.namespace:
        conditions.append(Run.namespace == query_filter.namespace)
    if query_filter.since:
        conditions.append(col(Run.sort_at) >= bounds.instant("since", query_filter.since))
    if query_filter.until:
        conditions.append(col(Run.sort_at) < bounds.instant("until", query_filter.until))
    return conditions


def _is_one_of(column: Any, given: str, named: Sequence[str]) -> Any:
    """The ids of what has the name, or what was given as the id. A condition on a name would find no index."""
    ids = named or [given]
    return col(column) == ids[0] if len(ids) == 1 else col(column).in_(ids)


def _jobs(session: Session, actor: Actor, name: str) -> Sequence[str]:
    mine = Monitor.tenant_id == actor.tenant_id, Monitor.job_name == name
    return session.exec(select(Monitor.job_id).where(*mine).distinct()).all()


def _endpoints(session: Session, actor: Actor, name: str) -> Sequence[str]:
    mine = Endpoint.tenant_id == actor.tenant_id, Endpoint.name == name
    return session.exec(select(Endpoint.id).where(*mine)).all()


def _cursor(run: Run) -> str:
    return base64.urlsafe_b64encode(f"{run.sort_at.isoformat()}|{run.id}".encode()).decode()


def _older_than(cursor: str) -> Any:
    try:
        moment, _, run_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None or "\0" in run_id:
            raise ValueError(moment)
        at = at.astimezone(UTC)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise BadInput("The cursor is invalid. Request the first page without a cursor.") from error
    return or_(col(Run.sort_at) < at, and_(col(Run.sort_at) == at, col(Run.id) < run_id))


def get(session: Session, actor: Actor, run_id: str) -> wire.RunDetail:
    actor.require("read:runs")
    run = session.get(Run, run_id)
    if run is None or run.tenant_id != actor.tenant_id:
        raise NotFound(f"No run {run_id}.")
    row = session.get(RunOutput, run_id)
    output = wire.Output(head=row.head, tail=row.tail, lost_bytes=row.lost_bytes) if row else wire.Output()
    return wire.RunDetail(run=shape(run), output=output, error=run.error)


def by_job(session: Session, actor: Actor, now: datetime, days: int = 30) -> list[wire.RunAggregate]:
    """Success rate and durations of each job over the last ``days``."""
    return _aggregates(session, actor, Run.job_id, Run.job_name, now - timedelta(days=days))


def by_endpoint(session: Session, actor: Actor, now: datetime, days: int = 30) -> list[wire.RunAggregate]:
    """Success rate and durations of each source: an endpoint, or a ping key."""
    return _aggregates(session, actor, Run.source_id, Run.endpoint_name, now - timedelta(days=days))


def _aggregates(session: Session, actor: Actor, key: Any, name: Any, since: datetime) -> list[wire.RunAggregate]:
    actor.require("read:runs")
    rows = session.exec(
        select(key, name, Run.status, Run.duration_s)
        .where(Run.tenant_id == actor.tenant_id, Run.sort_at >= since, col(Run.status).in_(ENDED))
        .order_by(col(Run.sort_at).desc())
        .limit(AGGREGATED)
    ).all()
    groups: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        groups[row[0]].append(row)
    return sorted(
        (_aggregate(group_id, group) for group_id, group in groups.items()), key=lambda aggregate: aggregate.name
    )


def _aggregate(group_id: str, rows: Sequence[Any]) -> wire.RunAggregate:
    succeeded = sum(1 for row in rows if row[2] == "success")
    durations = sorted(row[3] for row in rows if row[3] is not None)
    rate = succeeded / len(rows)
    return wire.RunAggregate(
        id=group_id,
        name=rows[0][1],
        total=len(rows),
        succeeded=succeeded,
        failed=len(rows) - succeeded,
        success_rate=round(rate, 4),
        p50_s=percentile(durations, 0.50),
        p95_s=percentile(durations, 0.95),
        health="healthy" if rate >= HEALTHY else "degraded" if rate >= DEGRADED else "warning",
    )


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile of sorted values; None without values."""
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 100) * len(ordered) // 100) - 1))]


def shape(run: Run) -> wire.Run:
    """The run in the API's format."""
    return wire.Run(
        id=run.id,
        job_id=run.job_id,
        job_name=run.job_name,
        namespace=run.namespace,
        endpoint_id=run.endpoint_id,
        endpoint_name=run.endpoint_name,
        status=run.status,
        flags=list(run.flags),
        slot=run.slot,
        started_at=run.started_at,
        finished_at=run.finished_at,
        received_at=run.received_at,
        duration_s=run.duration_s,
        exit_code=run.exit_code,
        signal=run.signal,
        attempt=run.attempt,
        commit=run.commit,
    )
