"""``X-Forwarded-For`` counts from the configured proxies only: whoever asks may send it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from crontopus_app.base.settings import settings
from tests.api.conftest import bearer
from tests.cast import PASSWORD, Member

# What Starlette's test client says of itself.
PEER = "testclient"


@pytest.fixture
def address_seen(client: TestClient, alice: Member) -> Callable[[str], str]:
    """Signs in with this X-Forwarded-For; gives the address that stands with the session."""

    def see(forwarded: str) -> str:
        form = {"username": "alice", "password": PASSWORD}
        answer = client.post("/api/auth/login", json=form, headers={"X-Forwarded-For": forwarded})
        mine = bearer(answer.json()["access_token"])
        listed = client.get("/api/auth/sessions", headers=mine).json()
        (address,) = [each["address"] for each in listed if each["current"]]
        return address

    return see


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch, client: TestClient) -> None:
    """The caller is a configured proxy."""
    monkeypatch.setenv("CRONTOPUS_TRUSTED_PROXIES", f"10.0.0.1, {PEER}")
    settings.cache_clear()


@pytest.mark.parametrize("forwarded", ["203.0.113.9", "127.0.0.1", "203.0.113.9, 127.0.0.1", PEER, ""])
def test_a_strangers_word_counts_for_nothing(address_seen: Callable[[str], str], forwarded: str) -> None:
    assert address_seen(forwarded) == PEER


def test_a_stranger_is_limited_whatever_it_says(client: TestClient) -> None:
    wrong = {"password": "not the password"}
    answers = [
        client.post(
            "/api/auth/login", json={"username": "alice", **wrong}, headers={"X-Forwarded-For": f"203.0.113.{n}"}
        ).status_code
        for n in range(30)
    ]
    assert 429 in answers


@pytest.mark.parametrize(
    ("forwarded", "seen"),
    [
        ("203.0.113.9", "203.0.113.9"),
        # The proxy adds whom it saw at the end; what stands before is the caller's own word.
        ("10.9.9.9, 203.0.113.9", "203.0.113.9"),
        ("", PEER),
    ],
)
def test_a_configured_proxy_says_who_asked(
    proxied: None, address_seen: Callable[[str], str], forwarded: str, seen: str
) -> None:
    assert address_seen(forwarded) == seen
