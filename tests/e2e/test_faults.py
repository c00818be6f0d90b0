"""Races and revocation, with the real server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.e2e.conftest import Tenant
from tests.fixtures.processes import wait_until


def test_a_token_for_one_host_enrols_one_host(pia: Tenant) -> None:
    token = pia.http.post("/api/enrollment-tokens", json={"name": "one", "max_uses": 1}).json()["token"]

    def enroll(number: int) -> httpx.Response:
        machine = {"machine_id": f"race-{number}", "hostname": f"race-{number}"}
        return httpx.post(
            f"{pia.url}/api/endpoints/enroll",
            json=machine,
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(enroll, range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 5
    assert pia.http.get("/api/endpoints").json()["total"] == 1


def test_enrolling_again_is_the_same_endpoint_with_a_new_token(pia: Tenant) -> None:
    token = pia.http.post("/api/enrollment-tokens", json={"name": "again"}).json()["token"]
    machine, headers = {"machine_id": "m", "hostname": "m"}, {"Authorization": f"Bearer {token}"}
    first = pia.http.post("/api/endpoints/enroll", json=machine, headers=headers).json()
    second = pia.http.post("/api/endpoints/enroll", json=machine, headers=headers).json()
    assert first["endpoint_id"] == second["endpoint_id"]
    beat = f"{pia.url}/api/endpoints/me/heartbeat"
    old = httpx.post(beat, headers={"Authorization": f"Bearer {first['token']}"}, timeout=30)
    new = httpx.post(beat, headers={"Authorization": f"Bearer {second['token']}"}, timeout=30)
    assert (old.status_code, new.status_code) == (401, 204)


def test_a_revoked_endpoint_loses_its_git_credential_too(pia: Tenant) -> None:
    token = pia.http.post("/api/enrollment-tokens", json={"name": "gone"}).json()["token"]
    machine, headers = {"machine_id": "g", "hostname": "g"}, {"Authorization": f"Bearer {token}"}
    enrolled = pia.http.post("/api/endpoints/enroll", json=machine, headers=headers).json()
    refs = f"{enrolled['git']['url']}/info/refs?service=git-upload-pack"
    git = {"Authorization": f"token {enrolled['git']['token']}"}
    assert httpx.get(refs, headers=git, timeout=30).status_code == 200
    pia.http.delete(f"/api/endpoints/{enrolled['endpoint_id']}").raise_for_status()
    assert httpx.get(refs, headers=git, timeout=30).status_code == 401


def test_a_hundred_creates_at_once_are_a_hundred_manifests(pia: Tenant) -> None:
    def create(number: int) -> int:
        form = {"namespace": "production", "name": f"job-{number}", "schedule": "0 3 * * *", "command": "true"}
        return pia.http.post("/api/jobs", json=form, timeout=120).status_code

    with ThreadPoolExecutor(20) as pool:
        codes = set(pool.map(create, range(100)))
    assert codes <= {201, 202}
    wait_until(lambda: pia.http.get("/api/jobs").json()["count"] == 100, "a hundred jobs", 120)
