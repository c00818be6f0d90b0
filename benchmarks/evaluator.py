"""The evaluator with many monitors: all overdue at once, none due, and some due while check-ins arrive.

python benchmarks/evaluator.py [sqlite] [postgres] [MONITORS]; the default is postgres, 100,000. Evaluator, database,
server and load generator share this machine's cores. Each monitor has a run of the day before.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from _load import Sender
from _postgres import database_cpu, postgres
from _product import index_jobs, percentile, running, wait, worked
from sqlalchemy import insert, update
from sqlmodel import Session, SQLModel, col, func, select

from crontopus_app.alerts import monitors, notify
from crontopus_app.base import clock, security
from crontopus_app.base.bulk import update_rows
from crontopus_app.base.db import engine, reading, writing
from crontopus_app.base.migrate import to_head
from crontopus_app.base.settings import settings
from crontopus_app.models import Endpoint, Monitor, Run, Tenant
from crontopus_app.monitoring import evaluator, installed
from crontopus_app.monitoring.deadlines import missed_run_id
from crontopus_app.monitoring.installed import InstalledLine

MONITORS, HOSTS, TENANT = 100_000, 1000, "overdue"
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
# The deadline of a daily slot is an hour after it.
LEAST_AGE, AGES = 70, 60
IDLE_S = 10.0
# Monitors that become due one after the other, from some seconds after the start.
DETECTED, BEFORE_S, SPREAD_S, PATIENCE_S, POLL_S = 600, 5.0, 15.0, 30.0, 0.05
OFFERED, JOBS, ENDPOINTS = 1000, 1000, 200
TARGET_SETTLED_S, TARGET_IDLE, TARGET_DETECTED_S = 60.0, 0.01, 2.0


def main() -> None:
    asked = sys.argv[1:]
    count = next((int(word) for word in asked if word.isdigit()), MONITORS)
    print(f"{'':<62}{'figure':>10}{'goal':>10}")
    kinds = [word for word in asked if not word.isdigit()] or ["postgres"]
    missed = [miss for kind in kinds for miss in _Bench(kind, count).run()]
    if missed:
        raise SystemExit("misses its target: " + "; ".join(missed))


@dataclass
class _Bench:
    """All measurements on one kind of database."""

    kind: str
    monitors: int
    url: str = ""
    missed: list[str] = field(default_factory=list)

    def run(self) -> list[str]:
        """Prints a line for each figure. Returns those that miss their goal."""
        with ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cb-")))
            self.url = stack.enter_context(postgres()) if self.kind == "postgres" else f"sqlite:///{home}/bench.db"
            with _redis(home, self.url):
                self._settling()
                self._incidents()
                self._idle()
            self._detection()
            engine().dispose()
        return self.missed

    def _settling(self) -> None:
        """Evaluates until nothing is due. Checks that each monitor has its missed run."""
        to_head(settings().database_url)
        _fill(self.monitors, clock.now())
        begun = time.perf_counter()
        while evaluator.evaluate(clock.now()):
            pass
        self._figure(f"{self.monitors} overdue monitors settled, s", time.perf_counter() - begun, TARGET_SETTLED_S)
        if (found := _count_missed()) != self.monitors:
            self.missed.append(f"{self.kind}: {found} missed runs were recorded, not {self.monitors}")

    def _incidents(self) -> None:
        """Opens an incident for each missed run, and decides whom to tell."""
        begun = time.perf_counter()
        while monitors.compare_due(clock.now()) + notify.notify_due(clock.now()):
            pass
        self._figure(f"{self.monitors} incidents opened, s", time.perf_counter() - begun)

    def _idle(self) -> None:
        """Measures a process that has nothing to do but to look."""
        with _process() as own:
            worked_before, database_before = worked([own]), database_cpu(self._database())
            time.sleep(IDLE_S)
            share = (worked([own]) - worked_before) / IDLE_S
            database = (database_cpu(self._database()) - database_before) / IDLE_S
        self._figure("CPU of the idle evaluator, %", 100 * share, 100 * TARGET_IDLE)
        self._figure("CPU of the idle database, %", 100 * database)

    def _database(self) -> str:
        return self.url if self.kind == "postgres" else ""

    def _detection(self) -> None:
        """Lets the product's evaluator find missed slots while check-ins arrive."""
        with running({"CRONTOPUS_DATABASE_URL": self.url}) as product, ThreadPoolExecutor(1) as pool:
            sender = Sender(product.url, *index_jobs(product, JOBS, ENDPOINTS))
            wait(_is_led, "the evaluator")
            due = _become_due(clock.now())
            watched = pool.submit(_watch, due)
            load = sender.offered(OFFERED, BEFORE_S + SPREAD_S)
            latencies = watched.result()
            engine().dispose()
        self._figure(f"deadline to visible at {load.rate:.0f} check-ins/s, p50, s", percentile(latencies, 0.5))
        self._figure("deadline to visible, p99, s", percentile(latencies, 0.99), TARGET_DETECTED_S)
        self._figure(f"check-ins, p99 of {load.answers}, ms", load.p99_ms)

    def _figure(self, what: str, figure: float, goal: float | None = None) -> None:
        wanted = "" if goal is None else f"{goal:.1f}"
        print(f"{self.kind}: {what}".ljust(62) + f"{figure:>10.2f}{wanted:>10}", flush=True)
        if goal is not None and figure > goal:
            self.missed.append(f"{self.kind}: {what}: {figure:.2f}, not {goal:g}")


