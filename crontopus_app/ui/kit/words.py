"""Values as words: durations, states, times. Pure, so that rows are made without a browser."""

from __future__ import annotations

from datetime import datetime

JOB_WORDS = {"ok": "healthy", "waiting": "waiting for its first run", "retired": "retired"}


def took(seconds: float | None) -> str:
    """``38 ms``, ``0.4 s``, ``8.2 s``, ``1:31``, ``1:00:00``; a dash of nothing."""
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


def iso(at: datetime | None) -> str:
    """The moment for a ``<time>``; an empty string of none."""
    return at.isoformat() if at else ""


def plural(count: int, one: str, many: str = "") -> str:
    """``1 host``, ``3 hosts``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def size(count: int) -> str:
    """Bytes as people read them."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return plural(count, "byte")


def hosts(names: list[str]) -> str:
    """The host's name, or how many there are."""
    return names[0] if len(names) == 1 else plural(len(names), "host") if names else "no host yet"
