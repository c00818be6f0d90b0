"""Data of the Overview page."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, func, select, union_all

from contract import wire, wire_alerts
from crontopus_app.alerts import board
from crontopus_app.base.actor import Actor
from crontopus_app.hosts import endpoints
from crontopus_app.jobs import changes
from crontopus_app.models import Endpoint, Monitor, Run, RunOutput, Tenant
from crontopus_app.monitoring import runs
from crontopus_app.monitoring.instances import instance
from crontopus_app.monitoring.state import OVERDUE
from crontopus_app.queries import jobs
from crontopus_app.queries.attention import Attention, attention

SHOWN = 8
# Number of runs searched for the start of a failure.
SEARCHED = 200
TAIL = 600
BAD = frozenset({"failed", "timeout", "lost", "missed"})
TROUBLED = ("failing", "missed", *sorted(OVERDUE))
# A line that was edited by hand is still watched.
MONITORED = frozenset({"managed", "drift"})
CRON_LINES = MONITORED | {"foreign"}


@dataclass(frozen=True)
class FailingInstance:
    """A failing instance: ``times`` failures in a row since ``since``, and its ``last_good`` run.

    ``more`` means that the failure began before the searched runs; ``last_line`` is the last output line;
    ``incident`` is the open incident of it.
    """

    what: wire.InstanceStatus
    exit_code: int | None
    times: int
    more: bool
    since: datetime | None
    last_good: datetime | None
    last_line: str
    incident: wire_alerts.Incident | None = None


@dataclass(frozen=True)
class Overview:
    """Counts (jobs by state as in the job list, endpoints, cron lines and the hosts that reported them), and lists.

    ``incidents`` are the open ones that are not about a failing instance.
    """

    endpoints: int
    endpoints_in_sync: int
    endpoints_silent: int
    cron_lines: int
    cron_lines_monitored: int
    cron_hosts: int
    states: dict[str, int]
    running: int
    last: list[wire.Run]
    failing: list[FailingInstance]
    failing_more: int
    attention: Attention
    incidents: list[wire_alerts.Incident]
    changes: list[wire.ChangeStatus]


@dataclass(frozen=True)
class Totals:
    """The number of jobs, including invalid files, and of active endpoints."""

    jobs: int
    endpoints: int
    incidents: int


def totals(session: Session, actor: Actor) -> Totals:
    """The counts in the console's navigation."""
    active = (Endpoint.tenant_id == actor.tenant_id, Endpoint.status == "active")
    hosts = session.exec(select(func.count()).select_from(Endpoint).where(*active)).one()
    return Totals(jobs.count(session, actor), hosts, board.count_open(session, actor.tenant_id))


def overview(session: Session, actor: Actor, now: datetime) -> Overview:
    actor.require("read:runs")
    tenant = session.get(Tenant, actor.tenant_id)
    head = tenant.head if tenant else ""
    active = (Endpoint.tenant_id == actor.tenant_id, Endpoint.status == "active")
    hosts = session.exec(select(Endpoint).where(*active)).all()
    host_states = Counter(endpoints.state_of(host, head, now) for host in hosts)
    standings = Counter(line.get("standing") for host in hosts for line in host.crontab)
    wanting = attention(session, actor, hosts, now)
    opened = dict(wanting.incidents)
    troubles, subjects = _failing_instances(session, actor, {host.id: host.name for host in hosts}, opened)
    return Overview(
        endpoints=len(hosts),
        endpoints_in_sync=host_states["in sync"],
        endpoints_silent=host_states["silent"],
        cron_lines=sum(standings[each] for each in CRON_LINES),
        cron_lines_monitored=sum(standings[each] for each in MONITORED),
        cron_hosts=sum(bool(host.crontab) for host in hosts),
        states=jobs.counts_by_state(session, actor),
        running=_running(session, actor),
        last=_newest(session, actor),
        failing=troubles,
        failing_more=len(subjects) - len(troubles),
        attention=wanting,
        incidents=[incident for subject, incident in opened.items() if subject not in subjects],
        changes=changes.recent(session, actor, SHOWN),
    )


