"""The same ladder for every route: nobody, a token without the scope, another tenant."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from crontopus_app.api.app import api
from crontopus_app.base.actor import SCOPES
from crontopus_app.base.db import writing
from crontopus_app.people import auth
from tests.api.conftest import bearer
from tests.cast import Member

PUBLIC = {
    "/healthz",
    "/readyz",
    "/schemas/job-v1.json",
    "/api/auth/register",
    "/api/auth/login",
    "/api/auth/session",
    "/api/auth/logout",
    "/api/git/webhook",
    # The token in the link is signed.
    "/api/reports/unsubscribe",
}
# Anybody who signed in may ask who they are.
ANY_SCOPE = {"/api/auth/me"}
# Only somebody who signed in: a token that got lost must neither lock its owner out nor delete them.
PERSONS = {("PATCH", "/api/auth/me")} | {
    (method, path)
    for path, methods in (
        ("/api/auth/password", ("POST",)),
        ("/api/auth/sessions", ("GET", "DELETE")),
        ("/api/auth/sessions/{session_id}", ("DELETE",)),
        ("/api/auth/delete", ("GET", "POST")),
    )
    for method in methods
}
# The agent's side: `ep_…` and `cet_…` tokens only.
MACHINES = ("/api/endpoints/me", "/api/endpoints/enroll", "/api/checkins", "/api/runs/check-in")
# Operators only, and their tokens only with every right.
OPERATORS = "/api/operator"
AREAS = {
    "/api/jobs": "jobs",
    "/api/namespaces": "jobs",
    "/api/changes": "jobs",
    "/api/plan": "jobs",
    "/api/validate": "jobs",
    "/api/tenant": "jobs",
    "/api/repository/credentials": "tokens",
    "/api/repository": "jobs",
    "/api/search": "jobs",
    "/api/runs": "runs",
    "/api/metrics": "runs",
    "/api/endpoints": "agents",
    "/api/agents": "agents",
    "/api/enrollment-tokens": "tokens",
    "/api/tokens": "tokens",
    "/api/ping-keys": "tokens",
    "/api/incidents": "alerts",
    "/api/channels": "alerts",
    "/api/channel-kinds": "alerts",
    "/api/outbox": "alerts",
    "/api/silences": "alerts",
    "/api/maintenance": "alerts",
}
# What one may not read is left out of these answers: any of the scopes is enough.
ANY_OF = {"/api/search": ("jobs", "runs", "agents")}
# A credential opens the repository, so whoever makes one must be allowed that too.
ALSO = {("POST", "/api/repository/credentials"): ("write:jobs",)}
# Why a job did not run is told by its runs.
ALSO["GET", "/api/jobs/{namespace}/{name}/why"] = ("read:runs",)
ALSO["GET", "/api/jobs/{namespace}/{name}/alerts"] = ("read:alerts",)
ROUTES = sorted((method.upper(), path) for path, methods in api.openapi()["paths"].items() for method in methods)
GUARDED = [route for route in ROUTES if route[1] not in PUBLIC]
PEOPLES = [
    route
    for route in GUARDED
    if not route[1].startswith(MACHINES) and route[1] not in ANY_SCOPE and route not in PERSONS
]


def filled(path: str) -> str:
    """The path with something in each place."""
    return re.sub(r"{[^}]+}", "00000000-0000-4000-8000-000000000000", path)


def body_for(path: str) -> object:
    """A body that gets past the shape's check, so that what is tested is who may."""
    bodies: dict[str, object] = {
        "/api/tokens": {"name": "x", "scopes": ["read:tokens"]},
        "/api/namespaces": {"name": "x"},
        "/api/jobs/bulk": {"action": "pause", "jobs": ["production/x"]},
        "/api/repository/credentials": {"name": "x"},
        "/api/jobs/{namespace}/{name}/revert": {"sha": "0" * 40},
        "/api/enrollment-tokens": {"name": "x"},
        "/api/ping-keys": {"name": "x"},
        "/api/channels": {"name": "x", "kind": "email"},
        "/api/channels/{channel_id}": {"name": "x", "kind": "email"},
        "/api/incidents/{incident_id}/snooze": {"minutes": 1},
        "/api/incidents/{incident_id}/comments": {"text": "x"},
        "/api/endpoints/enroll": {"machine_id": "m", "hostname": "h"},
        "/api/checkins/batch": [],
        "/api/endpoints/{endpoint_id}": {"name": "x"},
        "/api/auth/password": {"current": "x", "new": "y"},
        "/api/auth/delete": {"username": "x", "password": "y"},
    }
    return bodies.get(path, {})


