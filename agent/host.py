"""Facts about this machine: its id, time zone, capabilities and logged-in users."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo, available_timezones

from agent import cron_daemon
from agent.errors import Refused

SALT = b"crontopus-machine-id-v1"
MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostid")


@dataclass(frozen=True)
class Host:
    """Properties of the machine, for rendering and reports. ``cron_tz``: whether its cron knows ``CRON_TZ``."""

    hostname: str
    platform: str
    zone: str
    root: bool
    user: str
    policy: str
    capabilities: dict[str, object] = field(default_factory=dict)
    cron_tz: bool = False

    def utc_offset(self, now: datetime) -> int:
        """Seconds east of UTC at ``now``."""
        delta = now.astimezone(ZoneInfo(self.zone)).utcoffset()
        return int(delta.total_seconds()) if delta else 0


def this_host(scheduler: Mapping[str, object]) -> Host:
    """This machine as it is now. ``scheduler``: the capabilities of its scheduler.

    Believes the system and its cron daemon, not the agent's own environment: cron does not have that one.
    """
    root = os.geteuid() == 0
    policy = dst_policy()
    capabilities = {**scheduler, "dst_policy": policy}
    system = f"{platform.system().lower()}-{platform.machine()}"
    zone = cron_daemon.zone_of_environment() or zone_name()
    return Host(
        socket.gethostname(),
        system,
        zone,
        root,
        user_name(os.geteuid()),
        policy,
        capabilities,
        cron_daemon.knows_cron_tz(),
    )


def machine_id(override: str | None = None, crontab_of: str = "", files: Sequence[str] = ()) -> str:
    """SHA-256 of a fixed salt and the system's machine id (or ``override``): stable, and does not reveal that id.

    ``crontab_of``: the user or the file whose crontab is managed, empty for root. It is part of the id because each
    crontab of a machine is a separate endpoint. ``files``: where the machine id is, if not in ``MACHINE_IDS``.
    """
    raw = override or f"{_system_id(files).strip()}\n{crontab_of}"
    return hashlib.sha256(SALT + raw.strip().encode()).hexdigest()


def _system_id(files: Sequence[str]) -> str:
    for name in files or MACHINE_IDS:
        path = Path(name)
        if path.is_file() and path.read_text(errors="replace").strip():
            return path.read_text(errors="replace")
    raise Refused(f"This machine has no machine id in {MACHINE_IDS[0]}. Set one with --machine-id, unique per machine.")


def zone_name(etc: Path = Path("/etc")) -> str:
    """The IANA name of the zone in /etc/localtime, which the C library uses for cron; UTC if there is none."""
    linked = _linked(etc / "localtime")
    return linked if linked and cron_daemon.is_zone(linked) else _copied(etc)


def _linked(path: Path) -> str:
    target = os.path.realpath(path)
    return target.split("zoneinfo/", 1)[1].removeprefix("posix/") if "zoneinfo/" in target else ""


def _copied(etc: Path) -> str:
    """The zone of which /etc/localtime is a copy: the one in /etc/timezone if it is, else the first by name."""
    try:
        copy = (etc / "localtime").read_bytes()
    except OSError:
        return "UTC"
    return _zone_with(copy, _written(etc / "timezone"))


@functools.lru_cache(maxsize=1)
def _zone_with(contents: bytes, first: str) -> str:
    names = [*([first] if first and cron_daemon.is_zone(first) else []), *sorted(available_timezones())]
    return next((name for name in names if _zone_file(name) == contents), "UTC")


def _zone_file(name: str) -> bytes | None:
    for folder in TZPATH:
        path = Path(folder) / name
        if path.is_file():
            return path.read_bytes()
    return None


def _written(path: Path) -> str:
    return path.read_text(errors="replace").strip() if path.is_file() else ""


def boot_id() -> str:
    """The kernel's id of this boot, which the runner sends too; empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def dst_policy() -> str:
    """How this host's cron treats clock changes: ``busybox`` or ``debian`` (see ``contract.schedule_slots``)."""
    crond = shutil.which("crond", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return "busybox" if crond and "busybox" in os.path.realpath(crond) else "debian"


def logged_in() -> list[str]:
    """The names of the logged-in users by who(1); empty if the host has no who(1)."""
    program = shutil.which("who")
    if not program:
        return []
    try:
        answer = subprocess.run([program], capture_output=True, timeout=2, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return sorted({line.split()[0].decode("utf-8", "replace") for line in answer.stdout.splitlines() if line.split()})


def owner_of(path: Path | None) -> tuple[str, datetime | None]:
    """Owner and modification time of a file; ("", None) if it cannot be read."""
    try:
        status = path.stat() if path else None
    except OSError:
        status = None
    if path is None or status is None:
        return "", None
    return user_name(status.st_uid), datetime.fromtimestamp(status.st_mtime, timezone.utc)


def user_name(uid: int) -> str:
    """The user's name in the user database, which is cron's; the number if it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
