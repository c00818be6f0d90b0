"""Policies name what a page itself contains, and nothing else."""

from __future__ import annotations

import base64
import hashlib

from crontopus_app.base import csp


def sha256(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_inline_elements_are_named_by_their_hashes() -> None:
    html = (
        '<script>a()</script><script src="/b.js"></script><script type="module" async="">\nc\n</script><style>d</style>'
    )
    assert csp.inline(html, "script") == [sha256("a()"), sha256("\nc\n")]
    assert csp.inline(html, "style") == [sha256("d")]


def test_a_script_that_says_src_is_still_inline() -> None:
    assert csp.inline('<script>let src="x"</script>', "script") == [sha256('let src="x"')]


def test_a_page_may_load_from_its_own_origin_only() -> None:
    policy = dict(part.split(" ", 1) for part in csp.of_page(["'nonce-1'"], connect=["wss://a.example"]).split("; "))
    assert policy["script-src"] == "'self' 'nonce-1'"
    assert policy["connect-src"] == "'self' wss://a.example"
    assert (policy["default-src"], policy["frame-ancestors"], policy["base-uri"]) == ("'none'",) * 3


def test_only_who_evaluates_may() -> None:
    assert "unsafe-eval" not in csp.of_page()
    assert "script-src 'self' 'unsafe-eval'" in csp.of_page(evaluates=True)


def test_the_empty_element_is_known() -> None:
    assert sha256("") == csp.EMPTY
