"""The link that ends the reports: without a login, by a POST only; and the setting."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlmodel import col, select

from crontopus_app.alerts import reports
from crontopus_app.base.db import reading, writing
from crontopus_app.models import User
from tests.api.conftest import bearer
from tests.cast import Member


def chosen(member: Member) -> str:
    with reading() as session:
        return session.exec(select(User.report).where(col(User.id) == member.actor.user_id)).one()


@pytest.fixture
def url(client: TestClient, alice: Member) -> str:
    with writing() as session:
        session.get_one(User, alice.actor.user_id).report = "weekly"
    return f"/api/reports/unsubscribe?token={reports.unsubscribe_token(alice.actor.user_id)}"


def test_opening_the_link_asks_and_changes_nothing(client: TestClient, alice: Member, url: str) -> None:
    answer = client.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert '<form method="post">' in answer.text
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert client.head(url).status_code in (200, 405)
    assert chosen(alice) == "weekly"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ("List-Unsubscribe=One-Click", {"Content-Type": "application/x-www-form-urlencoded"}),
        (
            '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
            {"Content-Type": "multipart/form-data; boundary=b"},
        ),
        ("", {}),
        ("List-Unsubscribe=One-Click", {"Origin": "https://mail.example.com", "Sec-Fetch-Site": "cross-site"}),
    ],
)
def test_one_click_ends_them_for_any_client(
    client: TestClient, alice: Member, url: str, body: str, headers: dict[str, str]
) -> None:
    for _ in range(2):  # as often as the client likes
        answer = client.post(url, content=body, headers=headers, follow_redirects=False)
        assert answer.status_code == 200
    assert chosen(alice) == "off"
    assert "already" in client.get(url).text


def test_a_wrong_link_ends_nothing(client: TestClient, alice: Member, url: str) -> None:
    for wrong in (url[:-1], "/api/reports/unsubscribe?token=x", f"{url}%00"):
        assert client.get(wrong).status_code == 404
        assert client.post(wrong).status_code == 404
    assert client.post("/api/reports/unsubscribe").status_code == 422
    assert chosen(alice) == "weekly"


def test_the_report_is_a_setting_of_the_account(client: TestClient, alice: Member, charlie: Member) -> None:
    headers = bearer(alice.session_token)
    assert client.get("/api/auth/me", headers=headers).json()["report"] == "off"
    answer = client.patch("/api/auth/me", json={"report": "monthly"}, headers=headers)
    assert (answer.status_code, answer.json()["report"], chosen(charlie)) == (200, "monthly", "off")
    assert (
        client.patch("/api/auth/me", json={"timezone": "Europe/Berlin"}, headers=headers).json()["report"] == "monthly"
    )
    refused = client.patch("/api/auth/me", json={"report": "hourly"}, headers=headers)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "report")
