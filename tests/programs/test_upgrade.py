"""A data folder that an earlier version made: this version finds everything in it and goes on from there."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fixtures.processes import wait_until
from tests.programs.test_up import Up, up_in

pytestmark = pytest.mark.usefixtures("built")

KEPT = Path(__file__).parents[1] / "vectors/data-folder"
# What stands in each of them: the script that made them registered Ada, wrote two jobs and let one host run both.
PASSWORD, CREDENTIAL = "correct horse battery", "51850d72892f1f52c444b26aaf9ed68d958b339c"


@pytest.fixture(params=sorted(KEPT.glob("*.tar.gz")), ids=lambda path: path.name)
def upgraded(request: pytest.FixtureRequest) -> Iterator[Up]:
    folder = Path(tempfile.mkdtemp(prefix="cr-"))
    with tarfile.open(request.param) as kept:
        kept.extractall(folder / "home", filter="data")
    with up_in(folder) as up:
        yield up
    shutil.rmtree(folder)


def test_everything_of_an_earlier_version_is_found(upgraded: Up, tmp_path: Path) -> None:
    with httpx.Client(base_url=upgraded.url, timeout=30) as http:
        login = http.post("/api/auth/login", json={"username": "ada", "password": PASSWORD})
        http.headers["Authorization"] = f"Bearer {login.raise_for_status().json()['access_token']}"
        me = http.get("/api/auth/me").json()
        assert (me["username"], me["role"], me["provisioning"]) == ("ada", "operator", "ready")
        jobs = http.get("/api/jobs").json()["jobs"]
        assert {job["name"]: job["endpoints"] for job in jobs} == {"greet": ["old-host"], "sweep": ["old-host"]}
        runs = http.get("/api/runs").json()["runs"]
        assert {run["job_name"]: run["status"] for run in runs} == {"greet": "success", "sweep": "failed"}
        assert [host["name"] for host in http.get("/api/endpoints").json()["endpoints"]] == ["old-host"]

        job = {"name": "new", "namespace": "production", "schedule": "1 * * * *", "command": "echo new"}
        http.post("/api/jobs", json=job).raise_for_status()
        wait_until(lambda: http.get("/api/jobs").json()["count"] == 3, "the new job in the index")
    clone = f"http://ada:{CREDENTIAL}@{upgraded.bind}/forge/crontopus/job-manifests-ada.git"
    subprocess.run(["git", "clone", "-q", clone, str(tmp_path / "clone")], check=True)
    names = {path.name for path in (tmp_path / "clone/production").iterdir()}
    assert {"greet.yaml", "sweep.yaml", "new.yaml"} <= names
    subprocess.run(["git", "fsck", "--strict"], cwd=tmp_path / "clone", check=True)
