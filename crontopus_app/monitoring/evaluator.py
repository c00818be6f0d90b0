"""Finds what did not happen: records missed slots and lost runs when their deadlines pass.

``Monitor.next_deadline`` says when to look at a monitor, so the cost follows what is due, not what exists. One process
leads (a lease), and others stand by. Everything is decided and written in the transaction that has locked the
monitors, so a check-in is handled either before it or after it.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache, reduce
from typing import Any

from sqlalchemy import Select, and_, bindparam, or_, update
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, func, select

from crontopus_app.base.bulk import insert_missing, update_rows
from crontopus_app.base.db import after_commit, reading, writing
from crontopus_app.base.leases import HeldLease, lead
from crontopus_app.base.live import Event, publish
from crontopus_app.models import CheckIn, Endpoint, Lease, Monitor, Run
from crontopus_app.monitoring import deadlines, installed
from crontopus_app.monitoring.counts import counted
from crontopus_app.monitoring.deadlines import RECHECK, Loss, RunningRun, Settlement, StartedRun
from crontopus_app.monitoring.installed import InstalledLine
from crontopus_app.monitoring.maintenance import Maintained
from crontopus_app.monitoring.state import RESTING, MonitorState, RunChanged, RunsExamined, after, worst
from crontopus_app.monitoring.why import why
from crontopus_app.monitoring.why_facts import Facts, HostFacts, SlotRun

log = logging.getLogger(__name__)

LEASE = "evaluator"
# A dead leader is replaced after the lease's length and one look of a process that stands by: within 15 seconds.
LEASE_LENGTH, RENEW_S = timedelta(seconds=12), 4.0
PAUSE_S = 0.5
# Monitors that are evaluated in one transaction. SQLite allows expressions of 1,000 terms.
BATCH = 200
# Deadlines that are evaluated later than this are a problem that users see.
MOST_LAG = timedelta(seconds=30)
# A host without contact for so long is silent.
SILENT_AFTER = timedelta(minutes=3)
# Clocks of server processes may differ by so much: until then, a silent host is still looked at.
CLOCKS_DIFFER = timedelta(minutes=1)
# Check-ins that could not be sent from a host for so long no longer hold up its deadlines.
SPOOL_PATIENCE = timedelta(hours=1)
# A monitor that could not be evaluated because of a fault in it is tried again after this time.
FAULT_PAUSE = timedelta(minutes=5)
MISSED = SlotRun("missed")


def run(stop: threading.Event, now: Callable[[], datetime]) -> None:
    """Leads or stands by until ``stop`` is set. Errors are logged, and the work goes on."""

    def work(held: HeldLease) -> None:
        log.info("This process evaluates the deadlines")
        _lead(held, stop, now)

    lead(LEASE, LEASE_LENGTH, stop, now, work, "Deadlines are not evaluated")


def _lead(held: HeldLease, stop: threading.Event, now: Callable[[], datetime]) -> None:
    renewed = time.monotonic()
    while not stop.is_set():
        if time.monotonic() - renewed >= RENEW_S:
            held.renew()
            renewed = time.monotonic()
        if not evaluate(now()):
            stop.wait(PAUSE_S)


def lag(session: Session, now: datetime) -> timedelta:
    """How late the oldest deadline is that nobody has looked at yet; zero if none is."""
    oldest = session.exec(select(func.min(Monitor.next_deadline))).one()
    return timedelta(0) if oldest is None else max(timedelta(0), now - oldest)


def is_led(session: Session, now: datetime) -> bool:
    """Whether a process evaluates the deadlines."""
    held = session.get(Lease, LEASE)
    return held is not None and held.until > now


def leads_here(session: Session) -> bool:
    """Whether this process evaluates the deadlines."""
    held = session.get(Lease, LEASE)
    return held is not None and held.owner.startswith(f"{socket.gethostname()}/{os.getpid()}/")


def problem(now: datetime) -> str:
    """What is wrong with the evaluation of deadlines, in words; empty if nothing is."""
    with reading() as session:
        if not is_led(session, now):
            return "Nobody checks for missed runs: no evaluator is running. The operator can start one."
        late = lag(session, now)
    return f"Missed runs are noticed {late.total_seconds():.0f} s late." if late > MOST_LAG else ""


def wake_monitors(session: Session, endpoint_id: str, now: datetime) -> None:
    """Lets the host's monitors be evaluated at once, because more is known about the host.

    Locks all of them first, in the order of ids as check-ins do: an evaluation that has them locked did not know yet.
    """
    mine = Monitor.endpoint_id == endpoint_id, col(Monitor.state).not_in(RESTING)
    ids = session.exec(select(Monitor.id).where(*mine).order_by(Monitor.id).with_for_update()).all()
    session.execute(update(Monitor).where(col(Monitor.id).in_(ids)).values(next_deadline=now))


def heard_until(host: Endpoint | None, now: datetime) -> datetime | None:
    """When the host last confirmed that all its check-ins have been sent; now for a source without a host."""
    if host is None:
        return now
    if host.spool and host.spooled_since is not None and host.spooled_since < now - SPOOL_PATIENCE:
        return host.last_seen_at
    return host.drained_at


def evaluate(now: datetime) -> int:
    """Evaluates the monitors whose deadline has passed, at most BATCH of them. Returns how many it looked at."""
    with reading() as session:
        if session.exec(select(Monitor.id).where(col(Monitor.next_deadline) <= now).limit(1)).first() is None:
            return 0
    with writing() as session:
        batch = _Batch(session, now)
        batch.evaluate()
        return len(batch.monitors)


@dataclass
class _Batch:
    """The monitors of one transaction, and what is known about them."""

    session: Session
    now: datetime
    monitors: Sequence[Monitor] = ()
    hosts: dict[str, Endpoint] = field(default_factory=dict)
    facts: dict[str, HostFacts] = field(default_factory=dict)
    missed: list[dict[str, Any]] = field(default_factory=list)
    lost: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    flagged: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    changed: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def evaluate(self) -> None:
        due = col(Monitor.next_deadline) <= self.now
        query = select(Monitor).where(due).order_by(col(Monitor.next_deadline)).limit(BATCH)
        self.monitors = self.session.exec(query.with_for_update(skip_locked=True)).all()
        if not self.monitors:
            return
        self._read()
        for monitor in self.monitors:
            self._evaluate(monitor)
        self._write()

    def _read(self) -> None:
        sources = {monitor.source_id for monitor in self.monitors}
        self.hosts = {
            host.id: host for host in self.session.exec(select(Endpoint).where(col(Endpoint.id).in_(sources)))
        }
        self.maintained = Maintained(self.session, self.monitors)
        self.started_for = _started_for(self.session, self.monitors, self.now)
        self.running = _running(self.session, self.monitors)
        self.boots = _boots(self.session, [run.id for runs in self.running.values() for run in runs])
        self.alive = _alive(self.session, [run_id for monitor in self.monitors for run_id in self._over_time(monitor)])

    def _over_time(self, monitor: Monitor) -> Iterator[str]:
        """The running runs whose longest possible time is over."""
        limit = _duration(monitor.run_limit_s)
        for run in self.running.get((monitor.job_id, monitor.source_id), ()):
            if limit is not None and (run.started_at or run.sort_at) + limit <= self.now:
                yield run.id

    def _evaluate(self, monitor: Monitor) -> None:
        try:
            values = {"next_deadline": None} if monitor.state in RESTING else self._settle(monitor)
        except Exception:
            log.exception("The deadlines of monitor %s cannot be evaluated", monitor.id)
            values = {"next_deadline": self.now + FAULT_PAUSE}
        self.changed.append((monitor.id, values))

    def _settle(self, monitor: Monitor) -> dict[str, Any]:
        host = self.hosts.get(monitor.source_id)
        heard, lines = heard_until(host, self.now), installed.load(monitor.lines)
        settlement = deadlines.settle(
            lines,
            _duration(monitor.grace_s),
            monitor.settled_until,
            {run.slot for run in self.started_for[monitor.job_id, monitor.source_id]},
            heard,
            self.now,
            in_contact=host is None or not is_silent(host, self.now),
        )
        missed = tuple(slot for slot in settlement.missed if not self.maintained.covers(monitor, host, slot.at))
        settlement = replace(settlement, missed=missed)
        losses = [
            (run, self._loss(monitor, lines, run, host, heard))
            for run in self.running[monitor.job_id, monitor.source_id]
        ]
        self._flag_starts(monitor, settlement)
        lost = [(run, loss) for run, loss in losses if loss.why]
        state = self._after(monitor, lines, settlement, lost)
        state = after(state, RunsExamined(_most_overdue(loss for _, loss in losses)))
        news = settlement.missed or lost or state.state != monitor.state
        again = [settlement.next_deadline, *(loss.look_again for _, loss in losses)]
        if settlement.held and host is not None and not is_silent(host, self.now - CLOCKS_DIFFER):
            again.append(self.now + RECHECK)
        return {
            **vars(state),
            "counts": reduce(counted, ["missed"] * len(settlement.missed) + ["lost"] * len(lost), monitor.counts),
            "settled_until": settlement.settled_until,
            "next_deadline": min((each for each in again if each is not None), default=None),
            "alert_at": self.now if news else monitor.alert_at,
        }

    def _flag_starts(self, monitor: Monitor, settlement: Settlement) -> None:
        """Notes the flags of runs that started late, or as a further run of their slot."""
        for slot, named in settlement.ran:
            started = self.started_for[monitor.job_id, monitor.source_id]
            flags = deadlines.start_flags(slot, [run for run in started if run.slot in named])
            self.flagged += [(run_id, {"flags": sorted(given)}) for run_id, given in flags.items()]

    def _loss(
        self,
        monitor: Monitor,
        lines: Sequence[InstalledLine],
        run: Run,
        host: Endpoint | None,
        heard: datetime | None,
    ) -> Loss:
        running = RunningRun(run.started_at or run.sort_at, self.boots.get(run.id, ""), self.alive.get(run.id))
        # After a restart, the finish may still wait on the host, unless it said in its last contact that nothing does.
        boot_id = host.boot_id if host is not None and heard == host.last_seen_at else ""
        found = deadlines.loss(running, _duration(monitor.run_limit_s), boot_id, heard, self.now)
        finish_by = deadlines.finish_deadline(lines, monitor.finish_by, run.slot)
        found = deadlines.late(found, finish_by, heard, self.now)
        if found.look_again and host is not None and is_silent(host, self.now):
            return Loss(look_again=found.look_again if found.look_again > self.now + RECHECK else None)
        return found

    def _after(
        self,
        monitor: Monitor,
        lines: Sequence[InstalledLine],
        settlement: Settlement,
        losses: Iterable[tuple[Run, Loss]],
    ) -> MonitorState:
        """The monitor's state after missed slots and lost runs, which are noted to be written."""
        state = MonitorState(**{name: getattr(monitor, name) for name in vars(MonitorState())})
        for slot in settlement.missed:
            row = self._missed_run(monitor, lines, slot.at)
            self.missed.append(row)
            state = after(state, RunChanged(row["id"], "missed", slot.at))
        for run, loss in losses:
            self.lost.append((run.id, {"status": "lost", "error": loss.why, "received_at": self.now}))
            state = after(state, RunChanged(run.id, "lost", run.sort_at))
        return state

    def _missed_run(self, monitor: Monitor, lines: Sequence[InstalledLine], slot: datetime) -> dict[str, Any]:
        host = self.hosts.get(monitor.source_id)
        facts = Facts(slot, self.now, self._host_facts(host), MISSED, lines, job_id=monitor.job_id)
        return {
            "id": deadlines.missed_run_id(monitor.id, slot),
            "tenant_id": monitor.tenant_id,
            "job_id": monitor.job_id,
            "job_name": monitor.job_name,
            "namespace": monitor.namespace,
            "source_id": monitor.source_id,
            "endpoint_id": monitor.endpoint_id,
            "endpoint_name": host.name if host else "",
            "status": "missed",
            "flags": [],
            "slot": slot,
            "received_at": self.now,
            "sort_at": slot,
            "attempt": 1,
            "commit": monitor.applied_commit,
            "error": why(facts).sentence,
        }

    def _host_facts(self, host: Endpoint | None) -> HostFacts | None:
        if host is None:
            return None
        if host.id not in self.facts:
            self.facts[host.id] = host_facts(host, self.now)
        return self.facts[host.id]

    def _write(self) -> None:
        insert_missing(self.session, Run.metadata.tables["run"], self.missed)
        for rows in (self.lost, self.flagged):
            update_rows(self.session, Run.metadata.tables["run"], sorted(rows, key=lambda row: row[0]))
        update_rows(self.session, Monitor.metadata.tables["monitor"], self.changed)
        runs: dict[str, list[str]] = defaultdict(list)
        for row in self.missed:
            runs[row["tenant_id"]].append(row["id"])
        tenants = {run.id: run.tenant_id for each in self.running.values() for run in each}
        for run_id, _ in self.lost:
            runs[tenants[run_id]].append(run_id)
        events = [Event(tenant, "run", ids[0] if len(ids) == 1 else "") for tenant, ids in runs.items()]
        if events:
            after_commit(self.session, publish, *events)


