"""Which cron this host has, and the time zone in its daemon's environment."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

PROC = Path("/proc")
_DAEMONS = (b"cron\n", b"crond\n")
_GENERATORS = ("/usr/lib/systemd/system-generators", "/lib/systemd/system-generators")


def is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return False
    return True


def zone_of_environment(proc: Path = PROC) -> str:
    """The IANA zone in ``TZ`` of the cron daemon's environment; empty if it has none or is not readable (not root)."""
    for process in _daemons(proc):
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        name = next((value[3:] for value in variables if value.startswith(b"TZ=")), b"").decode("utf-8", "replace")
        name = name.lstrip(":").split("zoneinfo/")[-1]
        if name and is_zone(name):
            return name
    return ""


def _daemons(proc: Path) -> Iterator[Path]:
    """The processes of cron daemons on this machine, without those of containers."""
    for process in proc.glob("[0-9]*"):
        try:
            if (process / "comm").read_bytes() in _DAEMONS and _is_here(process, proc / "self"):
                yield process
        except OSError:
            continue


def _is_here(process: Path, me: Path) -> bool:
    return all(os.readlink(process / "ns" / kind) == os.readlink(me / "ns" / kind) for kind in ("pid", "uts"))


def knows_cron_tz() -> bool:
    """Whether cron reads ``CRON_TZ=`` in a crontab as the zone of the lines below: cronie and systemd-cron do."""
    if any((Path(folder) / "systemd-crontab-generator").exists() for folder in _GENERATORS):
        return True
    program = shutil.which("crontab", path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin")
    if not program:
        return False
    status = os.stat(program)
    return _is_cronie(program, status.st_mtime_ns, status.st_ino)


@functools.lru_cache(maxsize=1)
def _is_cronie(program: str, _modified: int, _inode: int) -> bool:
    """Asked once for each installed program: cronie may replace another cron while the agent runs."""
    try:
        answer = subprocess.run([program, "-V"], stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"cronie" in answer.stdout + answer.stderr