@contextmanager
def _redis(home: Path, url: str) -> Iterator[None]:
    """Runs the embedded Redis, and lets this process and its children use it and the database."""
    os.environ.update({"CRONTOPUS_HOME": str(home), "CRONTOPUS_DATABASE_URL": url})
    settings.cache_clear()
    engine.cache_clear()
    with _child("crontopus_app.programs.embedded_redis"):
        wait((home / "redis.sock").exists, "Redis")
        yield
        engine().dispose()


@contextmanager
def _process() -> Iterator[Path]:
    """The entry in /proc of a leading evaluator that has started up."""
    with _child("crontopus_app.programs.server", "evaluator") as pid:
        wait(_is_led, "the evaluator")
        time.sleep(1)
        yield Path(f"/proc/{pid}")


@contextmanager
def _child(module: str, *arguments: str) -> Iterator[int]:
    """The process id of a module that runs during the block."""
    argv = [sys.executable, "-m", module, *arguments]
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield child.pid
    finally:
        child.terminate()
        child.wait(timeout=30)


def _is_led() -> bool:
    with reading() as session:
        return evaluator.is_led(session, clock.now())


def _count_missed() -> int:
    with reading() as session:
        return session.exec(select(func.count()).where(col(Run.status) == "missed")).one()


def _fill(monitors: int, now: datetime) -> None:
    """Inserts hosts in contact, their monitors, each overdue by one slot, and each monitor's last run."""
    with writing() as session:
        # The workers leave a tenant alone whose repository could not be made.
        session.add(Tenant(id=TENANT, repository="", provisioning="failed", webhook_secret="", created_at=now))
    hosts = [_host(number, now) for number in range(HOSTS)]
    _insert(Endpoint, hosts)
    rows = [_monitor(number, hosts[number % HOSTS], now) for number in range(monitors)]
    _insert(Monitor, rows)
    _insert(Run, [_last_run(row) for row in rows])
    with writing() as session:
        session.connection().exec_driver_sql("ANALYZE")


def _insert(model: type[SQLModel], rows: Sequence[dict[str, Any]]) -> None:
    with writing() as session:
        session.connection().execute(insert(model), rows)


def _host(number: int, now: datetime) -> dict[str, Any]:
    name = f"overdue-{number}"
    host = Endpoint(
        tenant_id=TENANT,
        machine_id=name,
        name=name,
        hostname=name,
        token_hmac=security.token_hmac(name),
        created_at=now,
        last_seen_at=now,
        drained_at=now,
    )
    return host.model_dump()


