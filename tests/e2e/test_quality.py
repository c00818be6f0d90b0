"""All pages in both themes at four widths: axe, no sideways scrolling, no errors, all reachable by Tab."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab
from playwright.sync_api import TimeoutError as TooLate

from crontopus_app.ui.pages import PAGES
from tests.e2e import world
from tests.e2e.conftest import Tenant, tenant
from tests.e2e.visitors import is_error
from tests.fixtures.served import Served

WIDTHS = (1920, 1320, 768, 390)
PICTURED = (1320, 390)
ROUNDS, STEADY_IS = 3, 0.05
# One page per shape of skeleton.
STEADY = (
    "/",
    "/jobs",
    "/jobs/[ns]/[job_name]",
    "/jobs/[ns]/[job_name]/edit",
    "/runs/[run_id]",
    "/endpoints/[endpoint_id]",
    "/repository",
    "/settings",
    "/operator",
)
# Elements that Tab must reach, one per group of radio buttons; those in a closed <details> or <dialog> are not drawn.
REACHABLE = """() => {
  const all = 'a[href],button,input:not([type=hidden]),select,textarea,summary,[tabindex]';
  const drawn = e => e.checkVisibility({visibilityProperty: true}) && !e.disabled && e.tabIndex >= 0;
  const again = e => e.type === 'radio' && !e.checked && document.querySelector(`[name="${e.name}"]:checked`);
  window.left = new Set([...document.querySelectorAll(all)].filter(e => drawn(e) && !again(e)));
  window.dark = [];
  const ring = e => (s => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 1)(getComputedStyle(e));
  document.addEventListener('focusin', ({target}) => {
    left.delete(target);
    let e = target, seen = false;
    for (let up = 0; e && up < 3 && !seen; up++, e = e.parentElement) seen = ring(e);
    if (!seen) dark.push(target.outerHTML.slice(0, 160));
  });
  return left.size;
}"""
SHIFTS = """window.shifted = 0;
  const add = list => list.getEntries().forEach(shift => { if (!shift.hadRecentInput) window.shifted += shift.value; });
  new PerformanceObserver(add).observe({type: "layout-shift", buffered: true});"""
STUCK = """() => ({unseen: dark,
  unreached: [...left].filter(e => e.isConnected && e.checkVisibility()).map(e => e.outerHTML.slice(0, 160))})"""


@pytest.fixture(scope="module")
def eve(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tenant, dict[str, str]]]:
    with tenant(served, tmp_path_factory.mktemp("eve"), "eve-of-quality") as made:
        world.furnish(made, served)
        yield made, world.addresses(made)


@pytest.fixture(scope="module")
def tab(browser: Browser, served: Served, eve: tuple[Tenant, dict[str, str]]) -> Iterator[Tab]:
    """One tab for all pages, signed in, motion reduced."""
    context = browser.new_context(base_url=served.url, reduced_motion="reduce")
    world.sign_in(context, eve[0], served)
    yield context.new_page()
    context.close()


@pytest.fixture
def errors(tab: Tab) -> Iterator[list[str]]:
    """Errors in the browser's console during a test."""
    heard: list[str] = []
    hear = lambda said: heard.append(said.text) if is_error(said) else None  # noqa: E731 -- is taken off again
    fail = lambda error: heard.append(str(error))  # noqa: E731
    tab.on("console", hear)
    tab.on("pageerror", fail)
    yield heard
    tab.remove_listener("console", hear)
    tab.remove_listener("pageerror", fail)


def look_at(tab: Tab, address: str, width: int = 1320, theme: Any = "dark") -> None:
    """Opens a page and waits for its data."""
    tab.set_viewport_size({"width": width, "height": 800})
    tab.emulate_media(color_scheme=theme)
    tab.goto(address)
    tab.wait_for_selector("#main .card")
    tab.wait_for_selector("#main .skeleton", state="detached")
    expect(tab.locator("#problem")).to_have_count(0)


@pytest.mark.parametrize("route", [page.route for page in PAGES])
def test_a_page_is_complete_in_both_themes_at_every_width(
    tab: Tab, eve: tuple[Tenant, dict[str, str]], errors: list[str], screenshots: Path, route: str
) -> None:
    look_at(tab, eve[1][route])
    for theme in ("dark", "light"):
        tab.emulate_media(color_scheme=theme)
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 800})
            assert fits(tab), f"{route} scrolls sideways at {width} px: {widest(tab)}"
            if width in PICTURED:
                tab.screenshot(path=screenshots / picture(route, theme, width), full_page=True)
                assert found_by_axe(tab) == []
    assert errors == []


def picture(route: str, theme: str, width: int) -> str:
    """``jobs-ns-job_name-dark-390.png``."""
    return f"{'-'.join(re.findall(r'[a-z_]+', route)) or 'overview'}-{theme}-{width}.png"


def fits(tab: Tab) -> bool:
    """Whether nothing exceeds the window's width, once scripts have adapted to it."""
    try:
        tab.wait_for_function("document.documentElement.scrollWidth <= innerWidth")
    except TooLate:
        return False
    return True


def widest(tab: Tab) -> list[str]:
    """The outermost elements that exceed the window's right edge."""
    return tab.evaluate("""() => [...document.querySelectorAll('main *')]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
        .slice(0, 3).map(e => e.outerHTML.slice(0, 160))""")


@pytest.mark.parametrize("width", [1320, 390])
def test_data_arrives_without_a_layout_shift(tab: Tab, eve: tuple[Tenant, dict[str, str]], width: int) -> None:
    """Data replaces the skeleton without moving anything (Web Vitals call 0.1 good)."""
    page = tab.context.new_page()
    page.add_init_script(SHIFTS)
    # Without fonts: when they load depends on the pages opened before.
    page.route("**/fonts/**", lambda route: route.abort())
    shifts = {route: min(shifted(page, route, eve[1][route], width)) for route in STEADY}
    page.close()
    assert {route: shift for route, shift in shifts.items() if shift >= STEADY_IS} == {}


def shifted(page: Tab, route: str, address: str, width: int) -> list[float]:
    """Layout shift per visit; a visit with a large shift is repeated, for the end of a minute may have caused it."""
    shifts: list[float] = []
    while not shifts or (shifts[-1] >= STEADY_IS and len(shifts) < ROUNDS):
        look_at(page, address, width)
        if route == "/operator":
            expect(page.locator(".card", has_text="Components")).to_contain_text("checked")
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))")
        shifts.append(page.evaluate("shifted"))
    return shifts


def found_by_axe(tab: Tab) -> list[str]:
    """Serious and critical violations: rule, element and reason."""
    options = {"resultTypes": ["violations"], "iframes": False}
    found = Axe().run(tab, options=options).response["violations"]
    grave = [each for each in found if each["impact"] in {"serious", "critical"}]
    return [f"{each['id']}: {node['html'][:200]}: {node['failureSummary']}" for each in grave for node in each["nodes"]]


@pytest.mark.parametrize("route", [page.route for page in PAGES])
def test_everything_is_reachable_by_tab_with_a_visible_focus(
    tab: Tab, eve: tuple[Tenant, dict[str, str]], route: str
) -> None:
    look_at(tab, eve[1][route])
    count = tab.evaluate(REACHABLE)
    assert count > 3
    # Live data may add elements during a round: then another round follows.
    for _ in range(ROUNDS):
        for _ in range(count + 2):
            tab.keyboard.press("Tab")
        if tab.evaluate(STUCK)["unreached"] == []:
            break
    assert tab.evaluate(STUCK) == {"unreached": [], "unseen": []}
