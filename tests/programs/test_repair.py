"""A tenant's damaged repository: told to its users and operators, mended by one verb while the server runs."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Tenant, tenant
from tests.fixtures.processes import wait_until
from tests.fixtures.served import SERVER, Served


@pytest.fixture
def rita(served: Served, tmp_path: Path) -> Iterator[Tenant]:
    with tenant(served, tmp_path, f"rita-{secrets.token_hex(4)}") as made:
        yield made


def server(served: Served, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SERVER, *words], env=served.environment, capture_output=True, text=True, check=False)


def add_job(who: Tenant, name: str) -> None:
    job = {"name": name, "namespace": "production", "schedule": "1 * * * *", "command": "echo"}
    who.http.post("/api/jobs", json=job).raise_for_status()


def jobs(who: Tenant) -> set[str]:
    return {job["name"] for job in who.http.get("/api/jobs").json()["jobs"]}


def problem(who: Tenant) -> str:
    return who.http.get("/api/repository").json()["problem"]


def health(who: Tenant) -> dict[str, Any]:
    parts = who.http.get("/api/operator/health").raise_for_status().json()["parts"]
    return next(part for part in parts if part["name"] == "repositories")


def test_a_damaged_repository_is_told_and_mended_by_one_verb(served: Served, rita: Tenant) -> None:
    assert server(served, "admin", "grant", rita.name).returncode == 0
    add_job(rita, "first")
    wait_until(lambda: jobs(rita) == {"first"}, "the first job in the index")
    repository = served.home / f"forge/forge/repositories/crontopus/job-manifests-{rita.name}.git"
    shown = subprocess.run(["git", "rev-parse", "main:"], cwd=repository, capture_output=True, text=True, check=True)
    sha = shown.stdout.strip()
    (repository / "objects" / sha[:2] / sha[2:]).unlink()

    add_job(rita, "second")
    wait_until(lambda: sha in problem(rita), "the damage on the tenant's page")
    assert rita.http.get("/readyz").status_code == 200
    assert (health(rita)["ok"], rita.name in health(rita)["detail"]) == (False, True)

    mended = server(served, "repair", rita.name)
    assert mended.returncode == 0, mended.stderr
    assert "refs/heads/main cannot be read" in mended.stdout
    wait_until(lambda: jobs(rita) == {"second"}, "the edit that waited")
    wait_until(lambda: not problem(rita), "the repository to be well")
    assert server(served, "repair", rita.name).stdout.startswith("The repository is intact.")


def test_only_a_tenant_with_a_repository_can_be_repaired(served: Served) -> None:
    done = server(served, "repair", "nobody")
    assert done.returncode == 1
    assert "No tenant 'nobody' with a repository." in done.stderr