def _monitor(number: int, host: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A monitor whose last slot had its deadline some minutes ago, and the slot before it a run."""
    slot = _minute(now) - (LEAST_AGE + number % AGES) * MINUTE
    monitor = Monitor(
        tenant_id=TENANT,
        job_id=str(uuid.uuid4()),
        source_id=host["id"],
        endpoint_id=host["id"],
        job_name=f"job-{number}",
        namespace="production",
        state="ok",
        health="ok",
        last_run_id=str(uuid.uuid4()),
        last_run_status="success",
        last_run_at=slot - DAY,
        lines=_daily(slot),
        settled_until=slot - DAY,
        next_deadline=slot + timedelta(hours=1),
        updated_at=now,
    )
    return monitor.model_dump()


def _last_run(monitor: Mapping[str, Any]) -> dict[str, Any]:
    slot = monitor["last_run_at"]
    run = Run(
        id=monitor["last_run_id"],
        **{name: monitor[name] for name in ("tenant_id", "job_id", "job_name", "namespace", "source_id")},
        endpoint_id=monitor["endpoint_id"],
        endpoint_name="overdue",
        status="success",
        slot=slot,
        started_at=slot,
        finished_at=slot,
        received_at=slot,
        sort_at=slot,
    )
    return run.model_dump()


def _daily(slot: datetime) -> list[dict[str, Any]]:
    """The column of a monitor with a line that has this slot and one at the same time of each day."""
    schedule = (f"{slot.minute} {slot.hour} * * *",)
    return installed.dump([InstalledLine(slot - 2 * DAY, None, schedule, "UTC", "debian")])


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _become_due(now: datetime) -> dict[str, datetime]:
    """Lets deadlines of some monitors pass one after the other. Returns the deadlines by the missed runs' ids."""
    slot, due = _minute(now) - MINUTE, {}
    with writing() as session:
        session.execute(update(Endpoint).values(last_seen_at=now, drained_at=now))
        ids = session.exec(select(Monitor.id).where(Monitor.tenant_id == TENANT).limit(DETECTED)).all()
        for number, monitor_id in enumerate(ids):
            deadline = now + timedelta(seconds=BEFORE_S + SPREAD_S * number / len(ids))
            due[monitor_id] = deadline
        update_rows(session, Monitor.metadata.tables["monitor"], [(each, _due(slot, at)) for each, at in due.items()])
    return {missed_run_id(monitor_id, slot): deadline for monitor_id, deadline in due.items()}


def _due(slot: datetime, deadline: datetime) -> dict[str, Any]:
    """The columns of a monitor whose slot has this deadline."""
    grace_s = (deadline - slot).total_seconds()
    return {"lines": _daily(slot), "grace_s": grace_s, "settled_until": slot - DAY, "next_deadline": deadline}


def _watch(due: Mapping[str, datetime]) -> list[float]:
    """The seconds from each deadline until a query shows the missed run; infinite if that does not happen."""
    seen: dict[str, float] = {}
    give_up = max(due.values()) + timedelta(seconds=PATIENCE_S)
    while len(seen) < len(due) and clock.now() < give_up:
        with reading() as session:
            visible = _visible(session)
        for run_id in due.keys() & visible - seen.keys():
            seen[run_id] = (clock.now() - due[run_id]).total_seconds()
        time.sleep(POLL_S)
    return [seen.get(run_id, float("inf")) for run_id in due]


def _visible(session: Session) -> set[str]:
    """The missed runs of this part: all others have older slots."""
    recent = datetime.now(UTC) - LEAST_AGE * MINUTE / 2
    missed = Run.tenant_id == TENANT, Run.status == "missed", col(Run.sort_at) > recent
    return set(session.exec(select(Run.id).where(*missed)).all())


if __name__ == "__main__":
    main()
