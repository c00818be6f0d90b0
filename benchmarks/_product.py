"""Starts the complete product in a temporary folder, for benchmarks that use it over HTTP."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

PATIENCE_S = 90.0
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Product:
    """A running product with one signed-in tenant and one enrolled endpoint."""

    url: str
    home: Path
    http: httpx.Client
    endpoint_token: str
    tenant: str
    endpoint_id: str
    settings: Mapping[str, str]


@contextmanager
def running(settings: Mapping[str, str] | None = None) -> Iterator[Product]:
    """Runs ``crontopus-server up`` on a free port; the end of the block stops it."""
    home = Path(tempfile.mkdtemp(prefix="cb-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "CRONTOPUS_HOME": str(home), "CRONTOPUS_BIND": f"127.0.0.1:{port}"}
    environment |= settings or {}
    server = [str(Path(sys.executable).parent / "crontopus-server"), "up"]
    with open(home / "log", "wb") as log:
        child = subprocess.Popen(server, env=environment, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            wait(lambda: child.poll() is not None or _answers(http), "the server")
            if child.poll() is not None:
                raise SystemExit(f"the server ended: {(home / 'log').read_text()}")
            yield _ready(http, home, dict(settings or {}))
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=30)
        shutil.rmtree(home, ignore_errors=True)


def _ready(http: httpx.Client, home: Path, settings: dict[str, str]) -> Product:
    person = {"username": "bench", "password": "a benchmark's password"}
    http.post("/api/auth/register", json={**person, "email": "bench@example.org"}).raise_for_status()
    token = http.post("/api/auth/login", json=person).raise_for_status().json()["access_token"]
    http.headers["Authorization"] = f"Bearer {token}"
    wait(lambda: http.get("/api/auth/me").json()["provisioning"] == "ready", "the repository")
    enrollment = http.post("/api/enrollment-tokens", json={"name": "bench"}).raise_for_status().json()["token"]
    enrolled = http.post(
        "/api/endpoints/enroll",
        json={"machine_id": "bench", "hostname": "bench"},
        headers={"Authorization": f"Bearer {enrollment}"},
    )
    facts = enrolled.raise_for_status().json()
    return Product(str(http.base_url), home, http, facts["token"], "bench", facts["endpoint_id"], settings)


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def wait(ready: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Returns as soon as ``ready()``. Ends the program if that takes longer than ``patience_s``."""
    deadline = time.monotonic() + patience_s
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} was not ready within {patience_s:.0f} s")
        time.sleep(0.2)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def index_jobs(product: Product, jobs: int, endpoints: int = 0) -> tuple[list[str], list[str]]:
    """Adds jobs to the index, each with a monitor on the product's endpoint, or in turn on further endpoints.

    Writes the rows directly. Returns the jobs' ids and the endpoints' tokens, in turn.
    """
    os.environ.update({"CRONTOPUS_HOME": str(product.home), **product.settings})
    from crontopus_app.base import security
    from crontopus_app.base.db import engine, writing
    from crontopus_app.base.settings import settings
    from crontopus_app.models import Endpoint

    settings.cache_clear()
    engine.cache_clear()
    now, ids = datetime.now(UTC), [str(uuid.uuid4()) for _ in range(jobs)]
    tokens = [security.new_token("ep") for _ in range(endpoints)]
    with writing() as session:
        hosts = [
            Endpoint(
                tenant_id=product.tenant,
                machine_id=f"host-{number}",
                name=f"host-{number}",
                hostname=f"host-{number}",
                token_hmac=security.token_hmac(token),
                created_at=now,
            )
            for number, token in enumerate(tokens)
        ]
        session.add_all(hosts)
        session.flush()
        on = [host.id for host in hosts] or [product.endpoint_id]
        for number, job_id in enumerate(ids):
            session.add_all(_job_rows(product.tenant, job_id, f"job-{number}", on[number % len(on)], now))
    return ids, tokens or [product.endpoint_token]


def _job_rows(tenant: str, job_id: str, name: str, endpoint_id: str, now: datetime) -> tuple[Any, Any]:
    """The rows of a job in the index and of its monitor on one endpoint."""
    from crontopus_app.models import JobIndex, Monitor

    file = JobIndex(
        tenant_id=tenant,
        path=f"production/{name}.yaml",
        job_id=job_id,
        name=name,
        namespace="production",
        blob_sha="0" * 40,
        yaml=b"",
        valid=True,
        schedule=["*/5 * * * *"],
    )
    monitor = Monitor(
        tenant_id=tenant,
        job_id=job_id,
        source_id=endpoint_id,
        endpoint_id=endpoint_id,
        job_name=name,
        namespace="production",
        updated_at=now,
    )
    return file, monitor


def web_processes(product: Product) -> list[Path]:
    """The web processes of this product."""
    mark = f"CRONTOPUS_HOME={product.home}".encode()
    found = [one for one in Path("/proc").glob("[0-9]*") if mark in read(one / "environ").split(b"\0")]
    return [one for one in found if b"\0web\0" in read(one / "cmdline")]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def worked(processes: list[Path]) -> float:
    """CPU seconds of the processes so far."""
    fields = [read(one / "stat").rsplit(b")", 1)[1].split() for one in processes]
    return sum(int(each[11]) + int(each[12]) for each in fields) / TICK
