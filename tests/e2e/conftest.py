"""Tenants of the running product, with the programs a person would use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis import Redis

from tests.fixtures.processes import wait_until
from tests.fixtures.served import Served

PROGRAMS = Path(sys.executable).parent
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Tenant:
    """A registered tenant whose repository is ready, its API client, and a folder of its own."""

    name: str
    http: httpx.Client
    folder: Path
    url: str

    def program(self, *words: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """One of our programs, with a profile of this tenant's own."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CRONTOPUS_")}
        environment = {**clean, "CRONTOPUS_PROFILE": str(self.folder / "profile.json"), **variables}
        command = [str(PROGRAMS / words[0]), *words[1:]]
        return subprocess.run(
            command, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    def enrol(self, host: str) -> list[str]:
        """An enrolled agent over a crontab file; gives the words that begin each of its commands."""
        token = self.http.post("/api/enrollment-tokens", json={"name": host}).json()["token"]
        state, crontab = self.folder / f"state-{host}", self.folder / f"crontab-{host}"
        crontab.write_bytes(b"# mine\n0 1 * * * echo  mine\n")
        agent = ["crontopus-agent", "--state", str(state)]
        enrolled = self.program(
            *agent,
            "--crontab",
            str(crontab),
            "enroll",
            "--url",
            self.url,
            "--name",
            host,
            "--machine-id",
            f"machine-{host}",
            CRONTOPUS_ENROLLMENT_TOKEN=token,
        )
        assert enrolled.returncode == 0, enrolled.stderr
        return agent


@contextmanager
def tenant(served: Served, folder: Path, name: str) -> Iterator[Tenant]:
    """Registers ``name`` and waits for the repository."""
    _forget_rates(served)
    with httpx.Client(base_url=served.url, timeout=30) as http:
        form = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        http.post("/api/auth/register", json=form).raise_for_status()
        token = http.post("/api/auth/login", json={"username": name, "password": PASSWORD}).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        wait_until(lambda: http.get("/api/auth/me").json()["provisioning"] == "ready", "the repository", 60)
        yield Tenant(name, http, folder, served.url)


def _forget_rates(served: Served) -> None:
    """Three registrations an hour, five sign-ins a minute: enough for people, not for tests."""
    with Redis(unix_socket_path=str(served.home / "redis.sock")) as redis:
        for key in redis.scan_iter("crontopus:rate:*"):
            redis.delete(key)


@pytest.fixture
def pia(served: Served, tmp_path: Path) -> Iterator[Tenant]:
    with tenant(served, tmp_path, f"pia-{os.urandom(4).hex()}") as made:
        yield made
