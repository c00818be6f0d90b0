"""Secrets do not reach a page: addresses lose their passwords, tokens and values of telling names become dots."""

from __future__ import annotations

import re

DOTS = "••••••"
_TELLING = r"[\w.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|authorization|credential)s?"
_RULES = (
    # scheme://user:password@host
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]*):[^\s/@'\"]+@", re.IGNORECASE), rf"\1:{DOTS}@"),
    # our own tokens, by their prefixes
    (re.compile(r"\b(cts|ctp|cet|ep|whs)_[A-Za-z0-9_-]{8,}"), rf"\1_{DOTS}"),
    # Authorization: Bearer …, and the same without its name
    (re.compile(r"(\bauthorization['\"]?\s*[:=]\s*['\"]?)(?:\w+\s+)?[^\s'\",}]+", re.IGNORECASE), rf"\1{DOTS}"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}"), rf"\1 {DOTS}"),
    # password=…, 'token': '…', "secret": "…"
    (
        re.compile(rf"(\b{_TELLING}['\"]?\s*[=:]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s,;&)}}\]'\"]+)", re.IGNORECASE),
        rf"\1{DOTS}",
    ),
)


def masked(text: str) -> str:
    """``text`` with what looks like a secret replaced by dots; what is left says as much as before."""
    for rule, instead in _RULES:
        text = rule.sub(instead, text)
    return text
