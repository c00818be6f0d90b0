"""Who may scrape, and what they are answered."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from crontopus_app.api import metrics
from crontopus_app.base.db import writing
from crontopus_app.base.errors import ConfigurationError
from crontopus_app.base.exposition import CONTENT_TYPE
from crontopus_app.base.rates import Rate
from crontopus_app.base.settings import read, settings
from crontopus_app.people import auth
from tests.api.conftest import bearer
from tests.cast import Member, add_job

TOKEN = "a-long-token-for-prometheus"


@pytest.fixture
def _with_token(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRONTOPUS_METRICS_TOKEN", TOKEN)
    settings.cache_clear()


def families(text: str) -> set[str]:
    return {family.name for family in text_string_to_metric_families(text)}


def test_a_token_scrapes_its_tenant(client: TestClient, token_with: Callable[..., str], charlie: Member) -> None:
    answer = client.get("/api/metrics", headers=bearer(token_with("read:runs", "read:agents")))
    assert (answer.status_code, answer.headers["content-type"]) == (200, CONTENT_TYPE)
    assert {"crontopus_monitor_state", "crontopus_endpoint_spool_checkins"} <= families(answer.text)
    assert "alice-host" in answer.text
    other = client.get("/api/metrics", headers=bearer(charlie.session_token))
    assert "alice" not in other.text


def test_a_large_answer_is_compressed_for_who_takes_that(client: TestClient, alice: Member) -> None:
    for number in range(5):
        add_job("alice", alice.endpoint_id, job_id=f"job-{number}", name=f"job-{number}")
    headers = bearer(alice.session_token)
    plain = client.get("/api/metrics", headers={**headers, "Accept-Encoding": "identity"})
    with client.stream("GET", "/api/metrics", headers={**headers, "Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert families(gzip.decompress(raw).decode()) == families(plain.text)


def test_scrapes_are_limited(client: TestClient, alice: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RATE", Rate("metrics", 1, 60))
    assert client.get("/api/metrics", headers=bearer(alice.session_token)).status_code == 200
    refused = client.get("/api/metrics", headers=bearer(alice.session_token))
    assert (refused.status_code, refused.headers["X-RateLimit-Limit"]) == (429, "1")


@pytest.mark.usefixtures("_with_token")
def test_the_installation_is_for_its_token_and_for_operators(client: TestClient, alice: Member) -> None:
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers=bearer(TOKEN[:-1])).status_code == 401
    assert client.get("/metrics", headers=[(b"Authorization", b"Bearer " + b"\xe9" * 20)]).status_code == 401
    assert client.get("/metrics", headers=bearer(alice.session_token)).status_code == 403
    answer = client.get("/metrics", headers=bearer(TOKEN))
    assert (answer.status_code, answer.headers["content-type"]) == (200, CONTENT_TYPE)
    assert "crontopus_evaluator_lag_seconds" in families(answer.text)
    with writing() as session:
        auth.grant_operator(session, "alice")
    assert client.get("/metrics", headers=bearer(alice.session_token)).status_code == 200


def test_without_a_token_nobody_is_let_in_by_an_empty_one(client: TestClient) -> None:
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401


@pytest.mark.parametrize("token", ["short", "with a blank in it", "é" * 20])
def test_a_weak_token_stops_the_start(token: str) -> None:
    with pytest.raises(ConfigurationError, match="METRICS_TOKEN"):
        read(
            {
                "CRONTOPUS_METRICS_TOKEN": token,
                "CRONTOPUS_SECRET_KEY": "x" * 20,
                "CRONTOPUS_FORGEJO_ADMIN_PASSWORD": "y" * 20,
            }
        )


def test_check_ins_are_counted_by_kind_and_result(client: TestClient, alice: Member) -> None:
    with writing() as session:
        auth.grant_operator(session, "alice")
    ids = {"id": "0" * 8 + "-0000-4000-8000-000000000001", "run_id": "0" * 8 + "-0000-4000-8000-000000000002"}
    body = {**ids, "job_id": "5b0c7c9e-6c2b-4a55-9b59-0a4b1f1b6f5e", "kind": "success", "at": "2026-11-23T12:00:00Z"}
    for form in (body, body, {**body, "kind": "no|such\nkind"}):
        client.post("/api/checkins", json=form, headers=bearer(alice.endpoint_token))
    text = client.get("/metrics", headers=bearer(alice.session_token)).text
    counts = {
        (sample.labels["kind"], sample.labels["result"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "crontopus_checkins_total"
    }
    assert counts == {("success", "accepted"): 1, ("success", "duplicate"): 1, ("unknown", "refused"): 1}
