"""One's own account over REST: what it says, what it refuses, what hostile clients get."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from crontopus_app.base import clock, queue
from crontopus_app.base.db import reading
from crontopus_app.models import LoginSession, Tenant
from tests.api.conftest import bearer
from tests.cast import PASSWORD, Member
from tests.ui.states import cookie_of

NEW = "a new password"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture(autouse=True)
def _rates(client: TestClient) -> None:
    queue.redis().flushdb()


def sign_in(client: TestClient, password: str = PASSWORD, name: str = "alice") -> str:
    form = {"username": name, "password": password}
    answer = client.post("/api/auth/login", json=form, headers={"User-Agent": FIREFOX})
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def me(client: TestClient, token: str) -> int:
    return client.get("/api/auth/me", headers=bearer(token)).status_code


def test_a_new_password_ends_the_other_sessions(client: TestClient, alice: Member) -> None:
    mine, other = sign_in(client), sign_in(client)
    answer = client.post("/api/auth/password", json={"current": PASSWORD, "new": NEW}, headers=bearer(mine))
    # The cast's own session is the second that ends.
    assert (answer.status_code, answer.json()) == (200, {"ended": 2})
    assert (me(client, mine), me(client, other)) == (200, 401)
    assert me(client, sign_in(client, NEW)) == 200


def test_a_wrong_password_names_its_field_and_a_sixth_guess_waits(client: TestClient, alice: Member) -> None:
    headers = bearer(alice.session_token)
    for _ in range(5):
        answer = client.post("/api/auth/password", json={"current": "wrong", "new": NEW}, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "current")
    answer = client.post("/api/auth/password", json={"current": PASSWORD, "new": NEW}, headers=headers)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_sessions_are_listed_and_ended(client: TestClient, alice: Member, charlie: Member) -> None:
    mine, other = sign_in(client), sign_in(client)
    listed = client.get("/api/auth/sessions", headers=bearer(mine)).json()
    assert [one["current"] for one in listed] == [True, False, False]
    assert {one["client"] for one in listed} == {"Firefox on Linux", "tests"}
    assert listed[0]["address"] == "testclient"
    assert not [name for one in listed for name in one if "hmac" in name or "token" in name]
    gone = next(one["id"] for one in listed[1:] if one["client"] == "Firefox on Linux")
    path = f"/api/auth/sessions/{gone}"
    assert client.delete(path, headers=bearer(charlie.session_token)).status_code == 404
    assert client.delete(path, headers=bearer(mine)).status_code == 204
    assert (me(client, mine), me(client, other)) == (200, 401)
    assert client.delete("/api/auth/sessions", headers=bearer(mine)).json() == {"ended": 1}
    assert me(client, charlie.session_token) == 200


def test_the_profile_is_changed_field_by_field(client: TestClient, alice: Member) -> None:
    headers = bearer(alice.session_token)
    answer = client.patch("/api/auth/me", json={"timezone": "Europe/Berlin"}, headers=headers)
    assert (answer.json()["timezone"], answer.json()["email"]) == ("Europe/Berlin", "alice@example.org")
    answer = client.patch("/api/auth/me", json={"email": "a@example.net", "password": PASSWORD}, headers=headers)
    assert (answer.json()["timezone"], answer.json()["email"]) == ("Europe/Berlin", "a@example.net")
    answer = client.patch("/api/auth/me", json={"role": "operator"}, headers=headers)
    assert answer.status_code == 422
    assert client.get("/api/auth/me", headers=headers).json()["role"] == "user"


@pytest.mark.parametrize("value", [None, 7, [], {}, "x" * 100_000, "\0", "'; DROP TABLE user_account; --", "\u202e"])
@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("POST", "/api/auth/password", ("current", "new")),
        ("PATCH", "/api/auth/me", ("timezone", "email", "password")),
        ("POST", "/api/auth/delete", ("username", "password")),
    ],
)
def test_bodies_of_anything_are_refused_in_our_shape(
    client: TestClient, alice: Member, method: str, path: str, fields: tuple[str, ...], value: Any
) -> None:
    body = dict.fromkeys(fields, value)
    answer = client.request(method, path, json=body, headers=bearer(alice.session_token))
    # Nothing but `null` for each field of a profile is a request that changes nothing.
    nothing = method == "PATCH" and value is None
    assert answer.status_code in ({200, 422} if nothing else {422}), answer.text
    assert nothing or answer.json()["code"]
    assert me(client, alice.session_token) == 200


def test_half_a_letter_is_no_server_error(client: TestClient, alice: Member) -> None:
    raw = json.dumps({"current": "\ud800", "new": "\udfff" * 12}).encode()
    headers = bearer(alice.session_token) | {"Content-Type": "application/json"}
    assert client.post("/api/auth/password", content=raw, headers=headers).status_code == 422


def test_another_sites_page_deletes_nobody(client: TestClient, alice: Member) -> None:
    headers = {"Cookie": cookie_of(alice), "Origin": "https://evil.example"}
    for method, path in (("POST", "/api/auth/delete"), ("DELETE", "/api/auth/sessions"), ("PATCH", "/api/auth/me")):
        body = {"username": "alice", "password": PASSWORD} if method == "POST" else {}
        answer = client.request(method, path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")


def test_an_account_is_deleted_and_everything_of_it_answers_401(client: TestClient, alice: Member) -> None:
    headers = bearer(alice.session_token)
    api = client.post("/api/tokens", json={"name": "ci", "scopes": ["admin:*"]}, headers=headers).json()["token"]
    told = client.get("/api/auth/delete", headers=headers).json()
    assert (told["jobs"], told["endpoints"], told["tokens"]) == (1, ["alice-host"], 1)
    form = {"username": "alice", "password": PASSWORD}
    assert client.post("/api/auth/delete", json=form | {"username": "alicia"}, headers=headers).status_code == 422
    answer = client.post("/api/auth/delete", json=form, headers=headers)
    assert (answer.status_code, answer.json()) == (202, told)
    assert 'crontopus_session=""' in answer.headers["set-cookie"]
    assert (me(client, alice.session_token), me(client, api)) == (401, 401)
    assert client.post("/api/auth/login", json=form).status_code == 401
    watch = client.get("/api/endpoints/me/watch", params={"head": "x"}, headers=bearer(alice.endpoint_token))
    assert watch.status_code == 401
    taken = client.post("/api/auth/register", json=form | {"email": "x@example.org"})
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    with reading() as session:
        assert session.get_one(Tenant, "alice").provisioning == "deleting"


def test_the_export_is_a_zip_with_a_name(client: TestClient, alice: Member) -> None:
    answer = client.get("/api/export", headers=bearer(alice.session_token))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    name = f"crontopus-alice-{clock.now():%Y-%m-%d}.zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    made = zipfile.ZipFile(io.BytesIO(answer.content))
    assert {"README.txt", "runs.jsonl", "account.json", "manifests/production/backup.yaml"} <= set(made.namelist())
    assert PASSWORD not in made.read("account.json").decode()


def test_signing_out_ends_one_session_only(client: TestClient, alice: Member) -> None:
    token = sign_in(client)
    assert client.post("/api/auth/logout", headers=bearer(token)).status_code == 204
    assert client.post("/api/auth/logout", headers=bearer(token)).status_code == 204
    assert (me(client, token), me(client, alice.session_token)) == (401, 200)
    with reading() as session:
        assert len(session.exec(select(LoginSession)).all()) == 1