def host_facts(host: Endpoint, now: datetime) -> HostFacts:
    """What a host's contacts tell of missed slots."""
    return HostFacts(
        name=host.name,
        last_seen_at=host.last_seen_at,
        silent_from=host.silent_from,
        silent_until=host.silent_until,
        restarted=host.restarted,
        is_silent=is_silent(host, now),
        spool=host.spool,
        revoked=host.status != "active",
        drift=host.drift,
    )


def is_silent(host: Endpoint, now: datetime) -> bool:
    return host.last_seen_at is None or host.last_seen_at < now - SILENT_AFTER


def _most_overdue(losses: Iterable[Loss]) -> str:
    return worst({loss.overdue for loss in losses if loss.overdue} or {""})


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _started_for(
    session: Session, monitors: Sequence[Monitor], now: datetime
) -> dict[tuple[str, str], list[StartedRun]]:
    """The runs of each monitor that name slots, from the first that is not settled."""
    found: dict[tuple[str, str], list[StartedRun]] = defaultdict(list)
    oldest, values = now - deadlines.REMEMBERED, {}
    for number, monitor in enumerate(monitors):
        after_slot = max(monitor.settled_until or oldest, oldest) - deadlines.EARLY
        values |= {
            f"job_{number}": monitor.job_id,
            f"source_{number}": monitor.source_id,
            f"after_{number}": after_slot,
        }
    rows = session.execute(_started_query(len(monitors)), values)
    for job_id, source_id, status, run_id, slot, started_at, flags in rows:
        run = StartedRun(run_id, slot, started_at, frozenset(flags), status == "skipped")
        found[job_id, source_id].append(run)
    return found


