"""Searching, keys and the back button in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.visitors import Visitor, check_in, sign_in

OPTIONS = "#found [role=option]"


def test_a_job_is_found_from_the_keyboard_and_the_way_back_is_kept(
    opened: Callable[..., Page], visitor: Visitor, screenshots: Path
) -> None:
    run_id = check_in(visitor)
    page = opened(visitor, "/runs")
    # Whoever types fast types before the next page is there: nothing of it is lost.
    with page.expect_response("**/api/search?q=gree"):
        page.keyboard.type("gj/gree")
    box = page.locator("#search")
    expect(page.get_by_role("heading", level=1, name="Jobs")).to_be_visible()
    expect(box).to_be_focused()
    expect(box).to_have_value("gree")
    expect(page.locator(OPTIONS).first).to_contain_text("production/greet")
    expect(box).to_have_attribute("aria-expanded", "true")
    page.screenshot(path=screenshots / "search-box.png")
    page.keyboard.press("ArrowDown")
    expect(box).to_have_attribute("aria-activedescendant", "found-0")
    page.keyboard.press("Escape")
    expect(page.locator("#found-box")).to_be_hidden()
    expect(box).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator(OPTIONS).first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/jobs/production/greet$"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("greet")
    page.keyboard.type(f"/{run_id[:10]}")
    expect(page.locator(OPTIONS)).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/search\?q={run_id[:10]}$"))
    page.locator(f'#main a[href="/runs/{run_id}"]').first.click()
    expect(page.locator("#output")).to_contain_text("hello world")
    # A match goes over the end of a coloured piece.
    page.get_by_label("find in the output").fill("LLO WOR")
    expect(page.locator("[data-find-count]")).to_have_text("1 of 1")
    page.get_by_label("find in the output").fill("nowhere")
    expect(page.locator("[data-find-count]")).to_have_text("not found")
    for address in (rf"/search\?q={run_id[:10]}$", "/jobs/production/greet$", "/jobs$", "/runs/?$"):
        page.go_back()
        expect(page).to_have_url(re.compile(address))
    expect(page.get_by_role("heading", level=1, name="Runs")).to_be_visible()


def test_filters_that_are_typed_are_the_address_and_the_way_back(opened: Callable[..., Page], visitor: Visitor) -> None:
    run_id = check_in(visitor)
    page = opened(visitor, "/runs?status=success")
    page.get_by_label("filter by job").fill("nothing")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/runs\?job=nothing&status=success$"))
    expect(page.get_by_text("No runs match")).to_be_visible()
    page.go_back()
    expect(page.locator(f'a[href="/runs/{run_id}"]')).to_be_visible()
    expect(page.get_by_label("filter by job")).to_have_value("")


def test_where_one_wanted_to_go_is_kept_with_all_of_its_address(opened: Callable[..., Page], visitor: Visitor) -> None:
    page = opened()
    sign_in(page, visitor.name, "/search?q=gre%20et#second")
    expect(page).to_have_url(re.compile(r"/search/?\?q=gre(%20|\+)et#second$"))
    expect(page.locator("#search")).to_have_value("gre et")


def test_a_git_credential_is_created_shown_once_and_revoked(
    opened: Callable[..., Page], visitor: Visitor, screenshots: Path
) -> None:
    page = opened(visitor, "/repository")
    page.get_by_role("button", name="Create credential").click()
    page.get_by_label("Name").fill("my laptop")
    page.locator("dialog#make-credential").get_by_role("button", name="Create credential").click()
    made = page.locator("#made")
    expect(made).to_contain_text("New credential my laptop", timeout=20_000)
    expect(made.locator("pre").nth(1)).to_have_text(visitor.name)
    expect(made.locator("pre").nth(2)).to_have_text(re.compile("^[0-9a-f]{40}$"))
    page.screenshot(path=screenshots / "git-credential.png")
    page.get_by_role("button", name="Revoke my laptop").click()
    page.get_by_role("button", name="Revoke credential").click()
    expect(page.get_by_text("Git now rejects it")).to_be_visible(timeout=20_000)
    expect(made).to_have_count(0)
    expect(page.get_by_role("button", name="Revoke my laptop")).to_have_count(0)


def test_search_and_repository_are_usable_on_a_telephone(
    opened: Callable[..., Page], visitor: Visitor, screenshots: Path
) -> None:
    page = opened(visitor, "/repository", narrow=True, theme="light")
    expect(page.get_by_text("up to date")).to_be_visible()
    expect(page.locator("table").last).to_contain_text(re.compile("greet"))
    page.screenshot(path=screenshots / "repository-light-390.png", full_page=True)
    page.locator("#search").fill("greet")
    expect(page.locator(OPTIONS).first).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator(OPTIONS).first.click()
    expect(page).to_have_url(re.compile("/jobs/production/greet$"))
    expect(page.locator("#found-box")).to_be_hidden()
