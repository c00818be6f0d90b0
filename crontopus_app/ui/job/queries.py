"""Queries of the Job page that combine several services. They run in a thread, most with a database session."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any

from contract import wire
from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading
from crontopus_app.forge.configured import forge
from crontopus_app.hosts import endpoints
from crontopus_app.jobs import history as job_history
from crontopus_app.monitoring import stats
from crontopus_app.monitoring.slots import Host, ScheduledJob
from crontopus_app.queries import calendar, jobs, plans
from crontopus_app.ui.job import history_strip, rows
from crontopus_app.ui.kit import code, durations
from crontopus_app.ui.kit.forecast import NEXT, Forecast, forecast, slot, zone_of

SPARSE = 4000  # up to this many runs of thirty days are read one by one; more are counted by the database


def happened(
    db: Any, actor: Actor, namespace: str, name: str, job_id: str, zone: str, now: datetime
) -> history_strip.HistoryStrip:
    """The history strip: by slot if there are few, else by day."""
    due = calendar.due_slots(db, actor, namespace, name, now)
    bounds = history_strip.days(now, zone)
    runs = [] if due.dense else stats.runs_since(db, actor, job_id, bounds[0], SPARSE)
    if not due.dense and len({run.slot or run.at for run in runs}) <= history_strip.MOST:
        cells = history_strip.by_slot([at for at in due.slots if at >= bounds[0]], runs, zone, now)
        share = history_strip.success(Counter(run.status for run in runs))
        return history_strip.HistoryStrip(
            tuple(cells), history_strip.columns(due.expected, len(cells)), "each square is one scheduled run", share
        )
    counted = stats.status_counts(db, actor, job_id, bounds)
    count: Counter[str] = Counter()
    for tally in counted:
        count[tally.status] += tally.count
    cells = history_strip.by_day(counted, bounds, zone, rows.runs_of(namespace, name))
    return history_strip.HistoryStrip(
        tuple(cells), history_strip.DAYS, "each square is one day (worst run)", history_strip.success(count)
    )


def newest(db: Any, actor: Actor, job_id: str) -> tuple[list[wire.Run], dict[str, str]]:
    """The last runs, newest first, and the last output line of each run in the table."""
    runs = stats.newest(db, actor, job_id, durations.SHOWN)
    return runs, stats.last_lines(db, actor, [run.id for run in runs[: rows.SHOWN]])


def ahead(db: Any, actor: Actor, job: wire.JobSummary, now: datetime) -> rows.Ahead:
    """The job's forecast, and other jobs that start at the same time."""
    clocks = endpoints.clocks_of(db, actor, job.id)
    zone = zone_of(job.timezone, (clock.zone for clock in clocks))
    hosts = {Host("", clock) for clock in clocks}
    by_schedule = forecast(ScheduledJob(job.id, tuple(job.schedule)), zone, hosts, now)
    crowd = calendar.same_start(db, actor, job.namespace, job.name, now)
    return rows.ahead(job, _next_runs(db, actor, job, by_schedule, now), zone, crowd)


def _next_runs(db: Any, actor: Actor, job: wire.JobSummary, by_schedule: Forecast, now: datetime) -> Forecast:
    """The next runs over all hosts, each by its own zone and minute; in UTC if the hosts' zones differ."""
    if not (job.valid and job.enabled and not job.paused):
        why = "Invalid manifest" if not job.valid else "Paused" if job.paused else "Disabled"
        return replace(by_schedule, next_runs=(), reason=f"{why} – no runs planned.")
    runs = jobs.next_runs(db, actor, job.namespace, job.name, NEXT, now)
    zone = by_schedule.zone if by_schedule.next_runs else "UTC"
    return replace(by_schedule, zone=zone, next_runs=tuple(slot(at, zone) for at in runs)) if runs else by_schedule


def history(actor: Actor, namespace: str, name: str, sha: str) -> rows.Body:
    """The job's commits, and the diff of the commit ``sha``, if given."""
    entries = job_history.history(actor, namespace, name, forge())
    opened = job_history.history_entry(actor, namespace, name, sha, forge()) if sha else None
    lines = code.difference(opened.diff) if opened else []
    commits = [rows.commit(one, namespace, name, opened.commit.sha if opened else "") for one in entries]
    return rows.Body("history", tuple(lines), tuple(commits))


def restoring(actor: Actor, namespace: str, name: str, sha: str) -> rows.Restoring:
    """The effect of restoring a version on the file and the hosts. Raises NotFound."""
    data, now = job_history.version(actor, namespace, name, sha, forge()).content, clock.now()
    with reading() as db:
        current = jobs.get(db, actor, namespace, name, now)
        lines = code.between(current.yaml, data.decode("utf-8", "replace"))
        if not lines:
            return rows.Restoring(sha, text="Nothing would change: the file has this content now.")
        return rows.Restoring(sha, tuple(lines), rows.planned(plans.plan(db, actor, data, namespace, now)))
