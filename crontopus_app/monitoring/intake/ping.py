"""Turns pings into check-ins: finds the job of a ping URL, and the run that a ping belongs to."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from contract import wire
from crontopus_app.base import security
from crontopus_app.base.db import reading
from crontopus_app.base.postgres import patience
from crontopus_app.models import Monitor, PingKey, Run
from crontopus_app.monitoring.intake.ping_url import AMBIGUOUS, NOT_FOUND, Ping, Refusal, is_of_rid, run_of
from crontopus_app.monitoring.intake.senders import PATIENCE_S, Caller

# A time that is further ahead is a mistake.
AHEAD = timedelta(minutes=5)
# Running runs among which a ping without a rid looks for its start.
SEARCHED = 20


@dataclass(frozen=True)
class Report:
    """A ping as a check-in of its caller. Without a ``checkin``, it is accepted and changes nothing."""

    caller: Caller
    checkin: wire.Checkin | None


def understood(ping: Ping, output: wire.CheckinOutput | None, now: datetime) -> Report | Refusal:
    """The check-in of a ping received at ``now``."""
    if ping.at is not None and ping.at > now + AHEAD:
        return Refusal(400, "invalid ts: it is in the future")
    with patience(PATIENCE_S), reading() as session:
        key_hmac = security.token_hmac(ping.key) if ping.key else ""
        monitors = _of_slug(session, key_hmac, ping.slug) if key_hmac else _of_id(session, ping.ping_id)
        if not monitors:
            return NOT_FOUND
        if len(monitors) > 1:
            return AMBIGUOUS
        (monitor,) = monitors
        caller = Caller(monitor.source_id, monitor.tenant_id, key_hmac, monitor.ping_id or "")
        return Report(caller, _checkin(session, monitor, ping, output, ping.at or now))


def _of_id(session: Session, ping_id: str) -> Sequence[Monitor]:
    return session.exec(select(Monitor).where(Monitor.ping_id == ping_id, Monitor.state != "retired")).all()


def _of_slug(session: Session, key_hmac: str, slug: str) -> Sequence[Monitor]:
    """The monitors of the jobs of this name, in any namespace of the key's tenant."""
    valid = PingKey.token_hmac == key_hmac, col(PingKey.revoked_at).is_(None)
    pinged = col(Monitor.ping_id).is_not(None), Monitor.job_name == slug, Monitor.state != "retired"
    query = select(Monitor).join(PingKey, col(PingKey.tenant_id) == Monitor.tenant_id).where(*valid, *pinged)
    return session.exec(query.limit(2)).all()


def _checkin(
    session: Session, monitor: Monitor, ping: Ping, output: wire.CheckinOutput | None, at: datetime
) -> wire.Checkin | None:
    if ping.kind == "start" and monitor.state == "paused":
        return None
    run = _run(session, monitor, ping)
    if run is None and ping.kind == "log" and not ping.rid:
        return None
    checkin = wire.Checkin(
        id=str(uuid.uuid4()),
        job_id=monitor.job_id,
        run_id=run.id if run else run_of(ping, monitor.ping_id or ""),
        kind=ping.kind,
        at=at,
        exit_code=ping.exit_code,
        output=output,
    )
    if run is None or run.started_at is None or ping.kind not in ("success", "fail"):
        return checkin
    return replace(checkin, duration_s=max(0.0, (at - run.started_at).total_seconds()))


def _run(session: Session, monitor: Monitor, ping: Ping) -> Run | None:
    """The run that the ping goes on with; None if it begins one."""
    if ping.rid:
        return session.get(Run, run_of(ping, monitor.ping_id or ""))
    if ping.kind == "start":
        return None
    running = [run for run in _newest(session, monitor, "running") if not is_of_rid(run.id)]
    if running or ping.kind != "log":
        return running[0] if running else None
    return session.get(Run, monitor.last_run_id) if monitor.last_run_id else None


def _newest(session: Session, monitor: Monitor, status: str) -> list[Run]:
    mine = Run.tenant_id == monitor.tenant_id, Run.job_id == monitor.job_id, Run.source_id == monitor.source_id
    query = select(Run).where(*mine, Run.status == status).order_by(col(Run.sort_at).desc()).limit(SEARCHED)
    return list(session.exec(query))
