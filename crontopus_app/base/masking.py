"""Masks secrets in text: passwords in URLs, tokens, and values of names such as ``password``."""

from __future__ import annotations

import re

DOTS = "••••••"
_NAME = r"(?:password|passwd|passphrase|secret|token|api[_-]?key|authorization|credential)s?"
# The closing quote is optional: the text may have been cut off.
_QUOTED = r"'[^'\r\n]*'?|\"[^\"\r\n]*\"?"
# The separator between a header's name and its value: a colon, or the comma of a tuple.
_SEPARATOR = r"(?:['\"]?\s*[:=]|['\"],)\s*b?"
# No rule begins with an unbounded repetition, so the time grows linearly with the text.
_RULES = (
    # scheme://user:password@host
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@'\"]*):[^\s/@'\"]+@", re.IGNORECASE), rf"\1:{DOTS}@"),
    # tokens of Crontopus, by their prefixes
    (re.compile(r"\b(cts|ctp|cet|ep|pk|whs)_[A-Za-z0-9_-]{8,}"), rf"\1_{DOTS}"),
    # Cookie: …, 'cookie': '…', (b'cookie', b'…'), and the same for Set-Cookie
    (re.compile(rf"(\b(?:set-)?cookie{_SEPARATOR})(?:{_QUOTED}|[^'\"\r\n]+)", re.IGNORECASE), rf"\1{DOTS}"),
    # Authorization: Bearer …, with or without the header's name
    (re.compile(rf"(\bauthorization{_SEPARATOR}['\"]?)(?:\w+\s+)?[^\s'\",}}]+", re.IGNORECASE), rf"\1{DOTS}"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}"), rf"\1 {DOTS}"),
    # password=…, 'token': '…', "secret": "…"
    (
        re.compile(rf"({_NAME}['\"]?\s*[=:]\s*)(?:{_QUOTED}|[^\s,;&)}}\]'\"]+)", re.IGNORECASE),
        rf"\1{DOTS}",
    ),
)


def masked(text: str) -> str:
    """``text`` with everything that looks like a secret replaced by dots."""
    for rule, replacement in _RULES:
        text = rule.sub(replacement, text)
    return text
