"""A long history: how fast pages of runs are read from millions of runs, the disk that a run takes, and the removal.

python benchmarks/history.py [sqlite] [postgres] [RUNS]; the defaults are 1,000,000 runs on SQLite and 10,000,000 on
PostgreSQL. 5,000 jobs, one run in seven failed, one in five with output. The last tenth is older than it is kept.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from _postgres import postgres
from _product import percentile
from sqlalchemy import insert
from sqlmodel import func, select

from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import engine, reading, writing
from crontopus_app.base.migrate import to_head
from crontopus_app.base.settings import settings
from crontopus_app.models import Endpoint, Monitor, Run, RunOutput, Tenant
from crontopus_app.monitoring import runs
from crontopus_app.monitoring.runs import Filter
from crontopus_app.operations import retention

RUNS = {"sqlite": 1_000_000, "postgres": 10_000_000}
TARGET_MS = {"sqlite": 100.0, "postgres": 50.0}
JOBS, HOSTS, BATCH, TENANT = 5000, 200, 10_000, "history"
KEPT = timedelta(days=400)
READS, DEEP = 200, 200
ACTOR = Actor("user", TENANT, TENANT, "", "user")


def main() -> None:
    asked = sys.argv[1:]
    count = next((int(word) for word in asked if word.isdigit()), None)
    kinds = [word for word in asked if not word.isdigit()] or list(RUNS)
    print(f"{'':<62}{'figure':>10}{'goal':>10}")
    missed = [miss for kind in kinds for miss in _Bench(kind, count or RUNS[kind]).run()]
    if missed:
        raise SystemExit("misses its target: " + "; ".join(missed))


@dataclass
class _Bench:
    """All measurements on one kind of database."""

    kind: str
    runs: int
    url: str = ""
    missed: list[str] = field(default_factory=list)

    def run(self) -> list[str]:
        """Prints a line for each figure. Returns those that miss their goal."""
        with ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cb-")))
            self.url = stack.enter_context(postgres()) if self.kind == "postgres" else f"sqlite:///{home}/bench.db"
            os.environ.update({"CRONTOPUS_HOME": str(home), "CRONTOPUS_DATABASE_URL": self.url})
            settings.cache_clear()
            engine.cache_clear()
            to_head(settings().database_url)
            self._fill(clock.now())
            self._figure("disk for a run, bytes", self._size() / self.runs)
            self._read(clock.now())
            self._remove(clock.now())
            engine().dispose()
        return self.missed

    def _fill(self, now: datetime) -> None:
        begun = time.perf_counter()
        with writing() as session:
            session.add(Tenant(id=TENANT, repository="", provisioning="failed", webhook_secret="", created_at=now))
            session.flush()
            session.connection().execute(insert(Endpoint), [_host(number, now) for number in range(HOSTS)])
            session.connection().execute(insert(Monitor), [_monitor(number, now) for number in range(JOBS)])
        apart = KEPT / (0.9 * self.runs)
        for first in range(0, self.runs, BATCH):
            rows = [_run(number, now - number * apart) for number in range(first, min(first + BATCH, self.runs))]
            outputs = [{"run_id": row["id"], "head": "x" * 400, "tail": "", "lost_bytes": 0} for row in rows[::5]]
            with writing() as session:
                session.connection().execute(insert(Run), rows)
                session.connection().execute(insert(RunOutput), outputs)
        with writing() as session:
            session.connection().exec_driver_sql("ANALYZE")
        self._figure(f"{self.runs} runs inserted, s", time.perf_counter() - begun)

    def _size(self) -> float:
        if self.kind == "sqlite":
            return Path(self.url.removeprefix("sqlite:///")).stat().st_size
        with psycopg.connect(self.url) as connection:
            (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
        return size

    def _read(self, now: datetime) -> None:
        chance = random.Random(7)  # noqa: S311 -- not a secret
        cursor = _deep_cursor()
        pages: dict[str, Callable[[], dict[str, Any]]] = {
            "of all jobs": dict,
            "of a job": lambda: {"job": f"job-{chance.randrange(JOBS)}"},
            "of a host": lambda: {"endpoint": f"host-{chance.randrange(HOSTS)}"},
            "of failures": lambda: {"status": "failed,timeout,lost"},
            "of a job's failures": lambda: {"job": f"job-{chance.randrange(JOBS)}", "status": "failed"},
            "of a day long ago": lambda: _day(now - timedelta(days=chance.randrange(30, 390))),
        }
        for name, given in pages.items():
            self._pages(name, [_timed(Filter(**given())) for _ in range(READS)])
        self._pages(f"{DEEP} pages further", [_timed(Filter(), cursor) for _ in range(READS)])

    def _pages(self, name: str, took_ms: list[float]) -> None:
        self._figure(f"page of runs {name}, p95, ms", percentile(took_ms, 0.95), TARGET_MS[self.kind])

    def _remove(self, now: datetime) -> None:
        """Removes what is too old, as fast as it can: the product rests as long as it works."""
        before, transactions, begun = _count(), list[float](), time.perf_counter()
        retention.remove(now, lambda took_s: bool(transactions.append(took_s)))
        took = time.perf_counter() - begun
        self._figure("old runs and outputs removed a second", (before - _count()) / took)
        self._figure("longest transaction of the removal, ms", 1000 * max(transactions))

    def _figure(self, what: str, figure: float, goal: float | None = None) -> None:
        wanted = "" if goal is None else f"{goal:.1f}"
        print(f"{self.kind}: {what}".ljust(62) + f"{figure:>10.2f}{wanted:>10}", flush=True)
        if goal is not None and figure > goal:
            self.missed.append(f"{self.kind}: {what}: {figure:.2f}, not {goal:g}")


def _host(number: int, now: datetime) -> dict[str, Any]:
    name = f"host-{number}"
    host = Endpoint(
        id=name, tenant_id=TENANT, machine_id=name, name=name, hostname=name, token_hmac=name, created_at=now
    )
    return host.model_dump()


def _monitor(number: int, now: datetime) -> dict[str, Any]:
    host = f"host-{number % HOSTS}"
    names: dict[str, Any] = {"id": f"monitor-{number}", "job_id": f"id-{number}", "job_name": f"job-{number}"}
    monitor = Monitor(
        **names, tenant_id=TENANT, source_id=host, endpoint_id=host, namespace="production", updated_at=now
    )
    return monitor.model_dump()


def _run(number: int, at: datetime) -> dict[str, Any]:
    """Run ``number`` before now. A job has its host, and each its turn."""
    job = number % JOBS
    source = f"host-{job % HOSTS}"
    return {
        "id": str(uuid.uuid4()),
        "tenant_id": TENANT,
        "job_id": f"id-{job}",
        "job_name": f"job-{job}",
        "namespace": "production",
        "source_id": source,
        "endpoint_id": source,
        "endpoint_name": source,
        "status": "failed" if number % 7 == 0 else "success",
        "flags": [],
        "slot": at,
        "started_at": at,
        "finished_at": at,
        "received_at": at,
        "sort_at": at,
        "duration_s": 1.5,
        "exit_code": 0,
        "attempt": 1,
        "commit": "c" * 40,
        "error": "",
    }


def _day(begin: datetime) -> dict[str, Any]:
    return {"since": begin, "until": begin + timedelta(days=1)}


def _timed(filter_: Filter, cursor: str | None = None) -> float:
    """The time that a page takes, in milliseconds."""
    begun = time.perf_counter()
    with reading() as session:
        found = runs.list_page(session, ACTOR, filter_, cursor=cursor)
    took = 1000 * (time.perf_counter() - begun)
    if not found.runs:
        raise SystemExit(f"no runs for {filter_}")
    return took


def _deep_cursor() -> str | None:
    return list(_cursors())[-1]


def _cursors() -> Iterator[str | None]:
    cursor = None
    for _ in range(DEEP):
        with reading() as session:
            cursor = runs.list_page(session, ACTOR, Filter(), page_size=100, cursor=cursor).next_cursor
        yield cursor


def _count() -> int:
    with reading() as session:
        return sum(session.exec(select(func.count()).select_from(table)).one() for table in (Run, RunOutput))


if __name__ == "__main__":
    main()
