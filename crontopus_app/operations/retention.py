"""Removes what is older than it is to be kept, in small transactions with rests, so that check-ins do not wait.

Runs are counted in ``RunDay`` in the transaction that removes them. Work that is interrupted goes on at the next time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import case, delete, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import CrontopusError
from crontopus_app.base.leases import HeldLease, LeaseLost, lease
from crontopus_app.base.settings import settings
from crontopus_app.jobs import policies
from crontopus_app.models import (
    CheckIn,
    Delivery,
    Incident,
    IncidentEvent,
    Mail,
    Monitor,
    OutputsRemoved,
    Report,
    Run,
    RunDay,
    RunOutput,
    Tenant,
)

log = logging.getLogger(__name__)

EVERY_S = 3600.0
BATCH = 200
# Messages about runs are needed while a host may repeat them and while somebody may ask why a job did not run.
CHECKINS, MESSAGES = timedelta(days=60), timedelta(days=90)
STATUSES = ("success", "failed", "timeout", "lost", "skipped")
SUMMED = ("success", "failed", "timeout", "lost", "missed", "skipped")

# Removes a batch in a transaction; whether there may be more.
Step = Callable[[Session], bool]


def run(stop: threading.Event, now: Callable[[], datetime]) -> None:
    """Removes what is old each hour, until ``stop`` is set. Errors are logged."""
    while not stop.is_set():
        try:
            with lease("retention", now) as held:
                if held is not None:
                    remove(now(), partial(_rest, held, stop))
        except LeaseLost as error:
            log.warning("%s", error)
        except CrontopusError as error:
            log.warning("Old runs are not removed: %s", error)
        except Exception:
            log.exception("Old runs are not removed")
        stop.wait(EVERY_S)


def _rest(held: HeldLease, stop: threading.Event, seconds: float) -> bool:
    """Rests as long as the work took. Returns whether to stop."""
    held.renew()
    return stop.wait(seconds)


def remove(now: datetime, rest: Callable[[float], bool]) -> None:
    """Removes all that is too old at ``now``. ``rest(seconds)`` is called between batches; True ends the work."""
    for step in _steps(now):
        more = True
        while more:
            began = time.monotonic()
            with writing() as session:
                more = step(session)
            if rest(time.monotonic() - began):
                return


def _steps(now: datetime) -> Iterator[Step]:
    with reading() as session:
        tenants = session.exec(select(Tenant.id).where(col(Tenant.deleted_at).is_(None)).order_by(Tenant.id)).all()
    for tenant_id in tenants:
        yield from _of_tenant(tenant_id, now)
    yield partial(_remove_checkins, before=now - CHECKINS)
    yield partial(_remove_messages, before=now - MESSAGES)


def _of_tenant(tenant_id: str, now: datetime) -> Iterator[Step]:
    with reading() as session:
        kept, default = policies.of_tenant(session, tenant_id).retention, settings()
    good, bad = kept.success_output or default.keep_success_output, kept.failure_output or default.keep_failure_output
    for status in STATUSES:
        before = now - (good if status == "success" else bad)
        yield partial(_remove_outputs, tenant_id=tenant_id, status=status, before=before)
    before = now - (kept.runs or default.keep_runs)
    yield partial(_remove_runs, tenant_id=tenant_id, before=before)
    yield partial(_remove_incidents, tenant_id=tenant_id, before=before)


def _remove_outputs(session: Session, tenant_id: str, status: str, before: datetime) -> bool:
    """Goes on where it ended the last time, so that runs without output are not read again and again."""
    old = [Run.tenant_id == tenant_id, Run.status == status, col(Run.sort_at) <= before]
    done = session.get(OutputsRemoved, (tenant_id, status))
    if done is not None:
        old.append(col(Run.sort_at) > done.until)
    last = select(Run.sort_at).where(*old).order_by(col(Run.sort_at)).offset(BATCH - 1).limit(1)
    until = session.exec(last).first()
    batch = select(Run.id).where(*old, col(Run.sort_at) <= (until or before))
    session.execute(delete(RunOutput).where(col(RunOutput.run_id).in_(batch)))
    session.merge(OutputsRemoved(tenant_id=tenant_id, status=status, until=until or before))
    return until is not None


def _remove_runs(session: Session, tenant_id: str, before: datetime) -> bool:
    """Leaves runs that still run, and those that a monitor's state tells of."""
    told = [select(column).where(Monitor.tenant_id == tenant_id, column.is_not(None)) for column in _NAMED]
    query = select(Run).where(
        Run.tenant_id == tenant_id,
        col(Run.sort_at) < before,
        Run.status != "running",
        *(col(Run.id).not_in(each) for each in told),
    )
    runs = session.exec(query.order_by(col(Run.sort_at)).limit(BATCH)).all()
    ids = [run.id for run in runs]
    _count(session, runs)
    session.execute(delete(CheckIn).where(col(CheckIn.run_id).in_(ids), col(CheckIn.tenant_id) == tenant_id))
    session.execute(delete(RunOutput).where(col(RunOutput.run_id).in_(ids)))
    session.execute(delete(Run).where(col(Run.id).in_(ids)))
    return len(ids) == BATCH


