"""The component kit in a real browser: all components in all states, in both themes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.test_quality import found_by_axe

CARDS = (
    "Words",
    "Table",
    "Runs",
    "24 hours",
    "30 days",
    "Next runs",
    "Text",
    "Editor",
    "Forms",
    "Dialog",
    "Toasts",
    "Nothing yet",
    "Loading",
)
EDGES = (".ed textarea", ".ed-mark.s-failed")
# Selectors of all components, with the least number on each side.
SHOWN = {
    ".dot.s-missed": 2,
    ".tag": 8,
    ".state": 4,
    ".tile": 8,
    ".scroll th": 12,
    ".pill": 3,
    "time[data-tip]": 8,
    "button.copy": 1,
    ".copyline button": 1,
    ".ln.bad .word": 2,
    ".ln.warn": 1,
    ".term .a31": 1,
    "svg.bars path": 4,
    ".strip > *": 11,
    ".strip > .s-none": 1,
    ".barlist > *": 12,
    ".durations .mark": 3,
    ".timeline .row": 7,
    ".timeline path.s-missed[d]": 1,
    ".timeline path.slots[d]": 5,
    ".going.s-running, .going.s-late": 2,
    ".ed textarea": 3,
    ".ed-mark": 2,
    ".skeleton": 9,
    ".skeleton.rows": 2,
    ".empty": 1,
    ".toast": 5,
    "dialog[open]": 1,
    "kbd": 3,
}


@pytest.mark.parametrize("narrow", [False, True])
def test_every_component_is_drawn_in_both_themes(opened: Callable[..., Page], screenshots: Path, narrow: bool) -> None:
    page = opened(narrow=narrow)
    # Without fade-ins, which would disturb the measurements.
    page.emulate_media(reduced_motion="reduce")
    page.goto("/kit")
    for theme in ("dark", "light"):
        side = page.locator(f".in-{theme}")
        expect(side.locator("time").first).not_to_have_text("…")
        headings = [text.split("\n")[0] for text in side.locator(".card > h2").all_inner_texts()]
        assert all(any(text.startswith(card) for text in headings) for card in CARDS), headings
        for what, least in SHOWN.items():
            expect(side.locator(what).nth(least - 1)).to_be_attached()
        day_is_right(side, narrow)
        editors_are_right(side)
        side.screenshot(path=screenshots / f"kit-{theme}-{390 if narrow else 1320}.png")
    dark, light = (
        page.locator(f".in-{theme}").evaluate("e => getComputedStyle(e).color") for theme in ("dark", "light")
    )
    assert dark != light
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert found_by_axe(page) == []


def day_is_right(side: Locator, narrow: bool) -> None:
    """Lanes with past, running and planned runs at a fixed time; a list on a phone."""
    if narrow:
        expect(side.locator(".lane").first).to_be_hidden()
        expect(side.locator(".brief").first).to_contain_text("last run")
        expect(side.locator(".brief").last).to_have_text("no run in 12 h")
    else:
        expect(side.locator(".now time")).to_have_attribute("datetime", "2026-03-24T01:00:00+00:00")
        expect(side.locator(".brief").first).to_be_hidden()
        end = side.locator(".going.s-late").evaluate("e => e.getBoundingClientRect().right")
        assert abs(end - side.locator(".now").evaluate("e => e.getBoundingClientRect().left")) < 4


def editors_are_right(side: Locator) -> None:
    """Marks are at their lines, errors are exposed to screen readers, and the list leads to the lines."""
    area = side.locator(".ed textarea").first
    expect(area).to_have_attribute("aria-invalid", "true")
    expect(side.locator(".ed-numbers").first).to_contain_text("5")
    top, third = (side.locator(each).first.evaluate("e => e.getBoundingClientRect().top") for each in EDGES)
    assert abs(third - top - 8 - 2 * 19) < 2
    side.get_by_role("button", name="line 3").click()
    expect(area).to_be_focused()
    assert area.evaluate("e => e.value.slice(0, e.selectionStart).split('\\n').length") == 3


def test_pills_are_bound_to_the_address(opened: Callable[..., Page]) -> None:
    page = opened()
    page.goto("/kit?state=late")
    on = page.locator(".in-dark .pill.on")
    expect(on).to_have_text("late 1")
    page.locator(".in-dark .pill", has_text="failing").click()
    expect(on).to_have_text("failing 1")
    page.go_back()
    expect(on).to_have_text("late 1")


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