def _running(session: Session, actor: Actor) -> int:
    running = (Run.tenant_id == actor.tenant_id, Run.status == "running")
    return session.exec(select(func.count()).select_from(Run).where(*running)).one()


def _newest(session: Session, actor: Actor) -> list[wire.Run]:
    newest = (col(Run.sort_at).desc(), col(Run.id).desc())
    query = select(Run).where(Run.tenant_id == actor.tenant_id).order_by(*newest).limit(SHOWN)
    return [runs.shape(row) for row in session.exec(query)]


def _failing_instances(
    session: Session, actor: Actor, names: dict[str, str], incidents: Mapping[str, wire_alerts.Incident]
) -> tuple[list[FailingInstance], set[str]]:
    """The newest instances that fail, miss slots or take too long, and the subjects of all of them."""
    failing = (Monitor.tenant_id == actor.tenant_id, col(Monitor.state).in_(TROUBLED))
    query = select(Monitor).where(*failing).order_by(col(Monitor.last_run_at).desc(), col(Monitor.id)).limit(SHOWN)
    monitors = session.exec(query).all()
    subjects = {f"monitor:{monitor_id}" for monitor_id in session.exec(select(Monitor.id).where(*failing))}
    past = _recent_runs(session, actor.tenant_id, monitors)
    lines = _last_lines(session, [monitor.last_run_id for monitor in monitors if monitor.last_run_id])
    instances = [
        _failing_instance(
            monitor,
            names.get(monitor.source_id),
            past[monitor.job_id, monitor.source_id],
            lines.get(monitor.last_run_id or ""),
            incidents.get(f"monitor:{monitor.id}"),
        )
        for monitor in monitors
    ]
    return instances, subjects


def _failing_instance(
    monitor: Monitor, name: str | None, past: list[Any], line: str | None, incident: wire_alerts.Incident | None
) -> FailingInstance:
    failures = next((index for index, run in enumerate(past) if run.status == "success"), len(past))
    streak = [run for run in past[:failures] if run.status in BAD]
    return FailingInstance(
        what=instance(monitor, name or (past[0].endpoint_name if past else "")),
        exit_code=streak[0].exit_code if streak else None,
        times=len(streak),
        more=failures == SEARCHED,
        since=streak[-1].sort_at if streak else monitor.last_run_at,
        last_good=past[failures].sort_at if failures < len(past) else None,
        last_line=line or "",
        incident=incident,
    )


def _recent_runs(session: Session, tenant_id: str, monitors: Sequence[Monitor]) -> dict[tuple[str, str], list[Any]]:
    """The newest runs of each instance, newest first, with the needed columns."""
    by_instance: dict[tuple[str, str], list[Any]] = defaultdict(list)
    if not monitors:
        return by_instance
    columns = (Run.job_id, Run.source_id, Run.endpoint_name, Run.status, Run.exit_code, Run.sort_at)
    parts = []
    for monitor in monitors:
        of_instance = (Run.tenant_id == tenant_id, Run.job_id == monitor.job_id, Run.source_id == monitor.source_id)
        query = select(*columns).where(*of_instance).order_by(col(Run.sort_at).desc(), col(Run.id).desc())  # pyright: ignore[reportCallIssue, reportArgumentType] -- six columns
        parts.append(select(query.limit(SEARCHED).subquery()))
    for row in session.execute(union_all(*parts)):  # pyright: ignore[reportDeprecated] -- exec takes no union
        by_instance[row.job_id, row.source_id].append(row)
    return by_instance


def _last_lines(session: Session, run_ids: Sequence[str]) -> dict[str, str]:
    """The last output line of each run, from the end of the stored output."""
    parts = [func.substr(part, func.length(part) - TAIL + 1) for part in (RunOutput.head, RunOutput.tail)]
    query = select(RunOutput.run_id, *parts).where(col(RunOutput.run_id).in_(run_ids))
    last_lines = {}
    for run_id, head, tail in session.exec(query):
        lines = [line for line in (tail or head).splitlines() if line.strip()]
        last_lines[run_id] = lines[-1] if lines else ""
    return last_lines
