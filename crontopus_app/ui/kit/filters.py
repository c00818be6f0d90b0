"""Filters and pages that live in the address, so that every view can be sent to a colleague. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass(frozen=True)
class Pill:
    """A filter as a link, and whether it is on; one that begins another kind stands ``apart``."""

    text: str
    href: str
    on: bool
    apart: bool = False


@dataclass(frozen=True)
class Pages:
    """Addresses of the page before and the next one, empty where there is none; ``summary`` counts what is shown."""

    before: str = ""
    after: str = ""
    summary: str = ""


def address(path: str, filters: Mapping[str, str]) -> str:
    """The path with those filters that say something."""
    query = urlencode({name: value for name, value in filters.items() if value})
    return f"{path}?{query}" if query else path


def page_number(asked: str) -> int:
    """The page that an address asks for, from 1; the first for nonsense."""
    return max(1, int(asked)) if asked.isdecimal() and len(asked) < 6 else 1


def page_word(page: int) -> str:
    """The page as a filter: nothing for the first, whose address stays short."""
    return str(page) if page > 1 else ""
