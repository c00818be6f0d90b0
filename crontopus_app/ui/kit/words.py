"""Formats values for display: durations, states, times, sizes. Pure."""

from __future__ import annotations

import re
from datetime import datetime

JOB_WORDS = {"ok": "healthy", "waiting": "waiting for its first run", "retired": "retired"}


OUTCOMES = {"": "not reported yet", "Kept": "Installed (unchanged)", "Applied": "Installed"}


def outcome(reported: str) -> str:
    """What an agent did with a job, as shown: ``Installed (unchanged)``."""
    return OUTCOMES.get(reported, reported)


def took(seconds: float | None) -> str:
    """``38 ms``, ``0.4 s``, ``8.2 s``, ``1:31``, ``1:00:00``; a dash for None."""
    if seconds is None:
        return "–"
    if 0 < seconds < 0.1:
        return f"{max(1, round(seconds * 1000))} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def plain(message: str) -> str:
    """A message without the backticks that mark commands and names."""
    return message.replace("`", "")


def problem(message: str) -> str:
    """A manifest's error as shown beside its file: without backticks, the field without ``spec.`` or ``metadata.``."""
    return plain(re.sub(r"^`(?:spec|metadata)\.", "", message))


def iso(at: datetime | None) -> str:
    """ISO 8601, for a ``<time>``; empty for None."""
    return at.isoformat() if at else ""


def plural(count: int, one: str, many: str = "") -> str:
    """``1 host``, ``3 hosts``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def size(count: int) -> str:
    """Bytes as ``2.0 KiB``, ``3 bytes``."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return plural(count, "byte")


def hosts(names: list[str]) -> str:
    """The name of a single host, else the number of hosts."""
    return names[0] if len(names) == 1 else plural(len(names), "host") if names else "no host yet"
