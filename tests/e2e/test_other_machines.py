"""Machines that are not the server: each with a network of its own, one of them behind a router that lets nothing in.

They are set up with the lines of docs/start.md, word for word; cron is real on each.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.conftest import PASSWORD, PROGRAMS
from tests.e2e.test_cron import CRON
from tests.fixtures import documents
from tests.fixtures.machines import Machine, Through, cable
from tests.fixtures.processes import running, wait_until
from tests.fixtures.served import ARTEFACTS, SERVER

pytestmark = pytest.mark.timeout(300)

SERVE, _, ENROL = documents.commands("start.md", "Add another machine")
# What stands before `make up`: the settings.
SETTINGS = dict(word.split("=", 1) for word in SERVE.split() if "=" in word)
URL = SETTINGS["CRONTOPUS_PUBLIC_URL"]
# As the machine beside it and the one behind the router know the server.
SERVER_ADDRESS, SERVER_FROM_AFAR = "10.213.1.1", "10.213.2.1"
NAT = """
table ip nat {
  chain out { type nat hook postrouting priority srcnat; oifname "to-server" masquerade; }
}
table ip filter {
  chain through {
    type filter hook forward priority filter; policy drop;
    iifname "to-far" accept
    ct state established,related accept
  }
}
"""
MANIFEST = """\
apiVersion: v1
kind: Job
metadata:
  name: greet
spec:
  schedule: "* * * * *"
  command: echo hello from $(hostname) | tee "FOLDER/ran-on-$(hostname)"
"""


@dataclass(frozen=True)
class Network:
    """A server, a host beside it and one behind a router."""

    server: Machine
    near: Machine
    far: Machine


@pytest.fixture
def network(short_folder: Path) -> Iterator[Network]:
    made: dict[str, Machine] = {}
    try:
        for name in ("server", "router", "near", "far"):
            made[name] = Machine(name, short_folder / name, network=True)
        cable(made["server"], f"{SERVER_ADDRESS}/30", made["near"], "10.213.1.2/30")
        cable(made["server"], f"{SERVER_FROM_AFAR}/30", made["router"], "10.213.2.2/30")
        cable(made["router"], "10.213.3.1/30", made["far"], "10.213.3.2/30")
        made["router"].run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        made["router"].run("nft", "-f", "-", data=NAT.encode())
        made["far"].run("ip", "route", "add", "default", "via", "10.213.3.1")
        for name, address in (("near", SERVER_ADDRESS), ("far", SERVER_FROM_AFAR)):
            made[name].run("tee", "-a", "/etc/hosts", data=f"{address} {urlsplit(URL).hostname}\n".encode())
        yield Network(made["server"], made["near"], made["far"])
    finally:
        for machine in made.values():
            machine.end()


def clean_environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CRONTOPUS_")} | more


@pytest.fixture
def served(network: Network, built: None) -> Iterator[httpx.Client]:
    """The product on the server, with the documentation's settings; yields a client inside the network."""
    log = ARTEFACTS / "served-to-others.log"
    ARTEFACTS.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    environment = clean_environment(CRONTOPUS_HOME=str(network.server.folder / "home"), **SETTINGS)
    with (
        running(network.server.words(*SERVER, "up"), log, env=environment),
        httpx.Client(
            base_url=f"http://{SERVER_ADDRESS}:{urlsplit(URL).port}", transport=Through(network.server), timeout=30
        ) as http,
    ):
        wait_until(lambda: answers(http), "the product to answer", 120)
        yield http


def answers(http: httpx.Client) -> bool:
    try:
        return http.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def register(http: httpx.Client, name: str) -> None:
    """Registers a user, waits for the repository and authenticates the client."""
    form = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    http.post("/api/auth/register", json=form).raise_for_status()
    token = http.post("/api/auth/login", json={"username": name, "password": PASSWORD}).json()["access_token"]
    http.headers["Authorization"] = f"Bearer {token}"
    wait_until(lambda: http.get("/api/auth/me").json()["provisioning"] == "ready", "the repository", 60)


def enrol(machine: Machine, token: str) -> None:
    """Starts cron and runs the documentation's commands; the last one keeps running."""
    assert CRON, "this test needs a cron daemon: apt-get install cron"
    machine.start(CRON, "-f")
    path = f"{PROGRAMS}:{os.environ['PATH']}"
    environment = clean_environment(PATH=path, CRONTOPUS_AGENT_STATE=str(machine.folder / "state"))
    with (ARTEFACTS / f"agent-{machine.name}.log").open("wb") as log:
        lines = ENROL.replace("cet_…", token)
        machine.start("sh", "-ec", lines, env=environment, output=log)


def push(machine: Machine, credential: dict[str, str]) -> None:
    """Commits the manifest from a clone on the machine, with a Git credential."""
    clone = str(machine.folder / "clone")
    login = credential["url"].replace("://", f"://{credential['username']}:{credential['token']}@")
    machine.run("git", "clone", "-q", login, clone, timeout=60)
    (Path(clone) / "production" / "greet.yaml").write_text(MANIFEST.replace("FOLDER", str(machine.folder)))
    git = ("git", "-C", clone, "-c", "user.name=Lena", "-c", "user.email=lena@example.org")
    machine.run(*git, "add", ".")
    machine.run(*git, "commit", "-q", "-m", "Add a job")
    machine.run(*git, "push", "-q", timeout=60)


def finished(http: httpx.Client) -> Callable[[], bool]:
    """Returns a check whether a run of each machine has ended and was reported."""

    def reported() -> bool:
        answer = http.get("/api/runs")
        # A client that polls this often may be rate limited (429).
        runs = answer.json()["runs"] if answer.status_code == 200 else []
        return {run["endpoint_name"] for run in runs if run["status"] == "success"} == {"near", "far"}

    return reported


def test_a_job_arrives_runs_and_reports_on_machines_that_are_not_the_server(
    network: Network, served: httpx.Client
) -> None:
    nowhere = network.server.words("ip", "route", "get", "10.213.3.2")
    assert subprocess.run(nowhere, capture_output=True, check=False).returncode != 0, "the server cannot dial in"
    register(served, "lena")
    for machine in (network.near, network.far):
        enrol(machine, served.post("/api/enrollment-tokens", json={"name": machine.name}).json()["token"])
    wait_until(lambda: served.get("/api/endpoints").json()["total"] == 2, "both machines")

    push(network.near, served.post("/api/repository/credentials", json={"name": "laptop", "access": "write"}).json())
    for machine in (network.near, network.far):
        wait_until(
            lambda at=machine: b"run-job" in at.run("sh", "-c", "crontab -l || true"), f"the job on {machine.name}"
        )
    for name in ("near", "far"):
        wait_until((network.near.folder / f"ran-on-{name}").exists, f"cron's next minute on {name}", 120)
    wait_until(finished(served), "a run of each machine", 60)

    for run in served.get("/api/runs").json()["runs"]:
        shown = served.get(f"/api/runs/{run['id']}").json()
        assert shown["output"]["head"] == f"hello from {run['endpoint_name']}\n"
    endpoints = served.get("/api/endpoints").json()["endpoints"]
    assert {(each["name"], each["state"]) for each in endpoints} == {("near", "in sync"), ("far", "in sync")}
