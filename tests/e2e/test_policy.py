"""The server's content security policies allow what its pages need, in a real browser, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import world
from tests.e2e.conftest import Tenant, tenant
from tests.e2e.visitors import Visitor, is_error
from tests.fixtures.served import Served

VIOLATIONS = "addEventListener('securitypolicyviolation', e => (window.refused ||= []).push(e.effectiveDirective))"


@pytest.fixture(scope="module")
def operator(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    with tenant(served, tmp_path_factory.mktemp("olga"), "olga-of-policy") as made:
        world.furnish(made, served)
        yield made


@pytest.fixture
def page(browser: Browser, served: Served, operator: Tenant) -> Iterator[Page]:
    """A tab of the operator's; errors in its console fail the test."""
    errors: list[str] = []
    context = browser.new_context(base_url=served.url)
    world.sign_in(context, operator, served)
    tab = context.new_page()
    tab.on("console", lambda message: errors.append(message.text) if is_error(message) else None)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    yield tab
    context.close()
    assert errors == []


def test_the_description_of_the_api_is_drawn(page: Page) -> None:
    page.goto("/api/docs")
    expect(page.get_by_text("/api/auth/login", exact=True)).to_be_visible()


def test_the_dashboard_of_the_queues_is_drawn(page: Page) -> None:
    page.goto("/operator/rq/")
    expect(page.locator("#queues-table, table").get_by_text("crontopus").first).to_be_visible()
    page.goto("/operator/rq/0/view/workers")
    expect(page.locator("table tbody tr").first).to_be_visible()


def test_an_injected_script_does_not_run(opened: Callable[..., Page], visitor: Visitor) -> None:
    page = opened(visitor, troubled=True)
    page.evaluate(VIOLATIONS)
    page.evaluate(
        """() => {
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend", '<img src="/nowhere" onerror="window.ran = true">');
        const far = new Image(); far.src = "https://elsewhere.example/x.png"; document.body.append(far); }"""
    )
    page.wait_for_function("window.refused && refused.length >= 3")
    assert set(page.evaluate("refused")) == {"script-src-elem", "script-src-attr", "img-src"}
    assert page.evaluate("window.ran") is None
