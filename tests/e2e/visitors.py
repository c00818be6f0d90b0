"""Users of the console in a real browser: registration, sign-in, check-ins of their hosts."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from playwright.sync_api import ConsoleMessage, Page
from redis import Redis

from tests.fixtures.processes import wait_until
from tests.fixtures.served import Served

PASSWORD = "correct horse battery"
WIDE, NARROW = {"width": 1320, "height": 800}, {"width": 390, "height": 800}


@dataclass(frozen=True)
class Visitor:
    """A registered tenant with an API client, an endpoint and a job in Git."""

    name: str
    http: httpx.Client
    endpoint_token: str
    endpoint_id: str
    job_id: str


def make(served: Served) -> Visitor:
    allow(served)
    name = f"eve-{os.urandom(4).hex()}"
    http = httpx.Client(base_url=served.url, timeout=30)
    form = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    http.post("/api/auth/register", json=form).raise_for_status()
    token = http.post("/api/auth/login", json={"username": name, "password": PASSWORD}).json()["access_token"]
    http.headers["Authorization"] = f"Bearer {token}"
    wait_until(lambda: http.get("/api/auth/me").json()["provisioning"] == "ready", "the repository", 60)
    job = {"name": "greet", "namespace": "production", "schedule": "*/5 * * * *", "command": "echo hello"}
    # The host never reports a zone, and without one the job has no slots.
    job["timezone"] = "UTC"
    http.post("/api/jobs", json=job).raise_for_status()
    wait_until(lambda: http.get("/api/jobs").json()["count"] == 1, "the job in the index")
    enrolment = http.post("/api/enrollment-tokens", json={"name": "host"}).json()["token"]
    machine = {"machine_id": name, "hostname": "host-of-eve", "name": "host-of-eve"}
    bearer = {"Authorization": f"Bearer {enrolment}"}
    enrolled = httpx.post(f"{served.url}/api/endpoints/enroll", json=machine, headers=bearer, timeout=30).json()
    job_id = http.get("/api/jobs").json()["jobs"][0]["id"]
    return Visitor(name, http, enrolled["token"], enrolled["endpoint_id"], job_id)


def allow(served: Served) -> None:
    """Clears the rate limits, which tests would exceed."""
    with Redis(unix_socket_path=str(served.home / "redis.sock")) as redis:
        for key in redis.scan_iter("crontopus:rate:*"):
            redis.delete(key)


def is_error(message: ConsoleMessage) -> bool:
    """Whether it is an error. Chromium logs a 401 or 422, which pages handle, as one."""
    return message.type == "error" and not any(f"status of {code}" in message.text for code in (401, 422))


def sign_in(page: Page, name: str, path: str) -> None:
    """Opens ``path`` without a session, signs in, and waits for the page's data."""
    page.goto(path)
    page.wait_for_selector("form[data-door=session]")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("aside.rail")
    page.wait_for_selector("#main .skeleton", state="detached")
    # What keys do comes with the console's scripts, which may arrive after the data.
    page.wait_for_load_state("load")


def check_in(visitor: Visitor, kind: str = "success", run_id: str = "") -> str:
    """Reports a run as the endpoint; returns the run's id."""
    run_id = run_id or str(uuid.uuid4())
    now = datetime.now(UTC).isoformat()
    body = {"id": str(uuid.uuid4()), "job_id": visitor.job_id, "run_id": run_id, "kind": kind, "at": now}
    body |= {"started_at": now, "duration_s": 1.5, "exit_code": 0, "output": {"head": "\x1b[32mhello\x1b[0m world\n"}}
    answer = visitor.http.post(
        "/api/checkins", json=body, headers={"Authorization": f"Bearer {visitor.endpoint_token}"}
    )
    answer.raise_for_status()
    return run_id
