"""REST: runs, their output, and aggregates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse

from contract import wire
from crontopus_app.api.deps import CurrentActor, Now
from crontopus_app.base.db import reading
from crontopus_app.monitoring import runs

router = APIRouter(tags=["runs"])


def _filter(
    job: str | None = None,
    namespace: str | None = None,
    endpoint: str | None = None,
    status: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> runs.Filter:
    """The request's filter. Times without a zone are UTC."""
    return runs.Filter(job, namespace, endpoint, status, _aware(since), _aware(until))


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


@router.get("/runs")
def list_runs(
    actor: CurrentActor,
    query_filter: Annotated[runs.Filter, Depends(_filter)],
    page: int = 1,
    page_size: int = 50,
    cursor: str | None = None,
) -> wire.RunList:
    with reading() as session:
        return runs.list_page(session, actor, query_filter, page=page, page_size=page_size, cursor=cursor)


@router.get("/runs/by-job")
def by_job(actor: CurrentActor, now: Now, days: int = 30) -> list[wire.RunAggregate]:
    with reading() as session:
        return runs.by_job(session, actor, now, min(max(days, 1), 366))


@router.get("/runs/by-endpoint")
def by_endpoint(actor: CurrentActor, now: Now, days: int = 30) -> list[wire.RunAggregate]:
    with reading() as session:
        return runs.by_endpoint(session, actor, now, min(max(days, 1), 366))


@router.get("/runs/{run_id}")
def get_run(run_id: str, actor: CurrentActor) -> wire.RunDetail:
    with reading() as session:
        return runs.get(session, actor, run_id)


@router.get("/runs/{run_id}/output", response_class=PlainTextResponse)
def output(run_id: str, actor: CurrentActor) -> PlainTextResponse:
    """The run's output as text. A line in the middle says how many bytes were dropped."""
    with reading() as session:
        stored = runs.get(session, actor, run_id).output
    gap = f"\n… {stored.lost_bytes} bytes left out …\n" if stored.lost_bytes else ""
    return PlainTextResponse(f"{stored.head}{gap}{stored.tail}")
