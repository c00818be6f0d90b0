"""A tenant with real data for every page, and the addresses of all pages in it."""

from __future__ import annotations

import re
import subprocess

from playwright.sync_api import BrowserContext

from agent.runner.run_job import SENDER_SECONDS
from crontopus_app.ui.pages import PAGES
from tests.e2e.conftest import Tenant
from tests.e2e.visitors import PASSWORD, allow
from tests.fixtures.processes import wait_until
from tests.fixtures.served import SERVER, Served

COMMANDS = {
    "greet": "printf '\\033[32mhello\\033[0m world\\n'",
    "sweep": "echo nothing to sweep >&2; exit 3",
}
# Route parameters and where to find a sample; a page with a new parameter needs a line here.
LISTS = {"run_id": ("/api/runs", "runs"), "endpoint_id": ("/api/endpoints", "endpoints")}
LISTS["incident_id"] = ("/api/incidents", "incidents")


def furnish(tenant: Tenant, served: Served) -> None:
    """Jobs in Git, an enrolled host that ran them, a token; makes the tenant's user an operator."""
    for name, command in COMMANDS.items():
        job = {"name": name, "namespace": "production", "schedule": "*/5 * * * *", "command": command}
        tenant.http.post("/api/jobs", json=job).raise_for_status()
    wait_until(lambda: tenant.http.get("/api/jobs").json()["count"] == len(COMMANDS), "the jobs in the index")
    agent = tenant.enrol("host-of-eve")
    once(tenant, agent)
    for line in lines(tenant, "host-of-eve"):
        run(line)
    arrived(tenant, agent, len(COMMANDS))
    wait_until(lambda: tenant.http.get("/api/incidents").json()["open"] == 1, "the incident of the failed run")
    form = {"name": "mail", "kind": "email", "settings": {"to": "eve@example.org"}}
    tenant.http.post("/api/channels", json=form).raise_for_status()
    tenant.http.post("/api/tokens", json={"name": "laptop", "scopes": ["read:runs"]}).raise_for_status()
    granted = subprocess.run(
        [*SERVER, "admin", "grant", tenant.name], env=served.environment, capture_output=True, text=True, check=False
    )
    assert granted.returncode == 0, granted.stderr


def once(tenant: Tenant, agent: list[str]) -> None:
    """Runs one pass of the agent."""
    passed = tenant.program(*agent, "once")
    assert passed.returncode == 0, passed.stderr


def lines(tenant: Tenant, host: str) -> list[str]:
    """The commands that Crontopus wrote into the host's crontab."""
    crontab = (tenant.folder / f"crontab-{host}").read_text()
    return [line.split(None, 5)[5] for line in crontab.splitlines() if "run-job" in line and not line.startswith("#")]


def run(line: str) -> int:
    """Runs a crontab line as cron does; returns the exit code."""
    return subprocess.run(["/bin/sh", "-c", line], capture_output=True, timeout=60, check=False).returncode


def arrived(tenant: Tenant, agent: list[str], count: int) -> None:
    """Waits until ``count`` ended runs are reported. The agent delivers what a busy server did not accept at first."""

    def ended() -> bool:
        runs = tenant.http.get("/api/runs").json()["runs"]
        return len([each for each in runs if each["status"] != "running"]) == count

    try:
        wait_until(ended, "the runs", SENDER_SECONDS + 5)
    except TimeoutError:
        once(tenant, agent)
        wait_until(ended, "the runs")


def sign_in(context: BrowserContext, tenant: Tenant, served: Served) -> None:
    """Signs the browser in."""
    allow(served)
    signed = context.request.post(
        f"{served.url}/api/auth/session", data={"username": tenant.name, "password": PASSWORD}
    )
    assert signed.ok, signed.text()


def addresses(tenant: Tenant) -> dict[str, str]:
    """Addresses of all pages in the tenant, by route; KeyError for a parameter without a sample."""
    samples = {"ns": "production", "job_name": "greet"}
    for parameter, (path, name) in LISTS.items():
        samples[parameter] = tenant.http.get(path).json()[name][0]["id"]
    return {page.route: re.sub(r"\[(\w+)\]", lambda found: samples[found[1]], page.route) for page in PAGES}
