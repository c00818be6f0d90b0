"""The API in this process, on a real database and a real Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient

from contract import wire
from crontopus_app.api.app import api
from crontopus_app.api.fast_checkins import FastCheckins
from crontopus_app.base.db import writing
from crontopus_app.people import tokens
from tests.cast import NOON, Member, add_job, join


@pytest.fixture
def client(sqlite_db: object, redis_url: str) -> Iterator[TestClient]:
    # The one that is served: building another takes a quarter of a second, and tests leave nothing in it.
    with TestClient(FastCheckins(api), raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def alice(client: TestClient) -> Member:
    """Owns a job on an endpoint."""
    member = join("alice")
    add_job("alice", member.endpoint_id)
    return member


@pytest.fixture
def charlie(alice: Member) -> Member:
    """Must never see anything of alice's."""
    return join("charlie")


@pytest.fixture
def token_with(alice: Member) -> Callable[..., str]:
    """Makes API tokens of alice's."""

    def make(*scopes: str) -> str:
        with writing() as session:
            form = wire.ApiTokenRequest(name="test", scopes=list(scopes))
            return tokens.create_api(session, alice.actor, form, NOON).token or ""

    return make


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
