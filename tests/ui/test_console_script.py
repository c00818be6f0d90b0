"""Sign-in errors and times of the console in a real browser, against a server that answers as the API does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

SCRIPTS = Path(__file__).resolve().parents[2] / "assets" / "js"
ENTRIES = "".join(f'<script type="module" src="/js/{name}.js"></script>' for name in ("sign-in", "times"))
FORM = """<form data-door="session"><input name="username" value="eve"><input name="password" value="wrong">
<div role="alert"></div><button type="submit">Sign in</button></form>"""
URL = "http://console.test/login"


@pytest.fixture
def sign_in_page(browser: Browser) -> Page:
    """The sign-in form in a browser in Berlin, at 15:40 there."""
    context = browser.new_context(timezone_id="Europe/Berlin", locale="en-GB")
    page = context.new_page()
    page.clock.set_fixed_time(datetime(2026, 3, 2, 14, 40, 30, tzinfo=UTC))
    page.route(URL, lambda route: route.fulfill(content_type="text/html", body=FORM + ENTRIES))
    page.route("**/js/*.js", lambda route: route.fulfill(path=SCRIPTS / route.request.url.rsplit("/", 1)[-1]))
    page.goto(URL)
    return page


def refuse(page: Page, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
    """Signs in; the API answers with this error."""

    def answer(route: Route) -> None:
        body = json.dumps({"detail": detail, "code": "refused"})
        route.fulfill(status=status, headers={"Content-Type": "application/json", **(headers or {})}, body=body)

    page.route("**/api/auth/session", answer)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "Try again in 1 second."),
        (59, "Try again in 59 seconds."),
        (2800, "Try again at 16:28."),
        (43_200, "Try again at 3 Mar, 03:41."),
    ],
)
def test_a_rate_limit_shows_when_it_ends_by_the_visitors_clock(sign_in_page: Page, seconds: int, text: str) -> None:
    refuse(sign_in_page, 429, "Too many attempts.", {"Retry-After": str(seconds)})
    expect(sign_in_page.get_by_role("alert")).to_have_text(f"Too many attempts from your address. {text}")


@pytest.mark.parametrize(
    ("at", "zone", "text"),
    [
        ("2026-03-02T14:40:00Z", "Europe/Berlin", ""),
        ("2026-03-02T14:40:00Z", "Europe/Paris", ""),
        ("2026-03-02T14:40:00Z", "UTC", "15:40 your time"),
        ("2026-03-02T15:40:00Z", "Asia/Tokyo", "2 Mar, 16:40 your time"),
        ("2026-03-02T14:40:00Z", "", "15:40 your time"),
    ],
)
def test_the_viewers_clock_is_shown_only_where_it_differs(sign_in_page: Page, at: str, zone: str, text: str) -> None:
    element = f'<time datetime="{at}" data-time="yours" data-zone="{zone}">…</time>'
    sign_in_page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", element)
    expect(sign_in_page.locator("time")).to_have_text(text)


def test_an_error_of_no_field_is_shown_without_backticks(sign_in_page: Page) -> None:
    refuse(sign_in_page, 401, "Wrong `username` or password.")
    expect(sign_in_page.get_by_role("alert")).to_have_text("Wrong username or password.")
