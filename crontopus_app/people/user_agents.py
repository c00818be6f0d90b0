"""What signed in, in words: a user agent as a person would name it."""

from __future__ import annotations

# In this order: each later one's string contains the earlier ones' words too.
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
    """``Firefox on Linux``; the beginning of a string that nobody knows, ``unknown`` of none."""
    program = _first(PROGRAMS, user_agent)
    if not program:
        return "".join(char for char in user_agent if char.isprintable())[:LONGEST].strip() or "unknown"
    system = _first(SYSTEMS, user_agent)
    return f"{program} on {system}" if system else program


def _first(words: tuple[tuple[str, str], ...], text: str) -> str:
    return next((name for sign, name in words if sign in text), "")