def needed(method: str, path: str) -> str:
    if path == "/api/export" or path.startswith(OPERATORS):
        return "admin:*"
    area = next(name for prefix, name in AREAS.items() if path.startswith(prefix))
    # Whoever knows a ping URL can report runs.
    reading = (method == "GET" and not path.endswith("/ping-url")) or path in {"/api/plan", "/api/validate"}
    return f"{'read' if reading else 'write'}:{area}"


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_nobody_is_refused(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, filled(path), json=body_for(path), params={"head": "x"})
    assert answer.status_code == 401, answer.text
    assert answer.json()["code"]
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_a_wrong_token_is_refused(client: TestClient, method: str, path: str) -> None:
    for token in ("ctp_wrong", "cts_wrong", "ep_wrong", "cet_wrong", "nonsense"):
        answer = client.request(method, filled(path), json=body_for(path), params={"head": "x"}, headers=bearer(token))
        assert answer.status_code == 401, answer.text


@pytest.mark.parametrize(("method", "path"), PEOPLES)
def test_a_token_with_every_other_scope_is_refused(
    client: TestClient, token_with: Callable[..., str], method: str, path: str
) -> None:
    scope = needed(method, path)
    areas = ANY_OF.get(path, (scope.partition(":")[2],))
    enough = {f"{right}:{area}" for right in {scope.partition(":")[0], "write"} for area in areas} | {"admin:*"}
    answer = client.request(
        method,
        filled(path),
        json=body_for(path),
        params={"head": "x"},
        headers=bearer(token_with(*sorted(SCOPES - enough))),
    )
    assert answer.status_code == 403, answer.text
    assert answer.json()["code"] == "missing_scope"


@pytest.mark.parametrize(("method", "path"), sorted(PERSONS))
def test_a_token_with_every_scope_is_no_person(
    client: TestClient, token_with: Callable[..., str], method: str, path: str
) -> None:
    headers = bearer(token_with(*sorted(SCOPES)))
    answer = client.request(method, filled(path), json=body_for(path), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), answer.text


def test_every_route_is_on_the_ladder() -> None:
    """A new route names its scope, or is said to be for people, for machines or for everybody."""
    for method, path in PEOPLES:
        assert needed(method, path) in SCOPES, (method, path)
    assert set(ROUTES) >= PERSONS


@pytest.mark.parametrize(("method", "path"), PEOPLES)
def test_the_scope_is_enough(client: TestClient, token_with: Callable[..., str], method: str, path: str) -> None:
    if path.startswith(OPERATORS):
        with writing() as session:
            auth.grant_operator(session, "alice")
    headers = bearer(token_with(needed(method, path), *ALSO.get((method, path), ())))
    answer = client.request(method, filled(path), json=body_for(path), params={"head": "x"}, headers=headers)
    assert answer.status_code not in {401, 403, 500}, answer.text


@pytest.mark.parametrize(("method", "path"), [route for route in PEOPLES if route[1].startswith(OPERATORS)])
def test_who_is_no_operator_is_refused_whatever_the_scope(
    client: TestClient, alice: Member, token_with: Callable[..., str], method: str, path: str
) -> None:
    for token in (alice.session_token, token_with("admin:*"), token_with(*SCOPES)):
        answer = client.request(method, filled(path), json=body_for(path), headers=bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/api/endpoints/{endpoint}",
        "/api/endpoints/{endpoint}/jobs",
        "/api/endpoints/{endpoint}/crontab",
        "/api/endpoints/{endpoint}/drift",
        "/api/jobs/production/backup",
    ],
)
def test_another_tenant_sees_nothing(client: TestClient, alice: Member, charlie: Member, path: str) -> None:
    path = path.format(endpoint=alice.endpoint_id)
    assert client.get(path, headers=bearer(alice.session_token)).status_code == 200
    answer = client.get(path, headers=bearer(charlie.session_token))
    assert answer.status_code == 404, answer.text


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", ""), ("PATCH", ""), ("POST", "/sync"), ("POST", "/confirm-prune")]
)
def test_another_tenant_changes_nothing(
    client: TestClient, alice: Member, charlie: Member, method: str, path: str
) -> None:
    where = f"/api/endpoints/{alice.endpoint_id}{path}"
    answer = client.request(
        method, where, json={"name": "mine"}, params={"head": "x"}, headers=bearer(charlie.session_token)
    )
    assert answer.status_code == 404, answer.text
    still = client.get(f"/api/endpoints/{alice.endpoint_id}", headers=bearer(alice.session_token)).json()
    assert (still["name"], still["status"]) == ("alice-host", "active")
