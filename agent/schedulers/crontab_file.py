"""A file in crontab format, for tests, containers and the demo."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path

from agent.errors import SchedulerFailed
from agent.schedulers.base import CHANGED_MEANWHILE
from agent.state import write_atomic


class CrontabFile:
    name = "file"

    def __init__(self, path: Path) -> None:
        # A symbolic link stays; the file it points to is replaced.
        self.path: Path | None = Path(os.path.realpath(path))
        self._file = self.path

    def read(self) -> bytes | None:
        try:
            return self._file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise SchedulerFailed(f"{self._file} cannot be read: {problem.strerror}") from problem

    def write(self, data: bytes, before: bytes | None = None) -> None:
        """Replaces the file atomically; its mode and owner stay."""
        if before is not None and (self.read() or b"") != before:
            raise SchedulerFailed(CHANGED_MEANWHILE)
        try:
            mode, owner = self._mode_and_owner()
            write_atomic(self._file, data, mode)
            if owner and owner != (os.geteuid(), os.getegid()):
                os.chown(self._file, *owner)
        except OSError as problem:
            raise SchedulerFailed(f"{self._file} cannot be written: {problem.strerror}") from problem

    def clear(self) -> None:
        self._file.unlink(missing_ok=True)

    def mark(self) -> Hashable:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _mode_and_owner(self) -> tuple[int, tuple[int, int] | None]:
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return 0o600, None
        return status.st_mode & 0o7777, (status.st_uid, status.st_gid)
