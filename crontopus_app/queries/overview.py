"""What the first page says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, func, select, union_all

from contract import wire
from crontopus_app.base.actor import Actor
from crontopus_app.hosts import endpoints
from crontopus_app.jobs import changes
from crontopus_app.models import Endpoint, Monitor, Run, RunOutput, Tenant
from crontopus_app.monitoring import runs
from crontopus_app.monitoring.instances import instance
from crontopus_app.queries import jobs

SHOWN = 8
# So many runs of a failing instance are looked at for when it began to fail.
LOOKED_AT = 200
TAIL = 600
BAD = frozenset({"failed", "timeout", "lost", "missed"})
MONITORED = frozenset({"managed"})
CRON_LINES = MONITORED | {"foreign"}


@dataclass(frozen=True)
class Trouble:
    """An instance that fails: its last run, since when (its first bad run in a row), when it last ran well.

    ``more`` says that it has failed for longer than was looked at; ``last_line`` is the last that its run printed.
    """

    what: wire.InstanceStatus
    exit_code: int | None
    times: int
    more: bool
    since: datetime | None
    last_good: datetime | None
    last_line: str


@dataclass(frozen=True)
class Overview:
    """Counts of instances by state, endpoints, cron lines, what fails, the newest runs, the last changes."""

    endpoints: int
    endpoints_in_sync: int
    endpoints_silent: int
    cron_lines: int
    cron_lines_monitored: int
    states: dict[str, int]
    running: int
    last: list[wire.Run]
    failing: list[Trouble]
    failing_more: int
    changes: list[wire.ChangeStatus]


@dataclass(frozen=True)
class Totals:
    """How many jobs the repository has, invalid files too, and how many endpoints are not revoked."""

    jobs: int
    endpoints: int


def totals(session: Session, actor: Actor) -> Totals:
    """What stands beside the names of the pages."""
    mine = (Endpoint.tenant_id == actor.tenant_id, Endpoint.status == "active")
    hosts = session.exec(select(func.count()).select_from(Endpoint).where(*mine)).one()
    return Totals(jobs.count(session, actor), hosts)


def overview(session: Session, actor: Actor, now: datetime) -> Overview:
    actor.require("read:runs")
    tenant = session.get(Tenant, actor.tenant_id)
    head = tenant.head if tenant else ""
    mine = (Endpoint.tenant_id == actor.tenant_id, Endpoint.status == "active")
    hosts = session.exec(select(Endpoint).where(*mine)).all()
    host_states = Counter(endpoints.state_of(host, head, now) for host in hosts)
    standings = Counter(line.get("standing") for host in hosts for line in host.crontab)
    troubles, more = _troubles(session, actor, {host.id: host.name for host in hosts})
    return Overview(
        endpoints=len(hosts),
        endpoints_in_sync=host_states["in sync"],
        endpoints_silent=host_states["silent"],
        cron_lines=sum(standings[each] for each in CRON_LINES),
        cron_lines_monitored=sum(standings[each] for each in MONITORED),
        states=_states(session, actor),
        running=_running(session, actor),
        last=_newest(session, actor),
        failing=troubles,
        failing_more=more,
        changes=changes.recent(session, actor, SHOWN),
    )


def _states(session: Session, actor: Actor) -> dict[str, int]:
    mine = (Monitor.tenant_id == actor.tenant_id, Monitor.state != "retired")
    return dict(session.exec(select(Monitor.state, func.count()).where(*mine).group_by(Monitor.state)).all())


def _running(session: Session, actor: Actor) -> int:
    mine = (Run.tenant_id == actor.tenant_id, Run.status == "running")
    return session.exec(select(func.count()).select_from(Run).where(*mine)).one()


def _newest(session: Session, actor: Actor) -> list[wire.Run]:
    newest = (col(Run.sort_at).desc(), col(Run.id).desc())
    query = select(Run).where(Run.tenant_id == actor.tenant_id).order_by(*newest).limit(SHOWN)
    return [runs.shape(row) for row in session.exec(query)]


def _troubles(session: Session, actor: Actor, names: dict[str, str]) -> tuple[list[Trouble], int]:
    """The failing instances, the newest failures first, and how many more there are."""
    mine = (Monitor.tenant_id == actor.tenant_id, Monitor.state == "failing")
    query = select(Monitor).where(*mine).order_by(col(Monitor.last_run_at).desc(), col(Monitor.id)).limit(SHOWN)
    monitors = session.exec(query).all()
    total = session.exec(select(func.count()).select_from(Monitor).where(*mine)).one()
    past = _past(session, actor.tenant_id, monitors)
    lines = _last_lines(session, [one.last_run_id for one in monitors if one.last_run_id])
    made = [
        _trouble(one, names.get(one.source_id), past[one.job_id, one.source_id], lines.get(one.last_run_id or ""))
        for one in monitors
    ]
    return made, total - len(made)


def _trouble(monitor: Monitor, name: str | None, past: list[Any], line: str | None) -> Trouble:
    bad = next((place for place, run in enumerate(past) if run.status == "success"), len(past))
    streak = [run for run in past[:bad] if run.status in BAD]
    return Trouble(
        what=instance(monitor, name or (past[0].endpoint_name if past else "")),
        exit_code=streak[0].exit_code if streak else None,
        times=len(streak),
        more=bad == LOOKED_AT,
        since=streak[-1].sort_at if streak else monitor.last_run_at,
        last_good=past[bad].sort_at if bad < len(past) else None,
        last_line=line or "",
    )


def _past(session: Session, tenant_id: str, monitors: Sequence[Monitor]) -> dict[tuple[str, str], list[Any]]:
    """The newest runs of each instance, newest first, few columns of each."""
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    if not monitors:
        return found
    what = (Run.job_id, Run.source_id, Run.endpoint_name, Run.status, Run.exit_code, Run.sort_at)
    parts = []
    for one in monitors:
        mine = (Run.tenant_id == tenant_id, Run.job_id == one.job_id, Run.source_id == one.source_id)
        query = select(*what).where(*mine).order_by(col(Run.sort_at).desc(), col(Run.id).desc())  # pyright: ignore[reportCallIssue, reportArgumentType] -- six columns
        parts.append(select(query.limit(LOOKED_AT).subquery()))
    for row in session.execute(union_all(*parts)):  # pyright: ignore[reportDeprecated] -- exec takes no union
        found[row.job_id, row.source_id].append(row)
    return found


def _last_lines(session: Session, run_ids: Sequence[str]) -> dict[str, str]:
    """The last line that each run printed, read from the end of what is kept."""
    parts = [func.substr(part, func.length(part) - TAIL + 1) for part in (RunOutput.head, RunOutput.tail)]
    query = select(RunOutput.run_id, *parts).where(col(RunOutput.run_id).in_(run_ids))
    found = {}
    for run_id, head, tail in session.exec(query):
        lines = [line for line in (tail or head).splitlines() if line.strip()]
        found[run_id] = lines[-1] if lines else ""
    return found
