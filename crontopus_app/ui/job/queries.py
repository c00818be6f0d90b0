"""What the Job page asks of several services at once. Each is given a database session and runs off the event loop."""

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

SPARSE = 4000  # runs of thirty days that are read one by one; of more the database counts


def happened(
    db: Any, actor: Actor, namespace: str, name: str, job_id: str, zone: str, now: datetime
) -> history_strip.HistoryStrip:
    """The strip: slots where there are few, days where there are many."""
    due = calendar.due_slots(db, actor, namespace, name, now)
    bounds = history_strip.days(now, zone)
    found = [] if due.dense else stats.runs_since(db, actor, job_id, bounds[0], SPARSE)
    if not due.dense and len({run.slot or run.at for run in found}) <= history_strip.MOST:
        cells = history_strip.by_slot([at for at in due.slots if at >= bounds[0]], found, zone, now)
        share = history_strip.success(Counter(run.status for run in found))
        return history_strip.HistoryStrip(
            tuple(cells), history_strip.columns(due.expected, len(cells)), "one cell a slot", share
        )
    counted = stats.status_counts(db, actor, job_id, bounds)
    count: Counter[str] = Counter()
    for tally in counted:
        count[tally.status] += tally.count
    cells = history_strip.by_day(counted, bounds, zone, rows.runs_of(namespace, name))
    return history_strip.HistoryStrip(
        tuple(cells), history_strip.DAYS, "one cell a day, the worst of its runs", history_strip.success(count)
    )


def newest(db: Any, actor: Actor, job_id: str) -> tuple[list[wire.Run], dict[str, str]]:
    """The last runs, newest first, and the last line of each that is in the table."""
    found = stats.newest(db, actor, job_id, durations.SHOWN)
    return found, stats.last_lines(db, actor, [run.id for run in found[: rows.SHOWN]])


def ahead(db: Any, actor: Actor, job: wire.JobSummary, now: datetime) -> rows.Ahead:
    """What comes, and who starts with it."""
    clocks = endpoints.clocks_of(db, actor, job.id)
    zone = zone_of(job.timezone, (clock.zone for clock in clocks))
    hosts = {Host("", clock) for clock in clocks}
    told = forecast(ScheduledJob(job.id, tuple(job.schedule)), zone, hosts, now)
    crowd = calendar.same_start(db, actor, job.namespace, job.name, now)
    return rows.ahead(job, _next_runs(db, actor, job, told, now), zone, crowd)


def _next_runs(db: Any, actor: Actor, job: wire.JobSummary, told: Forecast, now: datetime) -> Forecast:
    """The next runs over all its hosts, each by its own zone and minute; told in UTC where their zones differ.

    None of what is not on.
    """
    if not (job.valid and job.enabled and not job.paused):
        why = "its file is not valid" if not job.valid else "it is paused" if job.paused else "it is not enabled"
        return replace(told, next_runs=(), zone=f"none, {why}")
    runs = jobs.next_runs(db, actor, job.namespace, job.name, NEXT, now)
    zone = told.zone if told.next_runs else "UTC"
    return replace(told, zone=zone, next_runs=tuple(slot(at, zone) for at in runs)) if runs else told


def history(actor: Actor, namespace: str, name: str, sha: str) -> rows.Body:
    """Its commits, and what the one that is open changed."""
    entries = job_history.history(actor, namespace, name, forge())
    opened = job_history.history_entry(actor, namespace, name, sha, forge()) if sha else None
    lines = code.difference(opened.diff) if opened else []
    commits = [rows.commit(one, namespace, name, opened.commit.sha if opened else "") for one in entries]
    return rows.Body("history", tuple(lines), tuple(commits))


def restoring(actor: Actor, namespace: str, name: str, sha: str) -> rows.Restoring:
    """What restoring a version would change in the file and on the hosts. Raises NotFound."""
    data, now = job_history.version(actor, namespace, name, sha, forge()).content, clock.now()
    with reading() as db:
        present = jobs.get(db, actor, namespace, name, now)
        lines = code.between(present.yaml, data.decode("utf-8", "replace"))
        if not lines:
            return rows.Restoring(sha, text="It is the content that the file has now: nothing would change.")
        return rows.Restoring(sha, tuple(lines), rows.planned(plans.plan(db, actor, data, namespace, now)))
