"""Where the CLI keeps the server's address and the token: one JSON file that only its owner can read."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Profile:
    url: str
    token: str
    username: str = ""


def location() -> Path:
    """``$CRONTOPUS_PROFILE``, else ``~/.config/crontopus/profile.json`` (XDG)."""
    given = os.environ.get("CRONTOPUS_PROFILE")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(base) / "crontopus" / "profile.json"


def load() -> Profile | None:
    """The profile, with CRONTOPUS_URL and CRONTOPUS_TOKEN before the file; None where nobody signed in."""
    url, token = os.environ.get("CRONTOPUS_URL"), os.environ.get("CRONTOPUS_TOKEN")
    try:
        kept = json.loads(location().read_text())
    except (OSError, ValueError):
        kept = {}
    profile = Profile(
        url=url or kept.get("url", ""), token=token or kept.get("token", ""), username=kept.get("username", "")
    )
    return profile if profile.url and profile.token else None


def save(profile: Profile) -> Path:
    """Writes the profile whole, readable by its owner only (0600)."""
    path = location()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".profile-")
    with os.fdopen(handle, "w") as file:
        json.dump(asdict(profile), file)
    os.replace(temporary, path)
    return path


def forget() -> None:
    location().unlink(missing_ok=True)
