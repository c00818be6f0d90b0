"""Limits meet those who fail, not those beside them: sign-in, registration, enrolment."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlmodel import col, func, select

from contract import wire
from crontopus_app.api import limits
from crontopus_app.api.app import api
from crontopus_app.base import clock, rates
from crontopus_app.base.db import reading, writing
from crontopus_app.base.queue import redis
from crontopus_app.forge.client import Forgejo
from crontopus_app.models import Endpoint, EnrollmentToken
from crontopus_app.operations import provisioning
from crontopus_app.people import sign_in, tokens
from tests.api.conftest import bearer
from tests.cast import JOB_ID, NOON, PASSWORD, Member, join
from tests.fixtures.forge_server import forge, forge_server, tenant_name

__all__ = ["forge", "forge_server", "tenant_name"]

OFFICE, ELSEWHERE = "198.51.100.7", "203.0.113.9"
RIGHT = {"username": "alice", "password": PASSWORD}
WRONG = {"username": "alice", "password": "not the password"}


@pytest.fixture
def at(alice: Member) -> Callable[[str], TestClient]:
    """A browser of its own at an address."""
    return lambda address: TestClient(api, client=(address, 40000))


def fail(browser: TestClient, times: int = 5) -> None:
    for _ in range(times):
        assert browser.post("/api/auth/login", json=WRONG).status_code == 401


def test_signing_in_rightly_is_never_too_often(at: Callable[[str], TestClient]) -> None:
    browser = at(OFFICE)
    answers = [browser.post("/api/auth/login", json=RIGHT) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 7


def test_too_many_failures_are_told_when_to_try_again(at: Callable[[str], TestClient]) -> None:
    browser = at(OFFICE)
    fail(browser)
    answer = browser.post("/api/auth/login", json=RIGHT)
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert re.fullmatch(r"Too many attempts from your address\. Try again in \d+ seconds\.", answer.json()["detail"])
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    told = [answer.headers[f"X-RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")]
    assert told == ["5", "0", answer.headers["Retry-After"]]


def test_each_further_failure_makes_the_wait_longer(at: Callable[[str], TestClient]) -> None:
    browser = at(OFFICE)
    fail(browser)
    waits = []
    for _ in range(2):
        redis().delete(f"crontopus:rate:sign-in-wait:{OFFICE}|alice")  # the wait is over
        fail(browser, 1)
        waits.append(int(browser.post("/api/auth/login", json=RIGHT).headers["Retry-After"]))
    assert 60 < waits[0] <= 120 < waits[1] <= 240


def test_the_wait_has_an_end() -> None:
    waits = [sign_in.FAILURES.wait(failures) for failures in (0, 4, 5, 6, 10, 11, 12, 10_000)]
    assert waits == [0, 0, 60, 120, 1920, 3600, 3600, 3600]


def test_a_stranger_cannot_lock_an_account(at: Callable[[str], TestClient]) -> None:
    stranger = at(ELSEWHERE)
    fail(stranger)
    assert stranger.post("/api/auth/login", json=RIGHT).status_code == 429
    assert at(OFFICE).post("/api/auth/login", json=RIGHT).status_code == 200


def test_nor_an_address_for_other_accounts(at: Callable[[str], TestClient]) -> None:
    join("bob")
    fail(at(OFFICE))
    assert at(OFFICE).post("/api/auth/login", json={**RIGHT, "username": "bob"}).status_code == 200


def test_a_browser_that_signed_in_before_is_let_in_whatever_others_do_at_its_address(
    at: Callable[[str], TestClient],
) -> None:
    known = at(OFFICE)
    assert known.post("/api/auth/session", json=RIGHT).status_code == 200
    known.post("/api/auth/logout")
    fail(at(OFFICE))
    for _ in range(sign_in.OF_ADDRESS.count - 5):
        rates.spend(sign_in.OF_ADDRESS, OFFICE)
    assert at(OFFICE).post("/api/auth/login", json=RIGHT).status_code == 429
    assert known.post("/api/auth/session", json=RIGHT).status_code == 200


def test_a_known_browser_that_guesses_waits_too_and_keeps_its_count(at: Callable[[str], TestClient]) -> None:
    known = at(OFFICE)
    for _ in range(2):
        known.post("/api/auth/session", json=RIGHT)
        fail(known, 2)
    fail(known, 1)
    assert known.post("/api/auth/session", json=RIGHT).status_code == 429


@pytest.mark.parametrize("name", ["bob", ""])
def test_only_a_mark_of_the_same_account_makes_a_browser_known(at: Callable[[str], TestClient], name: str) -> None:
    browser = at(OFFICE)
    fail(browser)
    browser.cookies["crontopus_device"] = sign_in.new_device(name) if name else "0123456789abcdef.forged"
    assert browser.post("/api/auth/session", json=RIGHT).status_code == 429


def test_trying_a_password_on_many_accounts_ends_too(at: Callable[[str], TestClient]) -> None:
    for _ in range(sign_in.OF_ADDRESS.count - 1):
        rates.spend(sign_in.OF_ADDRESS, ELSEWHERE)
    browser = at(ELSEWHERE)
    fail(browser, 1)
    assert browser.post("/api/auth/login", json={**WRONG, "username": "bob"}).status_code == 429


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [("2001:db8:0:1::5", "2001:db8:0:1:ffff::6", 429), ("2001:db8:0:1::5", "2001:db8:0:2::5", 401)],
)
def test_the_addresses_of_one_ipv6_subscriber_count_as_one(
    at: Callable[[str], TestClient], first: str, second: str, status: int
) -> None:
    fail(at(first))
    assert at(second).post("/api/auth/login", json=WRONG).status_code == status


def form(name: str, **fields: str) -> dict[str, str]:
    return {"username": name, "email": f"{name}@example.org", "password": PASSWORD, **fields}


def test_refused_forms_do_not_count_as_registrations(at: Callable[[str], TestClient]) -> None:
    browser = at(OFFICE)
    for _ in range(limits.REGISTER.count + 2):
        assert browser.post("/api/auth/register", json=form("dora", password="short")).status_code == 422
    made = browser.post("/api/auth/register", json=form("dora"))
    assert (made.status_code, made.headers["X-RateLimit-Remaining"]) == (201, str(limits.REGISTER.count - 1))


def test_but_have_a_limit_of_their_own(at: Callable[[str], TestClient]) -> None:
    browser = at(OFFICE)
    for _ in range(limits.REGISTER_REFUSED.count - 1):
        rates.spend(limits.REGISTER_REFUSED, OFFICE)
    assert browser.post("/api/auth/register", json=form("alice")).status_code == 409
    refused = browser.post("/api/auth/register", json=form("dora"))
    assert (refused.status_code, refused.headers["X-RateLimit-Limit"]) == (429, "30")
    assert re.fullmatch(r"Too many attempts from your address\. Try again at \d\d:\d\d UTC\.", refused.json()["detail"])
    assert at(ELSEWHERE).post("/api/auth/register", json=form("dora")).status_code == 201


def test_registrations_of_an_address_have_a_limit(at: Callable[[str], TestClient]) -> None:
    for _ in range(limits.REGISTER.count):
        rates.spend(limits.REGISTER, OFFICE)
    refused = at(OFFICE).post("/api/auth/register", json=form("dora"))
    assert (refused.status_code, refused.headers["X-RateLimit-Limit"]) == (429, "10")


@pytest.mark.parametrize(
    ("seconds", "sentence"),
    [
        (1, "Try again in 1 second."),
        (119, "Try again in 119 seconds."),
        (120, "Try again at 16:28 UTC."),
        (180, "Try again at 16:29 UTC."),
        (3600, "Try again at 17:26 UTC."),
    ],
)
def test_when_to_try_again_is_never_too_early(seconds: int, sentence: str) -> None:
    assert rates.try_again(seconds, datetime(2026, 11, 23, 16, 25, 30, tzinfo=UTC)) == sentence


@pytest.mark.parametrize("path", ["/api/checkins", "/api/checkins/batch", "/api/runs/check-in"])
def test_every_check_in_says_what_is_left_of_the_endpoints_rate(client: TestClient, alice: Member, path: str) -> None:
    told = {"id": str(uuid4()), "run_id": str(uuid4()), "job_id": JOB_ID, "kind": "success", "at": NOON.isoformat()}
    legacy = {"endpoint_id": alice.endpoint_id, "job_name": "backup", "namespace": "production", "status": "success"}
    body = {"/api/checkins": told, "/api/checkins/batch": [told], "/api/runs/check-in": legacy}[path]
    answer = client.post(path, json=body, headers=bearer(alice.endpoint_token))
    assert answer.status_code == 200
    assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == ("6000", "5999")


HOSTS = 200


@pytest.fixture
def token(client: TestClient, forge: Forgejo, tenant_name: str) -> str:
    """An enrolment token without a limit, of a tenant whose repository is made."""
    actor = join(tenant_name).actor
    provisioning.provision(actor.tenant_id, forge, clock.now())
    with writing() as session:
        wanted = wire.EnrollmentTokenRequest("fleet", max_uses=HOSTS)
        made = tokens.create_enrollment(session, actor, wanted, clock.now()).token
    return made or ""


def enroll(client: TestClient, token: str, number: int = 0) -> int:
    machine = {"machine_id": f"machine-{number}", "hostname": f"web{number}"}
    return client.post("/api/endpoints/enroll", json=machine, headers=bearer(token)).status_code


def test_a_fleet_behind_one_address_enrols_in_one_go_with_one_token(client: TestClient, token: str) -> None:
    with ThreadPoolExecutor(8) as hosts:
        answers = list(hosts.map(lambda number: enroll(client, token, number), range(HOSTS)))
    assert answers == [200] * HOSTS
    with reading() as session:
        enrolled = select(Endpoint.name).where(col(Endpoint.name).startswith("web"))
        assert sorted(session.exec(enrolled)) == sorted(f"web{number}" for number in range(HOSTS))
        assert session.exec(select(func.max(EnrollmentToken.uses))).one() == HOSTS
    assert enroll(client, token, HOSTS) == 401  # the token's own uses are the limit


def test_guessed_enrolment_tokens_are_slowed_down_and_good_ones_are_not(client: TestClient, token: str) -> None:
    answers = [enroll(client, "cet_guessed") for _ in range(limits.ENROLL_FAILED.count + 1)]
    assert answers == [401] * limits.ENROLL_FAILED.count + [429]
    assert enroll(client, token) == 200