_NAMED = (col(Monitor.last_run_id), col(Monitor.health_run_id))


def _count(session: Session, runs: Sequence[Run]) -> None:
    """Adds the runs to the counts of their days."""
    days: dict[tuple[str, str, date], list[Run]] = defaultdict(list)
    for each in runs:
        days[each.job_id, each.source_id, each.sort_at.astimezone(UTC).date()].append(each)
    if not days:
        return
    table = RunDay.metadata.tables["run_day"]
    dialect = session.connection().dialect.name
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    sums: dict[str, Any] = {name: table.c[name] + insert.excluded[name] for name in (*SUMMED, "duration_s")}
    longer = insert.excluded.longest_s > table.c.longest_s
    sums["longest_s"] = case((longer, insert.excluded.longest_s), else_=table.c.longest_s)
    statement = insert.on_conflict_do_update(index_elements=["tenant_id", "job_id", "source_id", "day"], set_=sums)
    session.connection().execute(statement, [_day(day, some) for (_, _, day), some in days.items()])


def _day(day: date, runs: Sequence[Run]) -> dict[str, Any]:
    newest = runs[-1]
    names = ("tenant_id", "job_id", "source_id", "job_name", "namespace")
    durations = [run.duration_s or 0.0 for run in runs]
    return {
        **{name: getattr(newest, name) for name in names},
        **{name: sum(run.status == name for run in runs) for name in SUMMED},
        "day": day,
        "duration_s": sum(durations),
        "longest_s": max(durations),
    }


def _remove_incidents(session: Session, tenant_id: str, before: datetime) -> bool:
    query = select(Incident.id).where(Incident.tenant_id == tenant_id, col(Incident.closed_at) < before)
    ids = session.exec(query.limit(BATCH)).all()
    session.execute(delete(IncidentEvent).where(col(IncidentEvent.incident_id).in_(ids)))
    session.execute(delete(Incident).where(col(Incident.id).in_(ids)))
    return len(ids) == BATCH


def _remove_checkins(session: Session, before: datetime) -> bool:
    key = CheckIn.id, CheckIn.source_id
    found = session.exec(select(*key).where(col(CheckIn.received_at) < before).limit(BATCH)).all()
    session.execute(delete(CheckIn).where(tuple_(*map(col, key)).in_([tuple(each) for each in found])))
    return len(found) == BATCH


def _remove_messages(session: Session, before: datetime) -> bool:
    over = col(Delivery.created_at) < before, Delivery.state != "waiting"
    deliveries = session.exec(select(Delivery.id).where(*over).limit(BATCH)).all()
    mails = session.exec(select(Mail.id).where(col(Mail.at) < before).limit(BATCH)).all()
    reports = session.exec(select(Report.id).where(col(Report.created_at) < before).limit(BATCH)).all()
    session.execute(delete(Report).where(col(Report.id).in_(reports)))
    session.execute(delete(Delivery).where(col(Delivery.id).in_(deliveries)))
    session.execute(delete(Mail).where(col(Mail.id).in_(mails)))
    return BATCH in (len(deliveries), len(mails), len(reports))
