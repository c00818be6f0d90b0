"""Trailers: machine-readable lines at the end of the messages of Crontopus' commits."""

from __future__ import annotations

import re

CHANGE = "Change-Id"
# The commit deletes jobs that a user named one by one, so agents apply it without their prune confirmation.
PRUNE = "Crontopus-Prune: yes"
_CHANGES = re.compile(rf"^{CHANGE}: ([0-9a-f-]{{36}})\s*$", re.MULTILINE)
_LAST_LINES = re.compile(rf"\n+({CHANGE}: [0-9a-f-]{{36}}\n?|{PRUNE}\n?)+\s*\Z")


def changes_in(message: str) -> list[str]:
    """The ids of the changes in a commit; empty for a commit that Crontopus did not make."""
    return _CHANGES.findall(message)


def without(message: str) -> str:
    """The message without its trailers."""
    return _LAST_LINES.sub("", message.strip())
