"""Filters and page numbers in the address, so that every view can be shared as a link. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass(frozen=True)
class Pill:
    """A filter as a link. ``on``: it is active. ``apart``: it begins another group of filters."""

    text: str
    href: str
    on: bool
    apart: bool = False


@dataclass(frozen=True)
class Pages:
    """Addresses of the previous and the next page, empty if there is none; ``summary`` counts the rows shown."""

    before: str = ""
    after: str = ""
    summary: str = ""


def address(path: str, filters: Mapping[str, str]) -> str:
    """The path with the non-empty filters as its query."""
    query = urlencode({name: value for name, value in filters.items() if value})
    return f"{path}?{query}" if query else path


def page_number(text: str) -> int:
    """The page number in an address, from 1; 1 if it is no number."""
    return max(1, int(text)) if text.isdecimal() and len(text) < 6 else 1


def page_word(page: int) -> str:
    """The page number for an address; empty for the first page."""
    return str(page) if page > 1 else ""
