"""Rows of the Silences page."""

from __future__ import annotations

from dataclasses import dataclass

from contract.wire_alerts import Window
from crontopus_app.ui.kit import words

COLOURS = {"active": "late", "planned": "waiting", "over": "paused"}


@dataclass(frozen=True)
class WindowRow:
    """``kind`` is silence or maintenance; ``recurs``: the times at which it does, in words."""

    id: str
    kind: str
    state: str
    colour: str
    covers: str
    starts: str
    until: str
    recurs: str
    reason: str


def window(one: Window, kind: str) -> WindowRow:
    labels = [f"{name}={'|'.join(values)}" for name, values in one.when.labels.items()]
    covers = ", ".join([*one.when.namespaces, *one.when.jobs, *one.when.endpoints, *labels]) or "everything"
    times = words.iso(one.starts), words.iso(one.until)
    return WindowRow(one.id, kind, one.state, COLOURS[one.state], covers, *times, "; ".join(one.during), one.reason)
