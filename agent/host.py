"""Facts about this machine: its identity, zone, capabilities, and who is on it."""

from __future__ import annotations

import getpass
import hashlib
import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from agent.errors import Refused

SALT = b"crontopus-machine-id-v1"
_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostid")


@dataclass(frozen=True)
class Host:
    """What the machine is, for rendering and reporting."""

    hostname: str
    platform: str
    zone: str
    root: bool
    user: str
    policy: str
    capabilities: dict[str, object] = field(default_factory=dict)

    def utc_offset(self, now: datetime) -> int:
        """Seconds east of UTC at ``now``."""
        delta = now.astimezone(ZoneInfo(self.zone)).utcoffset()
        return int(delta.total_seconds()) if delta else 0


def this_host(scheduler: Mapping[str, object]) -> Host:
    """This machine, with what its ``scheduler`` can do."""
    root = os.geteuid() == 0
    policy = dst_policy()
    capabilities = {**scheduler, "dst_policy": policy}
    system = f"{platform.system().lower()}-{platform.machine()}"
    return Host(socket.gethostname(), system, zone_name(), root, getpass.getuser(), policy, capabilities)


def machine_id(given: str | None = None, crontab_of: str = "") -> str:
    """SHA-256 of the system's machine id with a fixed salt: stable, and tells nothing about the original.

    ``crontab_of``: the user or the file where it is not root's crontab that is managed. Each crontab of a machine is an
    endpoint of its own; by the machine alone the second agent would take the first one's place, and end it.
    """
    raw = given or f"{_system_id().strip()}\n{crontab_of}"
    return hashlib.sha256(SALT + raw.strip().encode()).hexdigest()


def _system_id() -> str:
    for name in _MACHINE_IDS:
        path = Path(name)
        if path.is_file() and path.read_text(errors="replace").strip():
            return path.read_text(errors="replace")
    raise Refused("This machine has no machine id: give one with --machine-id, unique for each machine")


def zone_name(etc: Path = Path("/etc")) -> str:
    """The IANA name of the zone that cron was started in: TZ, /etc/localtime, /etc/timezone, else UTC."""
    for name in (os.environ.get("TZ", "").lstrip(":"), _linked(etc / "localtime"), _written(etc / "timezone")):
        if name and name in available_timezones():
            return name
    return "UTC"


def _linked(path: Path) -> str:
    target = os.path.realpath(path)
    return target.split("zoneinfo/", 1)[1] if "zoneinfo/" in target else ""


def _written(path: Path) -> str:
    return path.read_text(errors="replace").strip() if path.is_file() else ""


def dst_policy() -> str:
    """Which cron this host has, named by how it treats clock changes (schedule.md)."""
    crond = shutil.which("crond", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return "busybox" if crond and "busybox" in os.path.realpath(crond) else "debian"


def logged_in() -> list[str]:
    """Names of who is logged in; empty where the host cannot say."""
    program = shutil.which("who")
    if not program:
        return []
    try:
        answer = subprocess.run([program], capture_output=True, timeout=2, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return sorted({line.split()[0].decode("utf-8", "replace") for line in answer.stdout.splitlines() if line.split()})


def owner_of(path: Path | None) -> tuple[str, datetime | None]:
    """Owner and modification time of a file; blanks where it cannot be seen."""
    try:
        seen = path.stat() if path else None
    except OSError:
        seen = None
    if path is None or seen is None:
        return "", None
    return _user_name(seen.st_uid), datetime.fromtimestamp(seen.st_mtime, timezone.utc)


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
