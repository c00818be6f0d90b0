"""Masks secrets in crontab lines before they leave the host. Pure.

Masked: the value of ``NAME=value`` where NAME contains TOKEN, SECRET, PASS, KEY or CREDENTIAL (any case), also inside
``--name=value``, ``--name value`` and URLs' query parts; ``-pVALUE`` of the MySQL family; the password in
``user:password@host``; what follows ``Bearer``, ``Basic`` or ``token`` in a header.
"""

from __future__ import annotations

import re

MASK = "•••"
_NAME = r"[\w.-]*(?:TOKEN|SECRET|PASS|KEY|CREDENTIAL)[\w.-]*"
_VALUE = r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'&;|]+)"
_RULES = (
    (re.compile(rf"(?i)(\b{_NAME}\s*=\s*){_VALUE}"), rf"\g<1>{MASK}"),
    (re.compile(rf"(?i)(--{_NAME}\s+)(?!-){_VALUE}"), rf"\g<1>{MASK}"),
    (re.compile(r"(\b(?:mysql\w*|mariadb[\w-]*|sshpass)\b[^|;&]*?\s-p)(?=\S)" + _VALUE), rf"\g<1>{MASK}"),
    (re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@\"']*:)[^\s@/\"']+(@)"), rf"\g<1>{MASK}\g<2>"),
    (re.compile(r"(\s(?:-u|--user)[ =][\"']?[^\s:\"']+:)[^\s\"']+"), rf"\g<1>{MASK}"),
    (re.compile(r"(?i)(\b(?:bearer|basic|token)\s+)[\w.~+/=-]{8,}"), rf"\g<1>{MASK}"),
)


def mask(line: str) -> str:
    """The line with its secrets replaced by ``MASK``."""
    for pattern, replacement in _RULES:
        line = pattern.sub(replacement, line)
    return line
