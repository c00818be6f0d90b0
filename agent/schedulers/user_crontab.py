"""The crontab of the agent's user, read and written with crontab(1), which every cron provides."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Hashable, Sequence
from pathlib import Path

from agent.errors import SchedulerFailed

_NONE = re.compile(rb"(?i)^(crontab: )?(no crontab for \S+|can't open '?[^\n]*'?: no such file or directory)\s*$")
SPOOLS = ("/var/spool/cron/crontabs", "/var/spool/cron", "/var/spool/cron/tabs")
_SECONDS = 20


class UserCrontab:
    name = "crontab"

    def __init__(self, program: str = "crontab", spools: Sequence[str] = SPOOLS) -> None:
        """``spools``: folders where cron may keep the file, for who can look there."""
        self._spools = spools
        self._program = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin") or ""

    @property
    def path(self) -> Path | None:
        import getpass

        files = (Path(folder) / getpass.getuser() for folder in self._spools)
        return next((file for file in files if _visible(file)), None)

    def read(self) -> bytes | None:
        """The crontab, or None if crontab(1) says that there is none (exit code 1, "no crontab for USER")."""
        answer = self._run("-l")
        if answer.returncode == 0:
            return answer.stdout
        message = answer.stderr.strip() or answer.stdout.strip()
        if answer.returncode == 1 and _NONE.match(message):
            return None
        raise SchedulerFailed(
            f"crontab -l failed with exit code {answer.returncode}: {message.decode('utf-8', 'replace')}"
        )

    def write(self, data: bytes) -> None:
        with tempfile.NamedTemporaryFile(prefix="crontopus-") as file:
            file.write(data)
            file.flush()
            answer = self._run(file.name)
        if answer.returncode != 0:
            message = answer.stderr.decode("utf-8", "replace").strip()
            raise SchedulerFailed(f"crontab(1) rejected the new crontab: {message}")

    def clear(self) -> None:
        if self.read() is not None:
            self._run("-r")

    def mark(self) -> Hashable:
        """Time, size and inode of the file if it is readable (root), else a hash of the crontab."""
        path = self.path
        if path is not None:
            status = path.stat()
            return status.st_mtime_ns, status.st_size, status.st_ino
        return hashlib.sha256(self.read() or b"").digest()

    def _run(self, argument: str) -> subprocess.CompletedProcess[bytes]:
        if not self._program:
            raise SchedulerFailed("this host has no crontab program: install cron, then restart the agent")
        environment = {**os.environ, "LC_ALL": "C"}
        try:
            return subprocess.run(
                [self._program, argument], capture_output=True, env=environment, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise SchedulerFailed(f"crontab(1) cannot be run: {problem}") from problem


def _visible(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:
        return False
