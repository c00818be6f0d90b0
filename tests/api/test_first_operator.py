"""Who becomes operator by registering first: somebody at this machine, never a stranger behind a proxy on it."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from crontopus_app.api.app import api
from crontopus_app.base.settings import settings
from tests.cast import PASSWORD

pytestmark = pytest.mark.usefixtures("sqlite_db", "redis_url")

LOCAL = "http://127.0.0.1:8000"
FORM = {"username": "dora", "email": "dora@example.org", "password": PASSWORD}


def role_of_the_first(*, peer: str = "127.0.0.1", url: str = LOCAL, headers: dict[str, str] | None = None) -> str:
    client = TestClient(api, base_url=url, client=(peer, 40000))
    answer = client.post("/api/auth/register", json=FORM, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()["role"]


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_who_registers_first_at_this_machine_is_operator(peer: str) -> None:
    assert role_of_the_first(peer=peer) == "operator"


@pytest.mark.parametrize("peer", ["203.0.113.9", "192.168.1.7", "::ffff:203.0.113.9"])
def test_who_comes_from_another_machine_is_not(peer: str) -> None:
    assert role_of_the_first(peer=peer) == "user"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Real-IP": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"Via": "1.1 proxy"},
    ],
)
def test_what_a_proxy_on_this_machine_passes_on_is_not_from_this_machine(headers: dict[str, str]) -> None:
    assert role_of_the_first(headers=headers) == "user"


def test_a_page_of_another_name_that_resolves_to_this_machine_makes_nobody_operator() -> None:
    assert role_of_the_first(url="http://evil.example:8000") == "user"


@pytest.mark.parametrize(
    "environment",
    [
        {"CRONTOPUS_PUBLIC_URL": "https://cron.example.org", "CRONTOPUS_TRUSTED_PROXIES": "127.0.0.1"},
        {"CRONTOPUS_PUBLIC_URL": "https://cron.example.org"},
        {"CRONTOPUS_TRUSTED_PROXIES": "127.0.0.1"},
        {"CRONTOPUS_BIND": "0.0.0.0:8000", "CRONTOPUS_PUBLIC_URL": LOCAL},
    ],
)
def test_a_server_that_others_reach_makes_nobody_operator(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    assert role_of_the_first() == "user"
