"""Search and repository over HTTP: scopes, tenants, what anybody may send."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from crontopus_app.base.db import writing
from crontopus_app.models import Tenant
from tests.api.conftest import bearer
from tests.cast import Member


def test_a_token_finds_what_its_scopes_let_it(client: TestClient, token_with: Callable[..., str]) -> None:
    told = client.get("/api/search", params={"q": "backup"}, headers=bearer(token_with("read:jobs")))
    assert told.status_code == 200
    assert [(group["kind"], len(group["hits"])) for group in told.json()["groups"]] == [("job", 1)]
    assert told.json()["groups"][0]["hits"][0]["href"] == "/jobs/production/backup"
    agents = client.get("/api/search", params={"q": "backup"}, headers=bearer(token_with("read:agents")))
    assert agents.json()["groups"] == []
    assert client.get("/api/search?q=x", headers=bearer(token_with("read:tokens"))).status_code == 403
    assert client.get("/api/search?q=backup").status_code == 401


@pytest.mark.parametrize("query", ["", "?q=", "?q=%00", "?q=%25", "?q=" + "x" * 5000, "?q=a&few=-3", "?q=a&few=999999"])
def test_any_text_is_answered(client: TestClient, charlie: Member, query: str) -> None:
    told = client.get(f"/api/search{query}", headers=bearer(charlie.session_token))
    assert told.status_code == 200
    assert "backup" not in told.text


def test_the_repository_is_told_by_scope(
    client: TestClient, alice: Member, charlie: Member, token_with: Callable[..., str]
) -> None:
    with writing() as session:
        session.get_one(Tenant, "alice").provisioning = "ready"
    reader = bearer(token_with("read:jobs"))
    told = client.get("/api/repository", headers=reader).json()
    assert (told["name"], told["branch"]) == ("crontopus/job-manifests-alice", "main")
    assert told["clone_url"].endswith("/crontopus/job-manifests-alice.git")
    assert client.get("/api/repository/commits", headers=reader).json()["problem"]
    assert client.post("/api/repository/reindex", headers=reader).status_code == 403
    assert client.get("/api/repository", headers=bearer(charlie.session_token)).status_code == 404
    written = client.post("/api/repository/reindex", headers=bearer(token_with("write:jobs")))
    assert (written.status_code, written.json()) == (202, {"accepted": True})
