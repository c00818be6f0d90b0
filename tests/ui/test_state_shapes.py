"""States are told apart without colour: each is drawn in the same grey, and all pictures differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from crontopus_app.ui import theme
from crontopus_app.ui.kit.charts import Paths, bar

CSS = (Path(__file__).resolve().parents[2] / "assets" / "console.css").read_text()
STATES = ("ok", "running", "late", "failed", "missed", "unknown", "paused", "skipped")
DRAWN = {
    "dots": (STATES, lambda state: f'<s class="dot s-{state}"></s>'),
    "tags": (STATES, lambda state: f'<span class="tag s-{state}">word</span>'),
    "squares": (STATES[:6], lambda state: f'<a class="s-{state}"></a>'),
    "bars": (
        tuple(state for state in Paths.__dataclass_fields__ if state != "running"),
        lambda state: (
            f'<svg class="bars" style="width:40px" viewBox="0 0 10 20">'
            f'<path class="s-{state}" d="{bar(state, 2, 2, 6, 16)}"/></svg>'
        ),
    ),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_each_state_has_a_shape_of_its_own(browser: Browser, kind: str) -> None:
    states, draw = DRAWN[kind]
    page = browser.new_page(device_scale_factor=4)
    grey = "*{--c:#888!important}.one{width:60px;height:30px;padding:4px}.strip{--columns:1;width:24px}"
    css_class = "one strip" if kind == "squares" else "one"
    boxes = "".join(f'<div class="{css_class}" id="{state}">{draw(state)}</div>' for state in states)
    page.set_content(f"<style>{theme.css()}{CSS}{grey}</style>{boxes}")
    pictures = {state: page.locator(f"#{state}").screenshot() for state in states}
    page.close()
    same = [(a, b) for a in states for b in states if a < b and pictures[a] == pictures[b]]
    assert same == []


def test_no_accent_is_the_colour_of_ok() -> None:
    for tokens in (theme.DARK, theme.LIGHT):
        red, green, blue = (int(tokens["accent"][place : place + 2], 16) for place in (1, 3, 5))
        assert green < max(red, blue), tokens["accent"]
