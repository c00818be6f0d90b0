"""The kit's page in a real browser: each component in each state, in both themes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

CARDS = ["Words", "Table", "30 days", "Text", "Forms", "Nothing yet", "Loading"]


@pytest.mark.parametrize("narrow", [False, True])
def test_every_component_is_drawn_in_both_themes(opened: Callable[..., Page], screenshots: Path, narrow: bool) -> None:
    page = opened(narrow=narrow)
    page.goto("/kit")
    for theme in ("dark", "light"):
        side = page.locator(f".in-{theme}")
        expect(side.locator("time").first).not_to_have_text("…")
        headings = [text.split("\n")[0] for text in side.locator(".card > h2").all_inner_texts()]
        assert all(any(text.startswith(card) for text in headings) for card in CARDS), headings
        assert side.locator("[class*='s-']").count() > 60
        side.screenshot(path=screenshots / f"kit-{theme}-{390 if narrow else 1320}.png")
    dark, light = (
        page.locator(f".in-{theme}").evaluate("e => getComputedStyle(e).color") for theme in ("dark", "light")
    )
    assert dark != light
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_dialogs_toasts_and_hints_work_without_a_server(opened: Callable[..., Page], screenshots: Path) -> None:
    page = opened()
    page.goto("/kit")
    opener = page.get_by_role("button", name="Open a dialog")
    opener.click()
    expect(page.locator("dialog#example")).to_contain_text("Removes 1 line on 3 hosts.")
    page.screenshot(path=screenshots / "kit-dialog.png")
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    page.get_by_role("button", name="Say failed").click()
    expect(page.get_by_role("alert").filter(has_text="Said as failed.")).to_be_visible()
    moment = page.locator(".in-dark time").first
    moment.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(page.locator("#hint")).to_contain_text("UTC")
    expect(page.locator("#hint")).to_contain_text("Europe/Berlin")
    page.screenshot(path=screenshots / "kit-toast.png")
