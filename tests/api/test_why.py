"""Why a job did not run, over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from crontopus_app.base.db import writing
from crontopus_app.models import Run
from crontopus_app.monitoring.why_facts import NEXT
from tests.api.conftest import bearer
from tests.cast import JOB_ID, NOON, Member

WHY = "/api/jobs/production/backup/why"


@pytest.fixture
def missed(alice: Member) -> str:
    """A slot of alice's job that the evaluator has recorded as missed."""
    with writing() as session:
        session.add(Run(id="missed-1", tenant_id="alice", job_id=JOB_ID, job_name="backup", namespace="production",
                        source_id=alice.endpoint_id, endpoint_id=alice.endpoint_id, endpoint_name="alice-host",
                        status="missed", slot=NOON, received_at=NOON, sort_at=NOON))  # fmt: skip
    return "missed-1"


def test_the_latest_missed_run_is_explained(client: TestClient, alice: Member, missed: str) -> None:
    answer = client.get(WHY, headers=bearer(alice.session_token)).json()
    assert (answer["verdict"], answer["run_id"], answer["at"]) == ("unexplained", missed, "2026-11-23T12:00:00Z")
    assert answer["next"] == NEXT["unexplained"]
    assert {"at": "2026-11-23T12:00:00Z", "fact": "recorded as missed", "source": "evaluator"} in answer["evidence"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?at=2026-11-23T12:00", 200),
        ("?at=9999-12-31T23:59-23:00", 422),
        ("?at=0001-01-01T00:00", 422),
        ("?at=noon", 422),
        ("?endpoint=nowhere", 404),
    ],
)
def test_times_and_endpoints_are_checked(
    client: TestClient, alice: Member, missed: str, query: str, status: int
) -> None:
    assert client.get(WHY + query, headers=bearer(alice.session_token)).status_code == status


def test_other_tenants_and_tokens_without_the_scope_get_nothing(
    client: TestClient, charlie: Member, missed: str, token_with: Callable[..., str]
) -> None:
    assert client.get(WHY, headers=bearer(charlie.session_token)).status_code == 404
    assert client.get(WHY, headers=bearer(token_with("read:jobs"))).status_code == 403


def test_the_verdicts_are_in_the_description(client: TestClient) -> None:
    operation = client.get("/api/openapi.json").json()["paths"]["/api/jobs/{namespace}/{name}/why"]["get"]
    assert all(f"`{verdict}`" in operation["description"] for verdict in NEXT)
