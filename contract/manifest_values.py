"""Parses durations and sizes, and formats them in their shortest form."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?\Z")
_SIZE = re.compile(r"(\d+)\s?(B|KiB|MiB|GiB)?\Z")
_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
MAX_DURATION = timedelta(days=4000)


def parse_duration(text: str) -> timedelta:
    """Parses `90` (seconds), `90s`, `5m`, `1h30m` or `2d`. Raises ``ValueError`` with what is wrong."""
    if not text.isascii() or len(text) > 40:
        raise ValueError("is not a duration; write 90s, 5m, 1h30m or 2d")
    if text.isdigit():
        return _bounded(0, 0, 0, int(text))
    match = _DURATION.match(text)
    if not text or not match:
        raise ValueError(f"{text!r} is not a duration; write 90s, 5m, 1h30m or 2d")
    return _bounded(*(int(part or 0) for part in match.groups()))


def _bounded(days: int, hours: int, minutes: int, seconds: int) -> timedelta:
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if total > MAX_DURATION.total_seconds():
        raise ValueError(f"is longer than {MAX_DURATION.days} days")
    return timedelta(seconds=total)


def format_duration(duration: timedelta) -> str:
    """The shortest text that ``parse_duration`` parses to the same duration."""
    total = int(duration.total_seconds())
    parts = []
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, total = divmod(total, seconds)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(text: str) -> int:
    """Parses `4096` (bytes), `16KiB` or `1MiB`. Raises ``ValueError`` with what is wrong."""
    match = _SIZE.match(text) if text.isascii() and len(text) <= 20 else None
    if not match:
        raise ValueError("is not a size; write 4096 (bytes), 16KiB or 1MiB")
    return int(match.group(1)) * _UNITS[match.group(2) or "B"]


def format_size(size: int) -> str:
    """The shortest text that ``parse_size`` parses to the same size."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return str(size)
