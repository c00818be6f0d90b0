"""Content-Security-Policy values: what a page may load and run. See docs/operate.md, "Security headers"."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

# For responses that are not pages: they may not load, run or be framed.
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_ELEMENT = {
    tag: re.compile(rf"<{tag}(?![^>]*\ssrc=)(?:\s[^>]*)?>(.*?)</{tag}>", re.DOTALL) for tag in ("script", "style")
}


def of_page(
    scripts: Iterable[str] = (), styles: Iterable[str] = (), *, evaluates: bool = False, connect: Iterable[str] = ()
) -> str:
    """The policy of a page that loads from its own origin only.

    ``scripts`` and ``styles`` are sources in addition to ``'self'``: quoted hashes or nonces. ``evaluates`` allows
    ``eval``; ``connect`` lists further origins that the page may connect to.
    """
    script_sources = (*scripts, *(("'unsafe-eval'",) if evaluates else ()))
    return "; ".join(
        (
            "default-src 'none'",
            _sources("script-src", script_sources),
            _sources("style-src", styles),
            _sources("connect-src", connect),
            "img-src 'self' data:",
            "font-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def _sources(directive: str, sources: Iterable[str]) -> str:
    return " ".join((directive, "'self'", *dict.fromkeys(sources)))


def inline(html: str, tag: str) -> list[str]:
    """The quoted hash of each inline ``script`` or ``style`` element in ``html``."""
    return [_hash(match[1]) for match in _ELEMENT[tag].finditer(html)]


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# Emotion, the style library of Reflex, creates each of its style elements empty.
EMPTY = _hash("")
