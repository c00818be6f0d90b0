"""Time and size of the metrics of a tenant with 300 jobs on 30 endpoints each, on SQLite and PostgreSQL.

python benchmarks/metrics.py

9,000 monitors that have run. ``/api/metrics`` without HTTP: the statements, the next slots, and the text; then gzip.
"""

from __future__ import annotations

import gzip
import os
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from _postgres import postgres
from sqlalchemy import insert
from sqlmodel import select

from crontopus_app.base.actor import Actor
from crontopus_app.base.db import engine, reading, writing
from crontopus_app.base.settings import settings
from crontopus_app.models import Endpoint, JobIndex, Monitor, Run, Tenant, metadata
from crontopus_app.operations import tenant_metrics

JOBS, HOSTS, TURNS = 300, 30, 5
TARGET_S = 2.0
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ACTOR = Actor("bench", "bench", "bench", "bench@example.org", "user")
COUNTS = {"success": 1000, "failed": 3, "seconds": 60_000.0, "buckets": [1, 2, 3, 990, 4, 0, 0, 0, 0, 0]}


def main() -> None:
    print(f"{JOBS} jobs on {HOSTS} endpoints: metrics, median of {TURNS}")
    with tempfile.TemporaryDirectory(prefix="cb-") as home, postgres() as url:
        os.environ["CRONTOPUS_HOME"] = home
        took = [_measure("SQLite", ""), _measure("PostgreSQL", url)]
    if max(took) > TARGET_S:
        raise SystemExit(f"misses its target of {TARGET_S:.0f} s")


def _measure(name: str, url: str) -> float:
    """Prints the results. Returns the median in seconds."""
    os.environ["CRONTOPUS_DATABASE_URL"] = url
    settings.cache_clear()
    engine.cache_clear()
    metadata.create_all(engine())
    _fill()
    first, text = _timed(_scrape)
    again = median(_timed(_scrape)[0] for _ in range(TURNS))
    packing, packed = _timed(lambda: gzip.compress(text, 1))
    print(
        f"{name:<11} first {first:5.2f} s, then {again:5.2f} s; {len(text) / 1e6:.1f} MB in {text.count(10):,} lines, "
        f"gzip {packing:.2f} s for {len(packed) / 1e6:.2f} MB"
    )
    engine().dispose()
    return again


def _scrape() -> bytes:
    with reading() as session:
        return tenant_metrics.metrics(session, ACTOR, NOW)


def _timed(call: Callable[[], bytes]) -> tuple[float, bytes]:
    begin = time.perf_counter()
    result = call()
    return time.perf_counter() - begin, result


def _fill() -> None:
    jobs = [(str(uuid.uuid4()), f"job-{number}") for number in range(JOBS)]
    with writing() as session:
        session.add(Tenant(id="bench", repository="crontopus/bench", webhook_secret="x", created_at=NOW))  # noqa: S106
        session.flush()
        session.add_all(_host(number) for number in range(HOSTS))
        session.add_all(_job(job_id, name, number) for number, (job_id, name) in enumerate(jobs))
        session.flush()
        hosts = session.exec(select(Endpoint.id)).all()
        runs, monitors = [], []
        for job_id, name in jobs:
            for host in hosts:
                run, monitor = _instance(job_id, name, host)
                runs.append(run)
                monitors.append(monitor)
        session.connection().execute(insert(metadata.tables["run"]), runs)
        session.connection().execute(insert(metadata.tables["monitor"]), monitors)


def _host(number: int) -> Endpoint:
    return Endpoint(
        tenant_id="bench",
        machine_id=f"m{number}",
        name=f"host-{number}",
        hostname=f"host-{number}",
        timezone="Europe/Berlin",
        token_hmac=str(number),
        created_at=NOW,
        last_seen_at=NOW,
    )


def _job(job_id: str, name: str, number: int) -> JobIndex:
    return JobIndex(
        tenant_id="bench",
        path=f"production/{name}.yaml",
        job_id=job_id,
        name=name,
        namespace="production",
        blob_sha="0" * 40,
        yaml=b"",
        valid=True,
        schedule=["H * * * *" if number % 2 else f"{number % 60} 2 * * *"],
    )


def _instance(job_id: str, name: str, host: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rows of a run and of its monitor."""
    run_id, ended = str(uuid.uuid4()), NOW - timedelta(minutes=5)
    names: dict[str, Any] = {
        "tenant_id": "bench",
        "job_id": job_id,
        "source_id": host,
        "job_name": name,
        "namespace": "production",
    }
    times: dict[str, Any] = {"slot": ended, "started_at": ended, "received_at": ended, "sort_at": ended}
    run = Run(id=run_id, endpoint_id=host, endpoint_name="h", status="success", duration_s=60, **names, **times)
    last: dict[str, Any] = {
        "health_run_id": run_id,
        "last_run_id": run_id,
        "last_run_at": ended,
        "last_success_at": ended,
    }
    monitor = Monitor(endpoint_id=host, state="ok", counts=COUNTS, updated_at=NOW, **names, **last)
    return run.model_dump(), monitor.model_dump()


if __name__ == "__main__":
    main()
