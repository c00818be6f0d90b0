"""Secrets do not reach a page: addresses lose their passwords, tokens and values of telling names become dots."""

from __future__ import annotations

import re

DOTS = "••••••"
_TELLING = r"(?:password|passwd|passphrase|secret|token|api[_-]?key|authorization|credential)s?"
# The end of a text that was cut off may be missing.
_QUOTED = r"'[^'\r\n]*'?|\"[^\"\r\n]*\"?"
# What stands between a header's name and its value: a colon, or the comma of a tuple.
_SAYS = r"(?:['\"]?\s*[:=]|['\"],)\s*b?"
# No rule begins with a repetition without an end: a long text takes as long as it is long, not the square of it.
_RULES = (
    # scheme://user:password@host
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@'\"]*):[^\s/@'\"]+@", re.IGNORECASE), rf"\1:{DOTS}@"),
    # our own tokens, by their prefixes
    (re.compile(r"\b(cts|ctp|cet|ep|whs)_[A-Za-z0-9_-]{8,}"), rf"\1_{DOTS}"),
    # Cookie: …, 'cookie': '…', (b'cookie', b'…'), and the same for Set-Cookie
    (re.compile(rf"(\b(?:set-)?cookie{_SAYS})(?:{_QUOTED}|[^'\"\r\n]+)", re.IGNORECASE), rf"\1{DOTS}"),
    # Authorization: Bearer …, and the same without its name
    (re.compile(rf"(\bauthorization{_SAYS}['\"]?)(?:\w+\s+)?[^\s'\",}}]+", re.IGNORECASE), rf"\1{DOTS}"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}"), rf"\1 {DOTS}"),
    # password=…, 'token': '…', "secret": "…"
    (
        re.compile(rf"({_TELLING}['\"]?\s*[=:]\s*)(?:{_QUOTED}|[^\s,;&)}}\]'\"]+)", re.IGNORECASE),
        rf"\1{DOTS}",
    ),
)


def masked(text: str) -> str:
    """``text`` with what looks like a secret replaced by dots; what is left says as much as before."""
    for rule, instead in _RULES:
        text = rule.sub(instead, text)
    return text
