"""The API against its own description: generated requests, and no answer that is not described."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation

from crontopus_app.api.app import api
from crontopus_app.api.fast_checkins import FastCheckins
from crontopus_app.base import clock, queue
from crontopus_app.forge.client import Forgejo
from crontopus_app.jobs.commit import commit_changes
from crontopus_app.jobs.index import index
from crontopus_app.operations import provisioning
from tests.api.conftest import bearer
from tests.cast import Member, add_job, join
from tests.fixtures.forge_server import forge, forge_server, tenant_name

__all__ = ["forge", "forge_server", "tenant_name"]

load_all_checks()
CHECKED = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "ignored_auth",
    ]
)
MACHINES = ("/api/endpoints/me", "/api/checkins", "/api/runs/check-in")
EXAMPLES = 2
SEED = 20261128

# As it is served, check-ins first past the fast path.
SCHEMA = schemathesis.openapi.from_asgi("/api/openapi.json", FastCheckins(api))


def _operations() -> list[APIOperation]:
    """All of them; deletes come last, so that the others find their objects."""
    operations: list[APIOperation] = []
    for result in SCHEMA.get_all_operations():
        assert isinstance(result, Ok), result
        operations.append(result.ok())
    return sorted(operations, key=lambda operation: operation.method == "delete")


@pytest.fixture
def operator(client: TestClient, forge: Forgejo, tenant_name: str) -> Iterator[Member]:
    """Has a repository with a job in it; a worker commits the changes."""
    member = join(tenant_name, operator=True)
    provisioning.provision(tenant_name, forge, clock.now())
    add_job(tenant_name, member.endpoint_id)
    stop = threading.Event()
    worker = threading.Thread(target=_work, args=(tenant_name, forge, stop))
    worker.start()
    yield member
    stop.set()
    worker.join()


def _work(tenant: str, forge: Forgejo, stop: threading.Event) -> None:
    while not stop.wait(0.05):
        commit_changes(tenant, forge, clock.now)
        index(tenant, forge, clock.now())


def of_existing(member: Member, path_parameters: dict[str, Any]) -> dict[str, Any]:
    """The path parameters, those of objects that exist in place of generated ones."""
    values = {
        "endpoint_id": member.endpoint_id,
        "namespace": "production",
        "name": "backup",
        "tenant_id": member.actor.tenant_id,
        "username": member.actor.username,
    }
    return {name: values.get(name, value) for name, value in path_parameters.items()}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_described(operator: Member, mode: GenerationMode) -> None:
    failures: list[str] = []
    for operation in _operations():
        queue.redis().flushdb()  # rate limits have tests of their own
        token = operator.endpoint_token if operation.path.startswith(MACHINES) else operator.session_token
        try:
            with contextlib.suppress(Unsatisfiable):  # an operation without parameters has no wrong ones
                _call(operation, mode, operator, token)
        except FailureGroup as group:
            failures += [f"{operation.method.upper()} {operation.path}: {one}" for one in group.exceptions]
    assert not failures, "\n\n".join(failures)


def _call(operation: APIOperation, mode: GenerationMode, operator: Member, token: str) -> None:
    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(operation.as_strategy(generation_mode=mode), st.booleans())
    def answers_as_described(case: Case, real: bool) -> None:
        if real:
            case.path_parameters = of_existing(operator, dict(case.path_parameters or {}))
        # Its type forgets that the registry holds classes of checks too.
        case.call_and_validate(headers=bearer(token), checks=CHECKED)  # pyright: ignore[reportArgumentType]

    answers_as_described()


def test_a_body_that_is_not_its_content_type_is_refused_in_our_shape(client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    refusal = client.post("/api/auth/register", content=b"\xff", headers=headers)
    assert (refusal.status_code, refusal.json()["code"]) == (422, "bad_input")
    assert isinstance(refusal.json()["detail"], str)
