"""The CLI's profile: server address and token in a JSON file with mode 0600."""

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
    configured = os.environ.get("CRONTOPUS_PROFILE")
    if configured:
        return Path(configured)
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(base) / "crontopus" / "profile.json"


def load() -> Profile | None:
    """The saved profile, overridden by CRONTOPUS_URL and CRONTOPUS_TOKEN; None without address or token."""
    url, token = os.environ.get("CRONTOPUS_URL"), os.environ.get("CRONTOPUS_TOKEN")
    try:
        saved = json.loads(location().read_text())
    except (OSError, ValueError):
        saved = {}
    profile = Profile(
        url=url or saved.get("url", ""), token=token or saved.get("token", ""), username=saved.get("username", "")
    )
    return profile if profile.url and profile.token else None


def save(profile: Profile) -> Path:
    """Writes the profile atomically with mode 0600."""
    path = location()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".profile-")
    with os.fdopen(handle, "w") as file:
        json.dump(asdict(profile), file)
    os.replace(temporary, path)
    return path


def forget() -> None:
    location().unlink(missing_ok=True)
