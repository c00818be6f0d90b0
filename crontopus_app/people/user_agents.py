"""Readable names of user agents."""

from __future__ import annotations

# In this order, because many strings also contain the markers of later entries.
PROGRAMS = (
    ("crontopus-cli/", "crontopus command line"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python-httpx/", "a Python script"),
    ("python-requests/", "a Python script"),
    ("Python-urllib/", "a Python script"),
)
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Darwin", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
)
LONGEST = 40


def named(user_agent: str) -> str:
    """A name such as ``Firefox on Linux``; the start of an unrecognised string; ``unknown`` for an empty one."""
    program = _first(PROGRAMS, user_agent)
    if not program:
        return "".join(char for char in user_agent if char.isprintable())[:LONGEST].strip() or "unknown"
    system = _first(SYSTEMS, user_agent)
    return f"{program} on {system}" if system else program


def _first(words: tuple[tuple[str, str], ...], text: str) -> str:
    return next((name for sign, name in words if sign in text), "")
