"""The complete product in a temporary folder, for benchmarks that measure it from outside."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

PATIENCE_S = 90.0


@dataclass(frozen=True)
class Product:
    """A running product with one signed-in tenant and one enrolled endpoint."""

    url: str
    home: Path
    http: httpx.Client
    endpoint_token: str
    tenant: str
    endpoint_id: str


@contextmanager
def running() -> Iterator[Product]:
    """Starts ``crontopus-server up`` on a free port, and ends it with all its children."""
    home = Path(tempfile.mkdtemp(prefix="cb-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "CRONTOPUS_HOME": str(home), "CRONTOPUS_BIND": f"127.0.0.1:{port}"}
    server = [str(Path(sys.executable).parent / "crontopus-server"), "up"]
    with open(home / "log", "wb") as log:
        child = subprocess.Popen(server, env=environment, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            yield _ready(http, home)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=30)
        shutil.rmtree(home, ignore_errors=True)


def _ready(http: httpx.Client, home: Path) -> Product:
    _wait(lambda: _answers(http), "the server")
    person = {"username": "bench", "password": "a benchmark's password"}
    http.post("/api/auth/register", json={**person, "email": "bench@example.org"}).raise_for_status()
    token = http.post("/api/auth/login", json=person).raise_for_status().json()["access_token"]
    http.headers["Authorization"] = f"Bearer {token}"
    _wait(lambda: http.get("/api/auth/me").json()["provisioning"] == "ready", "the repository")
    enrollment = http.post("/api/enrollment-tokens", json={"name": "bench"}).raise_for_status().json()["token"]
    enrolled = http.post(
        "/api/endpoints/enroll",
        json={"machine_id": "bench", "hostname": "bench"},
        headers={"Authorization": f"Bearer {enrollment}"},
    )
    facts = enrolled.raise_for_status().json()
    return Product(str(http.base_url), home, http, facts["token"], "bench", facts["endpoint_id"])


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _wait(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} was not ready within {PATIENCE_S:.0f} s")
        time.sleep(0.2)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
