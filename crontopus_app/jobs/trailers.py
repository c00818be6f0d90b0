"""Lines at the end of our commits' messages, which programs read."""

from __future__ import annotations

import re

CHANGE = "Change-Id"
# Somebody named each job that such a commit removes, so the agents' prune brake need not ask again.
PRUNE = "Crontopus-Prune: yes"
_CHANGES = re.compile(rf"^{CHANGE}: ([0-9a-f-]{{36}})\s*$", re.MULTILINE)
_LAST_LINES = re.compile(rf"\n+({CHANGE}: [0-9a-f-]{{36}}\n?|{PRUNE}\n?)+\s*\Z")


def changes_in(message: str) -> list[str]:
    """The ids of the changes that a commit of ours made; of somebody else's commit there are none."""
    return _CHANGES.findall(message)


def without(message: str) -> str:
    """The message as people read it."""
    return _LAST_LINES.sub("", message.strip())
