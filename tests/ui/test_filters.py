"""Addresses of filtered lists."""

from __future__ import annotations

import pytest

from crontopus_app.ui.kit import filters


def test_an_address_holds_only_non_empty_filters() -> None:
    assert filters.address("/runs", {"job": "a b", "status": "", "page": "2"}) == "/runs?job=a+b&page=2"
    assert filters.address("/runs", {"job": ""}) == "/runs"


@pytest.mark.parametrize(
    ("text", "page"), [("", 1), ("3", 3), ("0", 1), ("-2", 1), ("x", 1), ("²", 1), ("99999", 99999), ("100000", 1)]
)
def test_an_invalid_page_number_means_the_first_page(text: str, page: int) -> None:
    assert filters.page_number(text) == page


@pytest.mark.parametrize(("page", "word"), [(1, ""), (2, "2")])
def test_the_first_page_needs_no_word(page: int, word: str) -> None:
    assert filters.page_word(page) == word
