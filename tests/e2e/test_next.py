"""After sign-in the browser goes to a page of the console, whatever ``next`` says."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from tests.e2e.visitors import Visitor, allow, sign_in
from tests.fixtures.served import Served

# Parts that browsers parse specially: both slashes, characters they drop, credentials, schemes, dots.
WORDS = "/ \\ // .. . @ : ? # [ 1 %09 %2f %5c evil.example http: https:// javascript:alert(1) data: blob: x jobs 。 ／"
PARTS = st.sampled_from([*WORDS.split(), "\t", "\n", "\r", " ", "\x00"])
ADDRESSES = st.lists(st.lists(PARTS, max_size=8).map("".join), min_size=200, max_size=200)
# The browser's own parser says where a link with that address would lead.
GOES = """nexts => nexts.map(next => {
  const link = document.createElement("a");
  link.href = crontopusWithin(next);
  return link.origin === location.origin && link.protocol === location.protocol ? "" : next; }).filter(Boolean)"""
EVIL = ["//evil.example", "/\\evil.example", "/\t/evil.example", "/.//evil.example", "\\\\evil.example"]


def test_no_address_leads_away(opened: Callable[..., Page]) -> None:
    page = opened()
    page.goto("/login")

    @settings(max_examples=20)
    @given(ADDRESSES)
    def holds(nexts: list[str]) -> None:
        assert page.evaluate(GOES, nexts + EVIL) == []

    holds()


@pytest.mark.parametrize("next_page", ["/runs?status=failed", "/jobs/production/greet", "/settings#password"])
def test_an_address_of_the_console_is_kept(opened: Callable[..., Page], next_page: str) -> None:
    page = opened()
    page.goto("/login")
    origin = page.evaluate("location.origin")
    assert page.evaluate("next => crontopusWithin(next)", next_page) == origin + next_page


@pytest.mark.parametrize("away", ["/%09/evil.example/x", "//evil.example/x", "https://evil.example"])
def test_signing_in_leads_to_no_other_site(
    opened: Callable[..., Page], served: Served, visitor: Visitor, away: str
) -> None:
    page = opened()
    allow(served)
    sign_in(page, visitor.name, f"/login?next={away if '%09' in away else quote(away)}")
    assert page.url.startswith(f"{served.url}/")
    assert "evil" not in page.url.split("/")[2]