@lru_cache(maxsize=BATCH)
def _started_query(count: int) -> Select[Any, Any, Any, Any, Any, Any, Any]:
    """The query for so many monitors: to build it takes longer than to run it."""
    of_each = [
        and_(
            col(Run.job_id) == bindparam(f"job_{number}"),
            col(Run.source_id) == bindparam(f"source_{number}"),
            col(Run.slot) > bindparam(f"after_{number}"),
        )
        for number in range(count)
    ]
    named = col(Run.job_id), col(Run.source_id), col(Run.status), col(Run.id), col(Run.slot)
    return sql_select(*named, col(Run.started_at), col(Run.flags)).where(or_(*of_each), col(Run.status) != "missed")


def _running(session: Session, monitors: Sequence[Monitor]) -> dict[tuple[str, str], list[Run]]:
    found: dict[tuple[str, str], list[Run]] = defaultdict(list)
    query = select(Run).where(
        col(Run.tenant_id).in_({monitor.tenant_id for monitor in monitors}),
        Run.status == "running",
        col(Run.job_id).in_({monitor.job_id for monitor in monitors}),
        col(Run.source_id).in_({monitor.source_id for monitor in monitors}),
    )
    for run in session.exec(query):
        found[run.job_id, run.source_id].append(run)
    return found


def _alive(session: Session, run_ids: Sequence[str]) -> dict[str, datetime]:
    """When the last heartbeat or output of each of these runs was received."""
    if not run_ids:
        return {}
    signs = col(CheckIn.run_id).in_(run_ids), col(CheckIn.kind).in_(("heartbeat", "log"))
    query = select(CheckIn.run_id, func.max(CheckIn.received_at)).where(*signs).group_by(CheckIn.run_id)
    return dict(session.exec(query).all())


def _boots(session: Session, run_ids: Sequence[str]) -> dict[str, str]:
    """The boot ids of the hosts when these runs last reported."""
    if not run_ids:
        return {}
    query = select(CheckIn.run_id, CheckIn.boot_id).where(col(CheckIn.run_id).in_(run_ids), CheckIn.boot_id != "")
    return dict(session.exec(query.order_by(col(CheckIn.received_at))).all())
