"""The header Idempotency-Key over HTTP: each create takes it, and a request that is sent again creates nothing."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from crontopus_app.api.app import api
from crontopus_app.base.db import writing
from crontopus_app.forge.client import Forgejo
from crontopus_app.models import Tenant
from tests.api.conftest import bearer
from tests.cast import PASSWORD, Member
from tests.fixtures.forge_server import forge, forge_server

__all__ = ["forge", "forge_server"]

JOB = {"name": "a", "namespace": "production", "schedule": "0 2 * * *", "command": "x"}
CREATES: dict[str, dict[str, Any]] = {
    "/api/auth/register": {"username": "dora", "email": "dora@example.org", "password": PASSWORD},
    "/api/tokens": {"name": "ci", "scopes": ["read:runs"]},
    "/api/enrollment-tokens": {"name": "fleet"},
    "/api/ping-keys": {"name": "scripts"},
    "/api/channels": {"name": "mail", "kind": "email", "settings": {"to": "a@example.org"}},
    "/api/silences": {"until": "2099-01-01T00:00:00Z", "reason": "x"},
    "/api/maintenance": {"until": "2099-01-01T00:00:00Z", "reason": "x"},
    "/api/jobs": JOB,
    "/api/namespaces": {"name": "staging"},
    "/api/repository/credentials": {"name": "laptop", "access": "read"},
}
SHOWN_ONCE = "/api/repository/credentials"


def test_every_create_takes_the_key() -> None:
    paths = api.openapi()["paths"]
    takes = {
        path
        for path, methods in paths.items()
        if any(one["name"] == "Idempotency-Key" for one in methods.get("post", {}).get("parameters", ()))
    }
    creates = {path for path, methods in paths.items() if "201" in methods.get("post", {}).get("responses", {})}
    assert takes == creates == set(CREATES)


@pytest.mark.parametrize("path", sorted(CREATES))
def test_a_request_that_is_sent_again_is_answered_the_same(
    client: TestClient, alice: Member, path: str, forge: Forgejo
) -> None:
    with writing() as session:
        session.get_one(Tenant, "alice").provisioning = "ready"
    forge.ensure_org("crontopus")
    forge.ensure_repository("crontopus", "job-manifests-alice", "")
    headers = {**bearer(alice.session_token), "Idempotency-Key": "a-key"}
    first = client.post(path, json=CREATES[path], headers=headers)
    assert first.status_code in {201, 202}, first.text
    again = client.post(path, json=CREATES[path], headers=headers)
    if path == SHOWN_ONCE:
        assert (again.status_code, again.json()["code"]) == (409, "already_created")
    else:
        assert (again.status_code, again.json()) == (first.status_code, first.json())
    field = next(name for name in ("email", "reason", "name") if name in CREATES[path])
    other = client.post(path, json=CREATES[path] | {field: "other@example.org"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_key_that_is_too_long_is_refused(client: TestClient, alice: Member) -> None:
    headers = {**bearer(alice.session_token), "Idempotency-Key": "x" * 256}
    assert client.post("/api/enrollment-tokens", json={"name": "x"}, headers=headers).status_code == 422
